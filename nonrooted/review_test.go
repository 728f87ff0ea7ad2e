package nonrooted

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport"
)

func TestDefault_EverybodyIsWaitedForAndNothingIsMissed(t *testing.T) {
	t.Parallel()
	for _, quarantine := range []bool{false, true} {
		inRoom(t, 41, lan, func(r *room) {
			ps := r.joinAll(3, func(c *Config) { c.Quarantine, c.Window, c.MaxMessage = quarantine, 1<<20, 64<<10 })
			r.settle(time.Second, ps...)
			const n = 160
			done := make(chan error, 2)
			go func() {
				b := make([]byte, 64<<10)
				for range n {
					if err := ps[0].Send(r.ctx, b); err != nil {
						done <- err
						return
					}
				}
				done <- ps[0].Drain(r.ctx)
			}()
			count := func(p *Peer) (missed uint64) {
				b := make([]byte, 64<<10)
				for got := uint64(0); got < n; got++ {
					ctx, cancel := context.WithTimeout(r.ctx, 30*time.Second)
					m, err := p.Recv(ctx, b)
					cancel()
					if err != nil {
						return n - got + missed
					}
					missed += m.Missed
					got += m.Missed
				}
				return missed
			}
			go func() { count(ps[1]); done <- nil }()
			time.Sleep(8 * time.Second) // the third does not read
			missed := count(ps[2])
			for range cap(done) {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if quarantine != (missed > 0) {
				t.Errorf("quarantine %v: who did not read for a while missed %d messages", quarantine, missed)
			}
		})
	}
}

func TestClose_WhoWaitsToSendHearsOfIt(t *testing.T) {
	inRoom(t, 42, lan, func(r *room) {
		ps := r.joinAll(2, func(c *Config) { c.Window, c.MaxMessage = 1<<20, 64<<10 })
		r.settle(time.Second, ps...)
		ended := make(chan error, 1)
		var closing atomic.Bool
		go func() {
			for b := make([]byte, 64<<10); ; {
				if err := ps[0].Send(r.ctx, b); err != nil || closing.Load() {
					ended <- err
					return
				}
			}
		}()
		drained := make(chan error, 1)
		time.Sleep(time.Second) // nobody reads
		go func() { drained <- ps[0].Drain(r.ctx) }()
		time.Sleep(time.Second)
		closing.Store(true)
		ps[0].Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send: %v", err)
		}
		if err := <-drained; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Drain says that all was delivered: %v", err)
		}
		ps[0].Close()
		if _, err := ps[0].Recv(r.ctx, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Recv: %v", err)
		}
	})
}

func TestMerger_DrainTellsAndTheOldPlaneIsFreed(t *testing.T) {
	inRoom(t, 43, lan, func(r *room) {
		ps := r.joinAll(3, func(c *Config) { c.Window, c.MaxMessage = 1<<20, 64<<10 })
		r.settle(time.Second, ps...)
		r.net.Partition([]string{"p0"}, []string{"p1", "p2"})
		r.settle(8*time.Second, ps[1:]...)
		r.settle(8*time.Second, ps[0])
		loser := ps[0] // of the lower term
		old := loser.sending.Load()
		reading := make(chan error, 2)
		for range 2 { // two that read at the same time: the plane is closed under one of them
			go func() {
				_, err := loser.Recv(r.ctx, make([]byte, 64<<10))
				reading <- err
			}()
		}
		r.net.Heal()
		r.settle(8*time.Second, ps...)
		for i := range 2 {
			if err := ps[1].Send(r.ctx, numbered(1, i)); err != nil {
				t.Fatal(err)
			}
			if err := <-reading; err != nil {
				t.Errorf("reading through a merger: %v", err)
			}
		}
		if err := old.s.Send(r.ctx, 0, []byte("x")); !errors.Is(err, net.ErrClosed) || len(loser.spent) != 0 {
			t.Errorf("the plane of the session that is no more is kept: %v, %d of them", err, len(loser.spent))
		}
		// Who waits for delivery when its session ends is not told that it was.
		r.net.Partition([]string{"p0", "p1"}, []string{"p2"})
		drained := make(chan error, 1)
		go func() {
			for b := make([]byte, 1<<10); ; time.Sleep(10 * time.Millisecond) {
				if err := ps[2].Send(r.ctx, b); err != nil {
					drained <- err
					return
				}
				if err := ps[2].Drain(r.ctx); err != nil {
					drained <- err
					return
				}
			}
		}()
		time.Sleep(500 * time.Millisecond)
		if err := ps[2].do(func(now time.Time, m *control.Membership) { // its session ends
			ps[2].happened(m, control.EqualEvent{Kind: control.EqualMoving, Text: "test"})
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-drained; !errors.Is(err, transport.WSAECONNRESET) {
			t.Errorf("Drain: %v", err)
		}
	})
}

func TestRecv_APlaneThatIsClosedIsNotTheEnd(t *testing.T) {
	inRoom(t, 47, lan, func(r *room) {
		p := r.join(nil)
		pl := p.sending.Load()
		ended := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(r.ctx, 3*time.Second)
			defer cancel()
			_, err := p.Recv(ctx, nil)
			ended <- err
		}()
		time.Sleep(time.Second)
		p.mu.Lock() // as where more planes are over than are kept
		p.reading = nil
		p.mu.Unlock()
		pl.close()
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Recv: %v", err)
		}
	})
}

