package rooted

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func TestReliableReachesEveryLeafInOrder(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.05, 0.2} {
		inRoom(t, 1, simnet.Link{Delay: 200 * time.Microsecond, Loss: loss}, func(r *room) {
			root := r.listen(nil)
			leaves := r.leaves(3)
			const n = 2000
			done := make(chan error, len(leaves))
			for _, l := range leaves {
				go func() {
					got, missed, err := take(r.T, r.ctx, l.Recv, 0)
					if got != n || missed != 0 {
						r.Errorf("loss %v: leaf %d got %d, missed %d", loss, l.ID(), got, missed)
					}
					done <- err
				}()
			}
			for i := range n {
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Fatal(err)
				}
			}
			if err := root.Shutdown(r.ctx); err != nil {
				r.Fatal(err)
			}
			for range leaves {
				if err := <-done; err != nil {
					r.Error(err)
				}
			}
			for _, l := range leaves {
				l.Close()
			}
		})
	}
}

func TestBestEffortTellsExactlyWhatWasMissed(t *testing.T) {
	inRoom(t, 2, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.05}, func(r *room) {
		root := r.listen(func(c *Config) { c.Streams = []flow.Class{flow.BestEffort} })
		leaves := r.leaves(3)
		const n = 3000
		done := make(chan int, len(leaves))
		for _, l := range leaves {
			go func() {
				got, missed, err := take(r.T, r.ctx, l.Recv, 0)
				if err != nil || got+missed != n || missed == 0 {
					r.Errorf("leaf %d: got %d and missed %d of %d, %v", l.ID(), got, missed, n, err)
				}
				done <- missed
			}()
		}
		for i := range n {
			if err := root.Send(r.ctx, numbered(i)); err != nil {
				r.Fatal(err)
			}
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		root.Shutdown(r.ctx)
		for range leaves {
			<-done
		}
		for _, l := range leaves {
			l.Close()
		}
	})
}

func TestR244_NothingFromBeforeTheJoinEverythingAfter(t *testing.T) {
	for seed := range uint64(20) {
		inRoom(t, seed, simnet.Link{Delay: time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.02}, func(r *room) {
			root := r.listen(nil)
			first, _ := r.join("first", nil, nil)
			go take(r.T, r.ctx, first.Recv, 0)
			sent := make(chan int)
			stop := make(chan struct{})
			go func() { // keeps sending while the second one joins
				i := 0
				for ; ; i++ {
					select {
					case <-stop:
						sent <- i
						return
					default:
						root.Send(r.ctx, numbered(i))
						time.Sleep(100 * time.Microsecond)
					}
				}
			}()
			time.Sleep(20 * time.Millisecond)
			late, _ := r.join("late", nil, nil)
			close(stop)
			n := <-sent
			for i := range 50 {
				if err := root.Send(r.ctx, numbered(n+i)); err != nil {
					r.Fatal(err)
				}
			}
			go root.Shutdown(r.ctx)
			p := make([]byte, 64<<10)
			m, err := late.Recv(r.ctx, p)
			if err != nil {
				r.Fatal(err)
			}
			start := int(numberOf(p[:m.N]))
			if start > n {
				r.Errorf("the first message is %d: %d was sent after Accept returned", start, n)
			}
			got, missed, err := take(r.T, r.ctx, late.Recv, start+1)
			if err != nil || missed != 0 || start+1+got != n+50 {
				r.Errorf("from %d: got %d, missed %d, want up to %d; %v", start, got, missed, n+50, err)
			}
			late.Close()
			first.Close()
		})
	}
}

func numberOf(p []byte) (n uint64) {
	for _, b := range p[:8] {
		n = n<<8 | uint64(b)
	}
	return n
}

func TestLeavesSendToTheRootOnly(t *testing.T) {
	inRoom(t, 3, simnet.Link{Delay: time.Millisecond, Loss: 0.05}, func(r *room) {
		root := r.listen(nil)
		leaves := r.leaves(3)
		const n = 300
		for _, l := range leaves {
			go func() {
				for i := range n {
					if err := l.Send(r.ctx, numbered(i)); err != nil {
						r.Error(err)
						return
					}
				}
				if err := l.Drain(r.ctx); err != nil {
					r.Error(err)
				}
			}()
		}
		next := map[uint32]int{}
		p := make([]byte, 64<<10)
		for range n * len(leaves) {
			m, err := root.Recv(r.ctx, p)
			if err != nil {
				r.Fatal(err)
			}
			if string(p[:m.N]) != string(numbered(next[m.From])) || m.Missed != 0 {
				r.Fatalf("leaf %d: message %d is not the next one", m.From, next[m.From])
			}
			next[m.From]++
		}
		time.Sleep(time.Second)
		for _, l := range leaves {
			if h := l.Stats().Data.Receivers.Messages; h != 0 { // R235
				r.Errorf("leaf %d heard %d messages of other leaves", l.ID(), h)
			}
			l.Close()
		}
	})
}

