package nonrooted

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

var lan = simnet.Link{Delay: 200 * time.Microsecond}

func TestEmptySessionIsFoundedAndOthersFindIt(t *testing.T) {
	inRoom(t, 1, lan, func(r *room) {
		a := r.join(func(c *Config) { c.Callee = []byte("hello") })
		if a.ID() != 1 || len(a.View().Members) != 1 {
			t.Errorf("the founder is member %d of %v", a.ID(), a.View().Members)
		}
		if err := a.Send(r.ctx, []byte("to nobody")); err != nil {
			t.Errorf("sending alone: %v", err)
		}
		began := time.Now()
		b := r.join(nil)
		if took := time.Since(began); took > time.Second {
			t.Errorf("joining took %v", took)
		}
		if string(b.CalleeData()) != "hello" {
			t.Errorf("callee data %q", b.CalleeData())
		}
		r.settle(time.Second, a, b)
		if m, ok := viewOfPeer(a).Member(b.ID()); !ok || string(m.Data) != "p1" {
			t.Errorf("the founder sees %+v", m)
		}
	})
}

// exchange lets everybody send n messages to everybody.
func exchange(r *room, ps []*Peer, n int) {
	r.Helper()
	done := make(chan error, 2*len(ps))
	for who, p := range ps {
		go func() {
			for i := range n {
				if err := p.Send(r.ctx, numbered(who, i)); err != nil {
					done <- err
					return
				}
			}
			done <- p.Drain(r.ctx)
		}()
		go func() {
			next, buf := make([]int, len(ps)), make([]byte, 100)
			for got := 0; got < (len(ps)-1)*n; got++ {
				m, err := p.Recv(r.ctx, buf)
				if err != nil {
					done <- err
					return
				}
				from, i := read(buf[:m.N])
				if m.Missed != 0 || i != next[from] || string(m.Member.Data) != name(from) {
					r.Errorf("member %d: message %d of %s after %d, %d missed, said to be %s's", who, i, name(from), next[from], m.Missed, m.Member.Data)
				}
				next[from] = i + 1
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			r.Error(err)
		}
	}
}

func TestEverybodyHearsEverybody(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.05} {
		inRoom(t, 2, simnet.Link{Delay: 200 * time.Microsecond, Loss: loss}, func(r *room) {
			ps := r.joinAll(6, nil)
			r.settle(time.Second, ps...)
			exchange(r, ps, 300)
		})
	}
}

func TestCoordinatorDies_TheRestGoOnAndNothingComesTwice(t *testing.T) {
	inRoom(t, 3, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.01}, func(r *room) {
		ps := r.joinAll(5, nil)
		r.settle(time.Second, ps...)
		view := ps[1].View().Number
		const n = 4000
		done := make(chan error, 2*len(ps))
		var stall time.Duration
		for who, p := range ps[1:] {
			who++
			go func() {
				for i := range n {
					if err := p.Send(r.ctx, numbered(who, i)); err != nil {
						done <- err
						return
					}
					time.Sleep(time.Millisecond)
				}
				done <- p.Drain(r.ctx)
			}()
			go func() {
				next, buf, last := make([]int, len(ps)), make([]byte, 100), time.Now()
				for got := 0; got < (len(ps)-2)*n; {
					m, err := p.Recv(r.ctx, buf)
					if err != nil {
						done <- err
						return
					}
					from, i := read(buf[:m.N])
					if from == 0 {
						continue
					}
					got++
					if who == 1 {
						stall = max(stall, time.Since(last))
						last = time.Now()
					}
					if m.Missed != 0 || i != next[from] {
						t.Errorf("member %d: message %d of %d after %d, %d missed", who, i, from, next[from], m.Missed)
					}
					next[from] = i + 1
				}
				done <- nil
			}()
		}
		time.Sleep(time.Second)
		r.net.Kill("p0")
		for range 2 * (len(ps) - 1) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if stall > 3*time.Second {
			t.Errorf("the rest stood still for %v", stall)
		}
		r.settle(time.Second, ps[1:]...)
		if v := ps[1].View(); v.Coordinator != ps[1].ID() || v.Number>>32 != view>>32+1 {
			t.Errorf("view %x led by %d", v.Number, v.Coordinator)
		}
	})
}

