package rooted

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/session"
)

// outWithin waits until a leaf is out and tells whether that took as long as it
// should have, to the half second that a root looks around in.
func (r *room) outWithin(what string, l *Leaf, m *Member, begun time.Time, want time.Duration, text string) {
	r.Helper()
	select {
	case <-m.Done():
	case <-time.After(want + time.Minute):
		r.Fatalf("%s: still in %v after its time", what, time.Minute)
	}
	if d := time.Since(begun); d < want-time.Second || d > want+time.Second { // certificates know whole seconds
		r.Errorf("%s: out after %v, want %v", what, d, want)
	}
	<-l.Done()
	for side, err := range map[string]error{"leaf": l.Err(), "root": m.Err()} {
		if !errors.Is(err, transport.WSAEACCES) || !strings.Contains(err.Error(), text) {
			r.Errorf("%s: the %s hears %v", what, side, err)
		}
	}
}

func TestC8_WhoseCertificateRunsOutIsEvicted(t *testing.T) {
	inRoom(t, 81, quick, func(r *room) {
		a := newAuthority(t)
		root := r.certified(a, 100*time.Hour, nil)
		stays, _ := r.join("stays", nil, a.member(t, 50*time.Hour))
		begun := time.Now()
		eve, m := r.join("eve", nil, a.member(t, 90*time.Second))
		time.Sleep(88*time.Second - time.Since(begun))
		go r.say(0, 10)
		r.hear(eve, 0, 10) // to the last second
		r.hear(stays, 0, 10)
		epoch := root.Stats().Epoch
		r.outWithin("a leaf", eve, m, begun, 90*time.Second, "its certificate ran out at 2000-")
		<-m.out
		rec := r.record("stays")
		go r.say(10, 100)
		r.hear(stays, 10, 100)
		packets := rec.stop(r)
		if n := opens(eve, packets); n != 0 || len(packets) < 50 {
			r.Errorf("it opens %d of %d packets that were sent afterwards", n, len(packets))
		}
		if st := root.Stats(); st.Epoch <= epoch || st.Expired != 1 || st.Control.Leaves != 1 {
			r.Errorf("epoch %d, was %d; %d expired, %d leaves", st.Epoch, epoch, st.Expired, st.Control.Leaves)
		}
		c := r.config("eve") // the same certificate is worth nothing now
		c.Identity = eve.c.Identity
		if _, err := Join(r.ctx, root.Addr(), nil, c); !errors.Is(err, crypto.ErrIdentity) {
			r.Errorf("it joins again: %v", err)
		}
	})
}

func TestC8_ALeafLeavesWhenTheRootsCertificateRunsOut(t *testing.T) {
	inRoom(t, 82, quick, func(r *room) {
		a := newAuthority(t)
		begun := time.Now()
		r.certified(a, 90*time.Second, nil)
		l, m := r.join("leaf", nil, a.member(t, 50*time.Hour))
		time.Sleep(88*time.Second - time.Since(begun))
		if l.Err() != nil {
			r.Fatalf("out before the time: %v", l.Err())
		}
		r.outWithin("a leaf", l, m, begun, 90*time.Second, "the root's certificate ran out at 2000-")
	})
}

// A clock that is set an hour back or forth, at either end, changes nothing:
// nobody goes before the time or stays beyond it, replays stay replays, and keys
// move on when they would have.
func TestC8_AClockThatIsSetChangesNothing(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		inRoom(t, 83, quick, func(r *room) {
			var off atomic.Int64
			wall := func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
			set := func(c *Config) { c.wall = wall }
			a := newAuthority(t)
			begun := time.Now()
			root := r.certified(a, 90*time.Minute, set)
			root.do(func(time.Time, *control.Root) { root.keep.longest = 10 * time.Minute })
			soon, ms := r.join("soon", nil, func(c *Config) { a.member(t, 40*time.Minute)(c); set(c) })
			late, ml := r.join("late", nil, func(c *Config) { a.member(t, 100*time.Hour)(c); set(c) })
			rec := r.record("late")
			go r.say(0, 100)
			r.hear(late, 0, 100)
			r.hear(soon, 0, 100)
			packets := rec.stop(r)

			off.Store(int64(step))
			before, epoch := late.dropped(session.DropReplay), root.Stats().Epoch
			for _, p := range packets {
				r.net.Inject(p.Src, testGroup.Addr, p.B)
			}
			time.Sleep(time.Second)
			if got := late.dropped(session.DropReplay) - before; got != uint64(len(packets)) || got < 50 {
				r.Errorf("step %v: %d of %d replays were noticed", step, got, len(packets))
			}
			r.hearsNothing(late)
			if got := root.Stats().Epoch; got != epoch || soon.Err() != nil || late.Err() != nil {
				r.Errorf("step %v: epoch %d, was %d; %v, %v", step, got, epoch, soon.Err(), late.Err())
			}
			time.Sleep(35*time.Minute - time.Since(begun))
			if got := root.Stats().Epoch - epoch; got != 3 {
				r.Errorf("step %v: %d fresh epochs in 35 minutes of 10 each", step, got)
			}
			r.outWithin(fmt.Sprintf("step %v: a leaf", step), soon, ms, begun, 40*time.Minute, "its certificate ran out")
			r.outWithin(fmt.Sprintf("step %v: the root's", step), late, ml, begun, 90*time.Minute, "the root's certificate ran out")
		})
	}
}

