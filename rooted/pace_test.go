package rooted

import (
	"context"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// counts reads everything of a leaf and tells how much came and was missed.
func (r *room) counts(l *Leaf) <-chan [2]int {
	c := make(chan [2]int, 1)
	go func() {
		got, missed, err := take(r.T, r.ctx, l.Recv, 0)
		if err != nil {
			r.Errorf("leaf %d: %v", l.ID(), err)
		}
		c <- [2]int{got, missed}
	}()
	return c
}

func TestWaitFor_HoldsTheFirstMessageForAllLeaves(t *testing.T) {
	inRoom(t, 5, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.02}, func(r *room) {
		root := r.listen(func(c *Config) { c.WaitFor = 3 })
		sent := make(chan error, 1)
		go func() { sent <- root.Send(r.ctx, numbered(0)) }()
		first, _ := r.join("first", nil, nil)
		time.Sleep(time.Second)
		select {
		case err := <-sent:
			r.Fatalf("sent with one leaf: %v", err)
		default:
		}
		second, _ := r.join("second", nil, nil)
		third, _ := r.join("third", nil, nil)
		if err := <-sent; err != nil {
			r.Fatal(err)
		}
		var all []<-chan [2]int
		for _, l := range []*Leaf{first, second, third} {
			all = append(all, r.counts(l))
		}
		root.Shutdown(r.ctx)
		for _, c := range all {
			if n := <-c; n != [2]int{1, 0} {
				r.Errorf("got and missed %v", n)
			}
		}
	})
}

func TestWaitFor_BeginStartsWithThoseWhoAreThere(t *testing.T) {
	inRoom(t, 5, simnet.Link{Delay: 200 * time.Microsecond}, func(r *room) {
		root := r.listen(func(c *Config) { c.WaitFor = 3 })
		l, _ := r.join("first", nil, nil)
		c := r.counts(l)
		time.AfterFunc(time.Second, root.Begin)
		if err := root.Send(r.ctx, numbered(0)); err != nil {
			r.Fatal(err)
		}
		root.Shutdown(r.ctx)
		if n := <-c; n != [2]int{1, 0} {
			r.Errorf("got and missed %v", n)
		}
	})
}

// I15: a leaf whose application stops reading is told, not waited for, comes
// back and counts again; it hears exactly what it missed.
func TestQuarantine_IsToldAndEnds(t *testing.T) {
	inRoom(t, 6, simnet.Link{Delay: 200 * time.Microsecond}, func(r *room) {
		root := r.listen(func(c *Config) { c.Window, c.MaxMessage = 64<<10, 32<<10 })
		good, _ := r.join("good", nil, nil)
		bad, member := r.join("bad", nil, nil)
		fine := r.counts(good)
		const n = 24_000
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range n {
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		time.Sleep(5 * time.Second) // bad reads nothing
		poor := r.counts(bad)
		for _, next := range []func(context.Context) (Event, error){root.NextEvent, bad.NextEvent} {
			var seen []EventKind
			for len(seen) < 2 {
				e, err := next(r.ctx)
				if err != nil {
					r.Fatal(err)
				}
				if e.Kind == Quarantined || e.Kind == Returned {
					seen = append(seen, e.Kind)
					if e.Text == "" || e.Member != member.ID() {
						r.Errorf("%+v", e)
					}
				}
			}
			if !slices.Equal(seen, []EventKind{Quarantined, Returned}) {
				r.Errorf("events %v", seen)
			}
		}
		<-sent
		root.Shutdown(r.ctx)
		if c := <-fine; c != [2]int{n, 0} {
			r.Errorf("the good leaf got and missed %v", c)
		}
		if c := <-poor; c[0]+c[1] != n || c[1] == 0 {
			r.Errorf("the bad leaf got and missed %v of %d", c, n)
		}
	})
}

func TestQuarantine_EndsInEvictionAfterAMinute(t *testing.T) {
	inRoom(t, 7, simnet.Link{Delay: 200 * time.Microsecond}, func(r *room) {
		root := r.listen(func(c *Config) { c.Window, c.MaxMessage = 64<<10, 32<<10 })
		good, _ := r.join("good", nil, nil)
		_, member := r.join("bad", nil, nil)
		fine := r.counts(good)
		sending := make(chan struct{})
		go func() {
			defer close(sending)
			for i := 0; root.Send(r.ctx, numbered(i)) == nil; i++ {
				time.Sleep(5 * time.Millisecond)
			}
		}()
		begin := time.Now()
		<-member.Done()
		if code, took := transport.CodeOf(member.Err()), time.Since(begin); code != transport.WSAECONNABORTED || took < time.Minute || took > 100*time.Second {
			r.Errorf("%v after %v", member.Err(), took)
		}
		root.Close()
		<-sending
		<-fine
	})
}

// I16: a leaf that comes late and asks for it has what was sent before it came,
// then what follows, without a seam.
func TestLateLeaf_HasTheHistoryThatItAsksFor(t *testing.T) {
	for name, from := range map[string]flow.From{"oldest": {Kind: flow.FromOldest}, "message": {Kind: flow.FromNumber, N: 700}, "last": {Kind: flow.FromLast, N: 100}} {
		inRoom(t, 8, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.03}, func(r *room) {
			root := r.listen(func(c *Config) { c.Replay = 4 << 20 })
			early, _ := r.join("early", nil, nil)
			got := r.counts(early)
			for i := range 1000 {
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Fatal(err)
				}
			}
			root.Drain(r.ctx)
			late, _ := r.join("late", nil, func(c *Config) { c.From = from })
			done := make(chan int, 1)
			want := map[flow.FromKind]int{flow.FromOldest: 0, flow.FromNumber: 700, flow.FromLast: 900}[from.Kind]
			go func() {
				n, missed, err := take(r.T, r.ctx, late.Recv, want)
				if err != nil || missed != 0 {
					r.Errorf("%s: missed %d, %v", name, missed, err)
				}
				done <- n
			}()
			for i := 1000; i < 1500; i++ {
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Fatal(err)
				}
			}
			if err := root.Shutdown(r.ctx); err != nil {
				r.Fatal(err)
			}
			if n := <-done; n != 1500-want {
				r.Errorf("%s: got %d messages, want %d", name, n, 1500-want)
			}
			if n := <-got; n != [2]int{1500, 0} {
				r.Errorf("early: %v", n)
			}
		})
	}
}