func TestPartition_BothSidesRunOnAndMerge(t *testing.T) {
	for seed := range uint64(3) {
		inRoom(t, seed, lan, func(r *room) {
			ps := r.joinAll(8, nil)
			r.settle(time.Second, ps...)
			r.net.Partition([]string{"p0", "p1", "p2"})
			r.settle(6*time.Second, ps[:3]...)
			r.settle(6*time.Second, ps[3:]...)
			exchange2(r, ps[:3], ps[3:])
			r.net.Heal()
			took := r.settle(5*time.Second, ps...)
			t.Logf("merged %v after healing", took)
			for _, p := range ps {
				if !told(r, p, Merged) {
					t.Errorf("member %s was told of no merger", p.c.Data)
				}
			}
			exchangeNew(r, ps)
		})
	}
}

// exchange2 lets two sides talk, each to itself.
func exchange2(r *room, a, b []*Peer) {
	for _, side := range [][]*Peer{a, b} {
		for _, from := range side {
			if err := from.Send(r.ctx, append([]byte("side "), from.c.Data...)); err != nil {
				r.Error(err)
			}
		}
		for _, to := range side {
			buf := make([]byte, 100)
			for range len(side) - 1 {
				m, err := to.Recv(r.ctx, buf)
				if err != nil || string(buf[:m.N]) != "side "+string(m.Member.Data) {
					r.Errorf("%q, %v", buf[:m.N], err)
				}
			}
		}
	}
}

// exchangeNew is exchange after a merger: nothing of before may come.
func exchangeNew(r *room, ps []*Peer) {
	r.Helper()
	for _, from := range ps {
		if err := from.Send(r.ctx, append([]byte("one "), from.c.Data...)); err != nil {
			r.Error(err)
		}
	}
	for _, to := range ps {
		buf, heard := make([]byte, 100), map[string]bool{}
		for range len(ps) - 1 {
			m, err := to.Recv(r.ctx, buf)
			if err != nil || string(buf[:m.N]) != "one "+string(m.Member.Data) || heard[string(buf[:m.N])] {
				r.Errorf("%s: %q, %v", to.c.Data, buf[:m.N], err)
			}
			heard[string(buf[:m.N])] = true
		}
	}
}

// told looks for an event among those that wait.
func told(r *room, p *Peer, kind EventKind) bool {
	for {
		e, ok := p.events.take()
		if !ok {
			return false
		}
		if e.Kind == kind {
			return true
		}
	}
}

func TestC3_WrongCodeIsRefusedAndLearnsWhy(t *testing.T) {
	inRoom(t, 5, lan, func(r *room) {
		a := r.join(nil)
		other, err := crypto.NewCode()
		if err != nil {
			t.Fatal(err)
		}
		c := r.config("stranger")
		c.Identity = crypto.Identity{Code: other}
		_, err = Join(r.ctx, testGroup, c)
		if !errors.Is(err, crypto.ErrProof) || !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("a stranger was told %v", err)
		}
		if len(a.View().Members) != 1 {
			t.Error("the stranger is in")
		}
	})
}

func TestLeaving_TheOthersHearOfItAtOnce(t *testing.T) {
	inRoom(t, 6, lan, func(r *room) {
		ps := r.joinAll(4, nil)
		r.settle(time.Second, ps...)
		if err := ps[2].Shutdown(r.ctx); err != nil {
			t.Error(err)
		}
		r.settle(500*time.Millisecond, ps[0], ps[1], ps[3])
		if err := ps[0].Close(); err != nil { // the coordinator
			t.Error(err)
		}
		r.settle(500*time.Millisecond, ps[1], ps[3])
		for _, p := range []*Peer{ps[0], ps[2]} {
			if err := p.Send(r.ctx, nil); !errors.Is(err, net.ErrClosed) {
				t.Errorf("sending after the end: %v", err)
			}
			if _, err := p.Recv(r.ctx, nil); !errors.Is(err, net.ErrClosed) {
				t.Errorf("receiving after the end: %v", err)
			}
		}
	})
}