func TestASessionThatCannotBeTakenPartIn_EndsTheMembershipAndNothingElse(t *testing.T) {
	inRoom(t, 44, lan, func(r *room) {
		p := r.join(nil)
		err := p.do(func(_ time.Time, m *control.Membership) {
			bad := p.plane.charter
			bad.Params.Level = 77
			p.happened(m, control.EqualEvent{Kind: control.EqualMoving})
			p.happened(m, control.EqualEvent{Kind: control.EqualEntered, Charter: bad, ID: 9})
			for range 2 { // two views may come in one breath
				p.happened(m, control.EqualEvent{Kind: control.EqualViewed, Number: 1<<32 | 1, Lead: 1})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		if !errors.Is(p.Err(), transport.WSAEPROTONOSUPPORT) {
			t.Errorf("it ended with %v", p.Err())
		}
	})
}

func TestKeysOfAnotherViewAreRefused(t *testing.T) {
	inRoom(t, 45, lan, func(r *room) {
		p := r.join(nil)
		answer := make(chan error, 1)
		if e := p.do(func(_ time.Time, _ *control.Membership) {
			pl := p.plane
			next := pl.epoch.Next(pl.epoch.RosterHash())
			answer <- pl.viewed(&control.EqualEvent{Number: control.ViewNumber(next.Number() + 1), Roster: pl.roster, State: next.AppendState(nil)})
		}); e != nil {
			t.Fatal(e)
		}
		if <-answer == nil {
			t.Error("taken")
		}
	})
}

func TestAChannelThatComesTooLateIsClosed(t *testing.T) {
	inRoom(t, 46, lan, func(r *room) {
		ps := r.joinAll(2, nil)
		r.settle(time.Second, ps...)
		conn, err := ps[0].channels.Dial(r.ctx, ps[1].LocalAddr(), dtls.Who{Pin: ps[1].Pin()})
		if err != nil {
			t.Fatal(err)
		}
		if err := ps[0].do(func(now time.Time, m *control.Membership) { ps[0].reached(now, m, 999, conn, nil) }); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		if _, err := conn.Read(ctx, make([]byte, 2000)); err == nil || ctx.Err() != nil {
			t.Errorf("nobody wants it, and it is open: %v", err)
		}
	})
}

func TestComingAndGoingCostsNoMemory(t *testing.T) {
	pl := &plane{roster: []control.Equal{{ID: 1}}}
	known := map[uint32]*Member{}
	pl.known.Store(&known)
	for id := range uint32(3000) {
		pl.remember(control.Equal{ID: id + 1, Data: bytes.Repeat([]byte("x"), control.MaxEqualData)})
	}
	known = *pl.known.Load()
	if len(known) > knownKept+2 || known[1] == nil || known[3000] == nil {
		t.Errorf("%d are remembered", len(known))
	}
}
