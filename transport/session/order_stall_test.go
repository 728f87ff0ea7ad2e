package session

import (
	"context"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// Small messages fill the sequencer's own list of stamps long before a window.
func TestOrder_GoesOnWhenTheSequencersApplicationLeavesItsStampsUnread(t *testing.T) {
	inRing(t, 16, lan, nil, func(r *ring) {
		m := r.full(3)
		m[0].seq.full = 1 << 10
		const n = 3000
		said := make(chan bool)
		go func() {
			defer close(said)
			for i := range n {
				if err := m[1].say(r.ctx, i, 0); err != nil {
					r.Error(err)
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		}()
		ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
		defer cancel()
		heard := func(who *ringMember) {
			for i := range n {
				got, err := who.Recv(ctx, make([]byte, 100))
				if err != nil || got.Order != uint64(i+1) || got.Missed != 0 {
					r.Errorf("member %d: place %d after %d, missed %d, %v", who.id, got.Order, i, got.Missed, err)
					return
				}
			}
		}
		done := make(chan bool)
		go func() { heard(m[1]); close(done) }()
		heard(m[2])
		<-done
		<-said
	})
}

// A member that held the hidden stream up and is gone holds it up no longer,
// though nobody is left to report anything.
func TestOrder_GoesOnWhenWhoHeldItUpIsGone(t *testing.T) {
	inRing(t, 17, lan, func(c *Config) { c.MaxMessage, c.Window, c.History, c.NoQuarantine = 1<<10, 64<<10, 128<<10, true }, func(r *ring) {
		m := r.full(2)
		r.net.Kill("host2")
		go func() {
			for p := make([]byte, 100); ; {
				if _, err := m[0].Recv(r.ctx, p); err != nil {
					return
				}
			}
		}()
		state := func() (stuck, pending bool) {
			q := m[0].seq
			q.mu.Lock()
			defer q.mu.Unlock()
			return q.stuck, q.pending()
		}
		stuck := func() bool {
			s, _ := state()
			return s
		}
		sent := uint64(0)
		for ; !stuck() && sent < 5000; sent++ {
			ctx, cancel := context.WithTimeout(r.ctx, time.Second)
			m[0].say(ctx, 0, 0)
			cancel()
			time.Sleep(time.Millisecond)
		}
		if !stuck() {
			r.Fatal("nothing ever held the order up")
		}
		m[0].RemoveMember(2)
		m[0].ExpelSender(2, nil)
		time.Sleep(time.Second)
		if stuck, pending := state(); stuck || pending {
			r.Errorf("it still waits: %+v", m[0].Stats().Order)
		}
		m[0].EndReceive(context.Canceled)
	})
}

// Who waits for members before it writes has stamps that wait as well.
func TestOrder_BeginLetsTheStampsGo(t *testing.T) {
	inRing(t, 18, lan, func(c *Config) {
		if c.Self == 1 {
			c.WaitFor = 5
		}
	}, func(r *ring) {
		m := r.full(2)
		m[1].say(r.ctx, 0, 0)
		r.nothing(m[1])
		begun := time.Now()
		m[0].Begin()
		for _, who := range m {
			if s, got := r.hear(who); s != "2/0" || got.Order != 1 {
				r.Errorf("member %d: %s at place %d", who.id, s, got.Order)
			}
		}
		if took := time.Since(begun); took > time.Millisecond {
			r.Errorf("it took %v to be told", took)
		}
	})
}

// Drain is about what was sent so far: others may go on talking.
func TestOrder_DrainEndsThoughOthersTalkOn(t *testing.T) {
	inRing(t, 19, simnet.Link{Delay: time.Millisecond}, nil, func(r *ring) {
		m := r.full(3)
		talking, hush := context.WithCancel(r.ctx)
		defer hush()
		for _, who := range m {
			go func() {
				for p := make([]byte, 100); ; {
					if _, err := who.Recv(r.ctx, p); err != nil {
						return
					}
				}
			}()
		}
		for _, who := range m[1:] {
			go func() {
				for i := 0; who.say(talking, i, 0) == nil && talking.Err() == nil; i++ {
					time.Sleep(500 * time.Microsecond)
				}
			}()
		}
		time.Sleep(10 * time.Millisecond)
		m[0].say(r.ctx, 0, 0)
		ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
		defer cancel()
		if err := m[0].Drain(ctx); err != nil {
			r.Error(err)
		}
		hush()
		time.Sleep(time.Second)
		for _, who := range m {
			who.EndReceive(context.Canceled)
		}
	})
}

// Under load too all are told how far the order is, and who is in.
func TestOrder_MarksComeWhilePlacesAreGiven(t *testing.T) {
	q := newSequencer(1, 1, 400)
	now := time.Now()
	f, err := flow.NewSender(flow.SenderConfig{Self: 1, Symbol: flow.SymbolSize(1500, 40, false), Streams: make([]flow.Class, 2), Start: now})
	if err != nil {
		t.Fatal(err)
	}
	marks, views := 0, 0
	for i := range uint64(5000) { // five seconds, and never a moment of rest
		now = now.Add(time.Millisecond)
		q.wrote(now, 0, i+1)
		q.write(now, f, false)
		for m := q.read(nil); m != nil; m = q.read(nil) {
			if _, runs, ok := ParseOrder(m); !ok {
				views++
			} else if _, _, _, n, size := ParseRun(runs); size > 0 && n == 0 {
				marks++
			}
		}
		var b flow.Batch
		for f.Poll(now, &b) {
		}
	}
	if marks < 4 || views < 4 {
		t.Errorf("%d marks and %d lists of members in five seconds", marks, views)
	}
}

func TestOrder_ASequencerWhoseMessagesWereReadIsNotBehindhand(t *testing.T) {
	inRing(t, 48, simnet.Link{Delay: 300 * time.Microsecond}, nil, func(r *ring) {
		members := r.full(3)
		sequencer := members[0]
		if err := sequencer.say(r.ctx, 0, 0); err != nil {
			r.Fatal(err)
		}
		if !sequencer.Behindhand() {
			r.Error("what nobody has read is not behindhand")
		}
		for _, m := range members {
			r.hear(m)
		}
		time.Sleep(100 * time.Millisecond)
		for range 50 { // its marks come in this time
			if sequencer.Behindhand() {
				r.Fatal("what all have read is behindhand")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := sequencer.Stats().Order.Messages; n < 1+markTimes {
			r.Errorf("%d messages of the order: the marks are not among them", n)
		}
	})
}