func TestEvicted_IsOutForGood(t *testing.T) {
	inRoom(t, 7, lan, func(r *room) {
		ps := r.joinAll(4, nil)
		r.settle(time.Second, ps...)
		if err := ps[1].Evict(r.ctx, ps[2].ID()); !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("a plain member evicts: %v", err)
		}
		if err := ps[0].Evict(r.ctx, ps[2].ID()); err != nil {
			t.Fatal(err)
		}
		<-ps[2].Done()
		if err := ps[2].Err(); !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("the evicted one was told %v", err)
		}
		r.settle(time.Second, ps[0], ps[1], ps[3])
	})
}

func TestRoles_OneWayMembers(t *testing.T) {
	inRoom(t, 8, lan, func(r *room) {
		a := r.join(func(c *Config) { c.Role = SendOnly })
		b := r.join(func(c *Config) { c.Role = ReceiveOnly })
		c := r.join(nil)
		r.settle(time.Second, a, b, c)
		if err := b.Send(r.ctx, []byte("x")); !errors.Is(err, transport.WSAEOPNOTSUPP) {
			t.Errorf("a receiver sends: %v", err)
		}
		if err := a.Send(r.ctx, []byte("from a")); err != nil {
			t.Error(err)
		}
		if err := c.Send(r.ctx, []byte("from c")); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 100)
		for range 2 {
			if _, err := b.Recv(r.ctx, buf); err != nil {
				t.Error(err)
			}
		}
		if m, err := c.Recv(r.ctx, buf); err != nil || string(buf[:m.N]) != "from a" {
			t.Errorf("%q, %v", buf[:m.N], err)
		}
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		if m, err := a.Recv(ctx, buf); err == nil {
			t.Errorf("who only sends heard %q", buf[:m.N])
		}
	})
}

func TestLoopback_GivesOwnMessagesToo(t *testing.T) {
	inRoom(t, 9, lan, func(r *room) {
		ps := r.joinAll(2, func(c *Config) { c.Loopback = true })
		r.settle(time.Second, ps...)
		for i, p := range ps {
			if err := p.Send(r.ctx, numbered(i, 1)); err != nil {
				t.Error(err)
			}
		}
		for _, p := range ps {
			heard, buf := map[string]bool{}, make([]byte, 100)
			for range 2 {
				m, err := p.Recv(r.ctx, buf)
				if err != nil {
					t.Fatal(err)
				}
				heard[string(m.Member.Data)] = true
			}
			if !heard["p0"] || !heard["p1"] {
				t.Errorf("%s heard %v", p.c.Data, heard)
			}
		}
	})
}

func TestDeadlineAndBestEffortTellWhatWasMissed(t *testing.T) {
	inRoom(t, 10, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.05}, func(r *room) {
		ps := r.joinAll(3, func(c *Config) { c.Streams = []flow.Class{flow.BestEffort, flow.Deadline} })
		r.settle(time.Second, ps...)
		const n = 1000
		done := make(chan [2]int, 2)
		for _, p := range ps[1:] {
			go func() {
				var got [2]int
				buf := make([]byte, 100)
				ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
				defer cancel()
				for got[0] < n || got[1] < n {
					m, err := p.Recv(ctx, buf)
					if err != nil {
						t.Error(err)
						break
					}
					got[m.Stream] += 1 + int(m.Missed)
				}
				done <- got
			}()
		}
		for i := range n + 20 {
			for st := range flow.Stream(2) {
				if err := ps[0].SendStream(r.ctx, st, numbered(0, i)); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		for range 2 {
			if got := <-done; got[0] < n || got[1] < n {
				t.Errorf("%v of %d accounted for", got, n)
			}
		}
	})
}