// A root keeps nothing unless it is told to: a leaf that asks gets what comes.
func TestLateLeaf_GetsNoHistoryThatIsNotKept(t *testing.T) {
	inRoom(t, 9, simnet.Link{Delay: 200 * time.Microsecond}, func(r *room) {
		root := r.listen(nil)
		early, _ := r.join("early", nil, nil)
		r.counts(early)
		for i := range 100 {
			root.Send(r.ctx, numbered(i))
		}
		root.Drain(r.ctx)
		late, _ := r.join("late", nil, func(c *Config) { c.From = flow.From{Kind: flow.FromOldest} })
		root.Send(r.ctx, numbered(100))
		p := make([]byte, 4<<10)
		m, err := late.Recv(r.ctx, p)
		if err != nil || numberOf(p[:m.N]) != 100 || m.Missed != 0 {
			r.Errorf("%+v, %v: message %d", m, err, numberOf(p[:m.N]))
		}
		root.Close()
	})
}

// A deadline stream gives up in time and tells it.
func TestDeadline_IsTheRootsAndIsKept(t *testing.T) {
	inRoom(t, 10, simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.05}, func(r *room) {
		root := r.listen(func(c *Config) { c.Streams, c.Latency = []flow.Class{flow.Deadline}, 100*time.Millisecond })
		leaf, _ := r.join("leaf", nil, nil)
		if got := leaf.Streams(); !slices.Equal(got, []flow.Class{flow.Deadline}) {
			r.Errorf("streams %v", got)
		}
		const n = 2000
		sent := make([]time.Time, n)
		done := make(chan struct{})
		go func() {
			defer close(done)
			p := make([]byte, 4<<10)
			missed, got := 0, 0
			for {
				m, err := leaf.Recv(r.ctx, p)
				missed += int(m.Missed)
				if err != nil {
					if err != io.EOF || got+missed != n || missed > n/200 {
						r.Errorf("%v: got %d, missed %d", err, got, missed)
					}
					return
				}
				got++
				if took := time.Since(sent[numberOf(p[:m.N])]); took > 120*time.Millisecond {
					r.Errorf("message %d took %v", numberOf(p[:m.N]), took)
				}
			}
		}()
		for i := range n {
			sent[i] = time.Now()
			if err := root.Send(r.ctx, numbered(i)); err != nil {
				r.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
		root.Shutdown(r.ctx)
		<-done
	})
}

// Over two paths only what both lost is asked for.
func TestSecondPath_IsMergedBeforeRepair(t *testing.T) {
	second := netip.MustParseAddrPort("239.1.2.9:7009")
	inRoom(t, 11, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.05}, func(r *room) {
		root := r.listen(func(c *Config) { c.Second = transport.Group{Addr: second} })
		leaf, _ := r.join("leaf", nil, nil)
		got := r.counts(leaf)
		const n = 4000
		for i := range n {
			if err := root.Send(r.ctx, numbered(i)); err != nil {
				r.Fatal(err)
			}
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		if err := root.Shutdown(r.ctx); err != nil {
			r.Fatal(err)
		}
		if c := <-got; c != [2]int{n, 0} {
			r.Errorf("got and missed %v", c)
		}
		st := leaf.Stats().Data
		if asked := float64(st.Receivers.Asked) / n; asked > 0.01 {
			r.Errorf("%.2f %% asked for", 100*asked)
		}
		if p := st.Paths; p[0].Heard < n/2 || p[1].Heard < n/2 || p[0].Again+p[1].Again < n/2 {
			r.Errorf("paths %+v", p)
		}
	})
}

func TestSecondPath_MustDiffer(t *testing.T) {
	inRoom(t, 12, simnet.Link{}, func(r *room) {
		for name, second := range map[string]string{"the same": "239.1.2.3:7000", "another family": "[ff05::9]:7000", "no group": "10.0.0.1:7000"} {
			c := r.config("root")
			c.Second = transport.Group{Addr: netip.MustParseAddrPort(second)}
			g := transport.Group{Addr: netip.MustParseAddrPort("239.1.2.3:7000")}
			if root, err := Listen(r.ctx, g, c); transport.CodeOf(err) != transport.WSAEINVAL && transport.CodeOf(err) != transport.WSAEADDRNOTAVAIL {
				r.Errorf("%s: %v", name, err)
				root.Close()
			}
		}
	})
}