// pinned has a root listen with a pinned key and an authorizer.
func (r *room) pinned(authorize func(token string) (time.Time, error)) func(token string) func(*Config) {
	r.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		r.Fatal(err)
	}
	root := r.listen(func(c *Config) {
		c.Identity = crypto.Identity{Key: key}
		c.Authorize = func(_ context.Context, _ crypto.PeerInfo, token []byte) (time.Time, error) {
			return authorize(string(token))
		}
	})
	pin, err := root.Pin()
	if err != nil {
		r.Fatal(err)
	}
	return func(token string) func(*Config) {
		return func(c *Config) { c.Identity = crypto.Identity{RootPin: pin, Token: []byte(token)} }
	}
}

func TestC8_AnAuthorizationEndsWhenTheAuthorizerSaid(t *testing.T) {
	inRoom(t, 84, quick, func(r *room) {
		begun := time.Now()
		as := r.pinned(func(token string) (time.Time, error) {
			if token == "over" {
				return begun.Add(-time.Second), nil
			}
			return begun.Add(time.Minute), nil
		})
		l, m := r.join("leaf", nil, as("minute"))
		r.outWithin("a leaf", l, m, begun, time.Minute, "its authorization ran out at 2000-")
		go func() { r.root.Accept(r.ctx) }()
		c := r.config("over")
		as("over")(&c)
		if _, err := Join(r.ctx, r.root.Addr(), nil, c); !errors.Is(err, transport.WSAEACCES) {
			r.Errorf("an authorization that was over before it began: %v", err)
		}
		if st := r.root.Stats(); st.Unauthorized != 1 || st.Expired != 1 {
			r.Errorf("%d not authorized, %d expired", st.Unauthorized, st.Expired)
		}
	})
}

func TestC8_TheAuthorizerIsAskedAgainAfterADayAndOnDemand(t *testing.T) {
	inRoom(t, 85, quick, func(r *room) {
		var asked, banned atomic.Int32
		as := r.pinned(func(token string) (time.Time, error) {
			asked.Add(1)
			if banned.Load() != 0 && token == "eve" {
				return time.Time{}, errors.New("on the list of those who are out")
			}
			return time.Now().Add(150 * time.Second), nil // what it says again moves the end
		})
		if day := r.root.stays.again; day != 24*time.Hour {
			r.Errorf("asked again after %v", day)
		}
		r.root.do(func(time.Time, *control.Root) { r.root.stays.again = 100 * time.Second })
		stays, _ := r.join("stays", nil, as("good"))
		eve, m := r.join("eve", nil, as("eve"))
		for round, n := range []int32{2, 4, 6} {
			if got := asked.Load(); got != n || stays.Err() != nil || eve.Err() != nil {
				r.Errorf("round %d: asked %d times, want %d; %v, %v", round, got, n, stays.Err(), eve.Err())
			}
			time.Sleep(101 * time.Second)
		}
		banned.Store(1)
		epoch := r.root.Stats().Epoch
		if err := r.root.Reauthorize(r.ctx); err != nil {
			r.Error(err)
		}
		if !errors.Is(m.Err(), transport.WSAEACCES) || r.root.Stats().Epoch <= epoch {
			r.Errorf("after Reauthorize: %v, epoch %d, was %d", m.Err(), r.root.Stats().Epoch, epoch)
		}
		if stays.Err() != nil || r.root.Stats().Unauthorized != 1 {
			r.Errorf("the other one: %v; %d refused", stays.Err(), r.root.Stats().Unauthorized)
		}
	})
}

// However many are to be judged again, 32 authorizers run at once; and one that
// never answers lets nobody in and nobody out but its own.
func TestC8_ReauthorizeFailsClosedAndIsBounded(t *testing.T) {
	inRoom(t, 86, quick, func(r *room) {
		var running, most, slow atomic.Int32
		as := r.pinned(func(string) (time.Time, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			if slow.Load() != 0 {
				time.Sleep(time.Minute)
			}
			return time.Time{}, nil
		})
		var ms []*Member
		for i := range 40 {
			_, m := r.join(fmt.Sprintf("leaf%d", i), nil, as("x"))
			ms = append(ms, m)
		}
		slow.Store(1)
		most.Store(0)
		start := time.Now()
		if err := r.root.Reauthorize(r.ctx); err != nil {
			r.Error(err)
		}
		if d := time.Since(start); d < authorizeWithin || d > 3*authorizeWithin {
			r.Errorf("it took %v", d)
		}
		if n := most.Load(); n != authorizersAtOnce {
			r.Errorf("%d authorizers ran at once, want %d", n, authorizersAtOnce)
		}
		for _, m := range ms {
			if !errors.Is(m.Err(), transport.WSAEACCES) {
				r.Errorf("leaf %d: %v", m.ID(), m.Err())
			}
		}
		if got := r.root.Stats().Unauthorized; got != 40 {
			r.Errorf("%d were counted as refused", got)
		}
		r.root.Close()
		if err := r.root.Reauthorize(r.ctx); !errors.Is(err, net.ErrClosed) {
			r.Errorf("Reauthorize of a closed root: %v", err)
		}
		time.Sleep(2 * time.Minute) // the slow ones end
	})
}
