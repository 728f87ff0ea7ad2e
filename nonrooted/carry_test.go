package nonrooted

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// stuck has member who send until it has to wait, and tells which message waits.
// ended gives how many Sends have returned nil when the first has failed, or stop
// is set.
func stuck(r *room, p *Peer, who int, stop *atomic.Bool) (waits int, ended chan error) {
	ended = make(chan error, 1)
	var done atomic.Int64
	go func() {
		b := make([]byte, 60<<10)
		for i := 0; !stop.Load(); i++ {
			copy(b, numbered(who, i))
			if err := p.Send(r.ctx, b); err != nil {
				ended <- err
				return
			}
			done.Add(1)
		}
		ended <- nil
	}()
	for last := int64(-1); last != done.Load(); {
		last = done.Load()
		time.Sleep(500 * time.Millisecond)
	}
	return int(done.Load()), ended
}

func TestSend_WhatWaitsWhenItsSessionEndsIsSentInTheNext(t *testing.T) {
	inRoom(t, 71, lan, func(r *room) {
		ps := r.joinAll(5, func(c *Config) { c.Window, c.MaxMessage = 1<<20, 64<<10 })
		r.settle(time.Second, ps...)
		r.net.Partition([]string{"p0", "p1"})
		r.settle(8*time.Second, ps[:2]...)
		r.settle(8*time.Second, ps[2:]...)
		var stop atomic.Bool
		waits, ended := stuck(r, ps[0], 0, &stop) // p1 does not read, and p0's side is the one that goes over
		if waits == 0 {
			t.Fatal("nothing was sent")
		}
		r.net.Heal()
		r.settle(8*time.Second, ps...)
		const more = 5
		b := make([]byte, 64<<10)
		hear := func(p *Peer) {
			first := -1
			for next := 0; next < waits+more; {
				m, err := p.Recv(r.ctx, b)
				if err != nil {
					t.Error(err)
					return
				}
				who, i := read(b[:12])
				if who != 0 || i < next {
					t.Errorf("message %d of %d after %d", i, who, next-1)
				}
				if m.From == ps[0].ID() && first < 0 {
					first = i
				}
				next = i + 1
			}
			if first != waits {
				t.Errorf("the next session's first message is number %d, not %d", first, waits)
			}
		}
		for _, p := range ps[1:] {
			hear(p)
		}
		stop.Store(true)
		go func() { // who sends still, does not wait for ever
			for _, p := range ps[1:] {
				go func() {
					for b := make([]byte, 64<<10); ; {
						if _, err := p.Recv(r.ctx, b); err != nil {
							return
						}
					}
				}()
			}
		}()
		if err := <-ended; err != nil {
			t.Errorf("a Send failed: %v", err)
		}
		// What the old session had taken, and others had not, is not said to be delivered.
		if err := ps[0].Drain(r.ctx); !errors.Is(err, transport.WSAECONNRESET) {
			t.Errorf("Drain: %v", err)
		}
		if err := ps[0].Drain(r.ctx); err != nil {
			t.Errorf("and again: %v", err)
		}
	})
}

func TestSend_WhatWaitsWhenTheMembershipEndsSaysSo(t *testing.T) {
	inRoom(t, 72, lan, func(r *room) {
		ps := r.joinAll(3, func(c *Config) { c.Window, c.MaxMessage = 1<<20, 64<<10 })
		r.settle(time.Second, ps...)
		var stop atomic.Bool
		_, ended := stuck(r, ps[1], 1, &stop)
		if err := ps[0].Evict(r.ctx, ps[1].ID()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("a Send of who was put out: %v", err)
		}
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		if err := ps[1].WaitRoom(ctx, 1); !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("and WaitRoom: %v", err)
		}
	})
}

func TestQuarantine_IsToldWithItsReasonAndItsEnd(t *testing.T) {
	for _, on := range []bool{false, true} {
		inRoom(t, 73, lan, func(r *room) {
			ps := r.joinAll(3, func(c *Config) { c.Quarantine, c.Window, c.MaxMessage = on, 1<<20, 64<<10 })
			r.settle(time.Second, ps...)
			kinds(ps[0])
			var stop atomic.Bool
			defer stop.Store(true)
			go func() {
				for b := make([]byte, 8<<10); !stop.Load(); time.Sleep(2 * time.Millisecond) {
					if ps[0].Send(r.ctx, b) != nil {
						return
					}
				}
			}()
			take := func(p *Peer) {
				for b := make([]byte, 64<<10); !stop.Load(); {
					if _, err := p.Recv(r.ctx, b); err != nil {
						return
					}
				}
			}
			go take(ps[1])
			time.Sleep(6 * time.Second) // the third does not read
			go take(ps[2])
			time.Sleep(20 * time.Second)
			var told []Event
			for e, ok := ps[0].events.take(); ok; e, ok = ps[0].events.take() {
				told = append(told, e)
			}
			switch {
			case !on && len(told) != 0:
				t.Errorf("without quarantine it was told %+v", told)
			case !on:
			case len(told) != 2 || told[0].Kind != Quarantined || told[1].Kind != Returned:
				t.Errorf("it was told %+v", told)
			default:
				for _, e := range told {
					if e.Member.ID != ps[2].ID() || string(e.Member.Data) != "p2" || e.Text == "" {
						t.Errorf("it was told %+v", e)
					}
				}
			}
		})
	}
}
