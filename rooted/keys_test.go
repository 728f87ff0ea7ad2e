package rooted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/session"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func TestK1_WhoWasEvictedOpensNothingLater(t *testing.T) {
	for seed := range uint64(4) {
		inRoom(t, seed, simnet.Link{Delay: time.Duration(seed) * time.Millisecond, Loss: 0.02}, func(r *room) {
			root := r.listen(nil)
			stays, _ := r.join("stays", nil, nil)
			eve, m := r.join("eve", nil, nil)
			slow, _ := r.join("slow", nil, nil)
			go r.say(0, 20)
			r.hear(stays, 0, 20)
			rec := r.record("stays")
			go r.say(20, 20)
			r.hear(stays, 20, 20)
			if opens(eve, rec.stop(r)) == 0 {
				r.Fatal("a member opens nothing: the test would not notice either")
			}
			r.net.Partition([]string{"slow"})   // the root waits for its answer in vain
			m.Evict(transport.WSAEACCES, "out") // but she keeps all that she has
			r.net.Heal()
			rec = r.record("stays")
			go r.say(40, 100)
			r.hear(stays, 40, 100)
			third, _ := r.join("third", nil, nil) // and a step follows
			go r.say(140, 100)
			r.hear(stays, 140, 100)
			slow.Close()
			third.Close()
			root.Flush()
			packets := rec.stop(r)
			if n := opens(eve, packets); n != 0 || len(packets) < 50 {
				r.Errorf("seed %d: the evicted leaf opened %d of %d packets that were sent after Evict", seed, n, len(packets))
			}
			// Nor does a step from her last epoch lead to those in use.
			e := eve.epoch
			for range 5 {
				e = e.Next(crypto.Roster([]uint32{1}))
				if err := eve.ring.Add(e); err != nil {
					r.Fatal(err)
				}
				if n := opens(eve, packets); n != 0 {
					r.Errorf("seed %d: epoch %d, made of her last one, opens %d packets", seed, e.Number(), n)
				}
			}
			stays.Close()
			eve.Close()
		})
	}
}

// opens tries a leaf's keys on packets that it had not before.
func opens(l *Leaf, packets []simnet.Packet) (n int) {
	for _, p := range packets {
		if _, drop := l.ring.Open(bytes.Clone(p.B)); drop == 0 || drop == uint8(crypto.DropReplay) {
			n++
		}
	}
	return n
}

func TestK2_WhoWasEvictedSealsNothingThatOpens(t *testing.T) {
	inRoom(t, 31, quick, func(r *room) {
		r.listen(nil)
		stays, _ := r.join("stays", nil, nil)
		third, _ := r.join("third", nil, nil) // an overlap runs
		eve, m := r.join("eve", nil, nil)
		forger := func() *crypto.Ring { // seals as the root under every key that eve has
			ring, err := crypto.NewRing(crypto.RingConfig{Suite: eve.ring.Suite(), Session: eve.session, Self: control.RootID, Group: testGroup.Addr})
			if err != nil {
				r.Fatal(err)
			}
			if err := errors.Join(ring.Add(eve.epoch), ring.Activate(eve.epoch.Number())); err != nil {
				r.Fatal(err)
			}
			return ring
		}()
		defer forger.Close()
		forge := func() {
			for range 100 {
				p, err := forger.Seal(nil, 0, crypto.KindData, 0, dataFrame(r, eve.params, control.RootID))
				if err != nil {
					r.Fatal(err)
				}
				r.net.Inject(r.root.data.LocalAddr(), testGroup.Addr, p)
			}
			time.Sleep(100 * time.Millisecond)
		}
		m.Evict(transport.WSAEACCES, "out")
		go r.say(0, 1)
		r.hear(stays, 0, 1)
		before := stays.dropped(session.DropClosed)
		forge()
		if got := stays.dropped(session.DropClosed) - before; got != 100 {
			r.Errorf("%d of 100 forgeries were dropped as of an epoch that is over", got)
		}
		r.hearsNothing(stays)
		stays.Close()
		third.Close()
		eve.Close()
	})
}

func TestK3_WhoJoinsOpensNothingFromBefore(t *testing.T) {
	inRoom(t, 32, quick, func(r *room) {
		r.listen(nil)
		first, _ := r.join("first", nil, nil)
		rec := r.record("first")
		go r.say(0, 100)
		r.hear(first, 0, 100)
		gone, _ := r.join("gone", nil, nil) // epochs of both kinds are on the record
		gone.Close()
		go r.say(100, 100)
		r.hear(first, 100, 100)
		time.Sleep(time.Second)
		packets := rec.stop(r)
		late, _ := r.join("late", nil, nil)
		for _, p := range packets {
			if o, drop := late.ring.Open(bytes.Clone(p.B)); drop == 0 {
				r.Errorf("a packet of epoch %d opens for who joined at epoch %d", o.Epoch, late.Epoch())
			}
		}
		if len(packets) < 100 {
			r.Errorf("only %d packets are on the record", len(packets))
		}
		first.Close()
		late.Close()
	})
}

// visit reads without a gap for a while, then leaves one way or another.
func visit(ctx context.Context, l *Leaf, m *Member, i int) error {
	p := make([]byte, 64<<10)
	until := time.Now().Add(250 * time.Millisecond)
	next := uint64(0)
	for first := true; time.Now().Before(until); first = false {
		m, err := l.Recv(ctx, p)
		if err != nil {
			return err
		}
		if n := numberOf(p[:m.N]); !first && n != next || m.Missed != 0 {
			return fmt.Errorf("guest %d: message %d came where %d was due, %d told missed", i, n, next, m.Missed)
		}
		next = numberOf(p[:m.N]) + 1
	}
	if i%2 == 0 {
		m.Evict(transport.WSAEACCES, "time is up")
	}
	return l.Close()
}