func TestR238_NonrootedDataReachesAllOthers(t *testing.T) {
	inRoom(t, 4, simnet.Link{Delay: time.Millisecond, Loss: 0.03}, func(r *room) {
		root := r.listen(func(c *Config) { c.Data = NonrootedData })
		leaves := r.leaves(3)
		time.Sleep(time.Second) // everybody has met everybody
		const n = 200
		send := func(f func(context.Context, []byte) error) {
			for i := range n {
				if err := f(r.ctx, numbered(i)); err != nil {
					r.Error(err)
					return
				}
			}
		}
		go send(root.Send)
		for _, l := range leaves {
			go send(l.Send)
		}
		recv := func(name uint32, f func(context.Context, []byte) (Message, error), done chan<- bool) {
			next := map[uint32]int{}
			p := make([]byte, 64<<10)
			for range n * len(leaves) {
				m, err := f(r.ctx, p)
				if err != nil {
					r.Errorf("member %d: %v after %v", name, err, next)
					break
				}
				if m.Missed != 0 || string(p[:m.N]) != string(numbered(next[m.From])) {
					r.Errorf("member %d: message %d of %d is not the next one", name, next[m.From], m.From)
					break
				}
				next[m.From]++
			}
			done <- true
		}
		done := make(chan bool)
		go recv(1, root.Recv, done)
		for _, l := range leaves {
			go recv(l.ID(), l.Recv, done)
		}
		for range len(leaves) + 1 {
			<-done
		}
		for _, l := range leaves {
			l.Close()
		}
	})
}

func TestCallerAndCalleeData(t *testing.T) {
	inRoom(t, 5, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		r.listen(func(c *Config) {
			c.Condition = func(q *Request) Verdict {
				if q.Room > 0 {
					q.Callee = append([]byte("welcome "), q.Data...)
				}
				return Accept
			}
		})
		l, m := r.join("leaf", []byte("ann\x00"), nil) // R183: any bytes
		if got := string(l.CalleeData()); got != "welcome ann\x00" {
			r.Errorf("callee data %q", got)
		}
		if got := string(m.CallerData()); got != "ann\x00" {
			r.Errorf("caller data %q", got)
		}
		l.Close()
		none, m := r.join("none", nil, func(c *Config) { c.CalleeRoom = -1 })
		if m.CallerData() != nil || none.CalleeData() != nil {
			r.Error("nil caller data or unwanted callee data came as something")
		}
		none.Close()
	})
}

func TestR90_R91_RefusedAndR92_Deferred(t *testing.T) {
	inRoom(t, 6, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		verdicts := []Verdict{Refuse, Defer, Defer, Accept}
		seen := []string{}
		root := r.listen(func(c *Config) {
			c.Condition = func(q *Request) Verdict {
				v := verdicts[0]
				verdicts = verdicts[1:]
				seen = append(seen, string(q.Data))
				q.Reason = "no room for bob"
				return v
			}
		})
		joined := make(chan error, 1)
		join := func(name string) {
			l, err := Join(r.ctx, root.Addr(), []byte(name), r.config(name))
			if err == nil {
				defer l.Close()
			}
			joined <- err
		}
		go join("bob")
		if _, err := root.Accept(r.ctx); !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("Accept of a refused leaf: %v", err)
		}
		err := <-joined
		if !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("the refused join: %v", err)
		}
		if err == nil || !contains(err.Error(), "no room for bob") {
			r.Errorf("the refused join does not say why: %v", err)
		}
		go join("eve")
		for range 2 {
			if _, err := root.Accept(r.ctx); !errors.Is(err, transport.WSATRY_AGAIN) {
				r.Errorf("Accept of a deferred leaf: %v", err)
			}
		}
		if _, err := root.Accept(r.ctx); err != nil {
			r.Error(err)
		}
		if err := <-joined; err != nil {
			r.Error(err)
		}
		if len(seen) != 4 || seen[1] != "eve" || seen[3] != "eve" { // R95
			r.Errorf("the condition saw %q", seen)
		}
	})
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

func TestR56_InvitedLeafComesIn(t *testing.T) {
	inRoom(t, 7, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		root := r.listen(nil)
		c := r.config("leaf")
		c.Condition = func(q *Request) Verdict {
			if string(q.Data) == "go away" {
				return Refuse
			}
			q.Callee = []byte("coming")
			return Accept
		}
		addr := testRoot
		ll, err := ListenLeaf(r.ctx, addr, c)
		if err != nil {
			r.Fatal(err)
		}
		defer ll.Close()
		at := r.net.Host("leaf").Addr()
		type result struct {
			l   *Leaf
			err error
		}
		in := make(chan result, 2)
		go func() {
			for range 2 {
				l, err := ll.Accept(r.ctx)
				in <- result{l, err}
			}
		}()
		to := netipPort(at, addr.Port())
		if _, err := root.Invite(r.ctx, to, []byte("go away")); !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("a refused invitation: %v", err)
		}
		if x := <-in; !errors.Is(x.err, transport.WSAECONNREFUSED) {
			r.Errorf("the refusing side: %v", x.err)
		}
		m, err := root.Invite(r.ctx, to, []byte("please"))
		if err != nil {
			r.Fatal(err)
		}
		x := <-in
		if x.err != nil {
			r.Fatal(x.err)
		}
		if string(m.CalleeData()) != "coming" || string(x.l.CallerData()) != "please" {
			r.Errorf("data: %q, %q", m.CalleeData(), x.l.CallerData())
		}
		if err := root.Send(r.ctx, []byte("hello")); err != nil {
			r.Fatal(err)
		}
		p := make([]byte, 100)
		if n, err := x.l.Recv(r.ctx, p); err != nil || string(p[:n.N]) != "hello" {
			r.Errorf("%q, %v", p[:n.N], err)
		}
		if _, err := root.Invite(r.ctx, netipPort(at, 9), nil); !errors.Is(err, transport.WSAECONNREFUSED) { // R63
			r.Errorf("inviting nobody: %v", err)
		}
		x.l.Close()
	})
}

func TestR214_R215_EitherSideHearsTheOtherClose(t *testing.T) {
	inRoom(t, 8, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		root := r.listen(nil)
		a, ma := r.join("a", nil, nil)
		b, mb := r.join("b", nil, nil)
		c, mc := r.join("c", nil, nil)
		before := root.Stats().Epoch
		a.Close()
		<-ma.Done()
		if ma.Err() != io.EOF {
			r.Errorf("the root hears of a's leaving: %v", ma.Err())
		}
		mb.Evict(transport.WSAEACCES, "too loud")
		<-b.Done()
		if !errors.Is(b.Err(), transport.WSAEACCES) || !contains(b.Err().Error(), "too loud") {
			r.Errorf("b hears: %v", b.Err())
		}
		if _, err := b.Recv(r.ctx, make([]byte, 10)); !errors.Is(err, transport.WSAEACCES) {
			r.Errorf("Recv of an evicted leaf: %v", err)
		}
		time.Sleep(time.Second)
		if after := root.Stats().Epoch; after <= before {
			r.Errorf("epoch %d after two leaves left, %d before", after, before)
		}
		if err := root.Send(r.ctx, []byte("still here")); err != nil { // R220
			r.Error(err)
		}
		p := make([]byte, 100)
		if m, err := c.Recv(r.ctx, p); err != nil || string(p[:m.N]) != "still here" {
			r.Errorf("c: %v", err)
		}
		r.net.Kill("c")
		<-mc.Done()
		if err := mc.Err(); !errors.Is(err, transport.WSAECONNRESET) && !errors.Is(err, transport.WSAECONNABORTED) { // R225
			r.Errorf("the root hears of c's death: %v", err)
		}
		b.Close()
		c.Close()
	})
}

func TestR230_SideChat(t *testing.T) {
	inRoom(t, 9, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		r.listen(nil)
		l, m := r.join("leaf", nil, nil)
		p := make([]byte, 100)
		if err := m.Chat(r.ctx, []byte("psst")); err != nil {
			r.Fatal(err)
		}
		if n, err := l.RecvChat(r.ctx, p); err != nil || string(p[:n]) != "psst" {
			r.Errorf("%q, %v", p[:n], err)
		}
		if err := l.Chat(r.ctx, []byte("what")); err != nil {
			r.Fatal(err)
		}
		if n, err := m.RecvChat(r.ctx, p); err != nil || string(p[:n]) != "what" {
			r.Errorf("%q, %v", p[:n], err)
		}
		if err := l.Chat(r.ctx, make([]byte, 65<<10)); !errors.Is(err, transport.WSAEMSGSIZE) {
			r.Errorf("a chat message that is too long: %v", err)
		}
		l.Close()
	})
}

func TestR187_RolesHold(t *testing.T) {
	inRoom(t, 10, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		root := r.listen(func(c *Config) { c.Role = SendOnly })
		l, _ := r.join("leaf", nil, func(c *Config) { c.Role = ReceiveOnly })
		if err := l.Send(r.ctx, []byte("x")); !errors.Is(err, transport.WSAEOPNOTSUPP) {
			r.Errorf("sending on a receive-only leaf: %v", err)
		}
		failed := make(chan error, 1)
		go func() {
			c := r.config("mute")
			c.Role = SendOnly
			_, err := Join(r.ctx, root.Addr(), nil, c)
			failed <- err
		}()
		if _, err := root.Accept(r.ctx); !errors.Is(err, transport.WSAECONNREFUSED) { // R193
			r.Errorf("a leaf that only sends to a root that only sends: %v", err)
		}
		if err := <-failed; !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("that leaf: %v", err)
		}
		l.Close()
	})
}

func TestWrongCodeIsRefusedClearly(t *testing.T) {
	inRoom(t, 11, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		root := r.listen(nil)
		other := *r
		other.code, _ = newTestCode()
		_, err := Join(r.ctx, root.Addr(), nil, other.config("stranger"))
		if !errors.Is(err, transport.WSAECONNREFUSED) || !contains(err.Error(), "join code") {
			r.Errorf("a wrong code: %v", err)
		}
	})
}
