package rooted

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// sleeper stops reading for a while, in the middle.
type sleeper struct {
	speaker
	reads int
	at    int
	sleep time.Duration
}

func (s *sleeper) Recv(ctx context.Context, p []byte) (session.Message, error) {
	if s.reads++; s.reads == s.at {
		time.Sleep(s.sleep)
	}
	return s.speaker.Recv(ctx, p)
}

// A member that stops reading is served apart and misses messages; what it has
// is in the one order all the same, and nobody else misses any.
func TestI17_WhoStopsReadingMissesButNeverReorders(t *testing.T) {
	for seed := range uint64(2) {
		l := simnet.Link{Delay: 300 * time.Microsecond, Loss: float64(seed%2) * 0.02}
		inRoom(t, seed, l, func(r *room) {
			root := r.listen(func(c *Config) {
				c.Data, c.Ordered, c.MaxMessage, c.Window = NonrootedData, true, 4<<10, 64<<10
			})
			leaves := r.leaves(4)
			time.Sleep(time.Second)
			var talkers, writers sync.WaitGroup
			stop := make(chan struct{})
			start := func(s speaker, id uint32, q *events) *diary {
				d := &diary{id: id}
				writers.Go(func() {
					var code *transport.Error
					if err := d.write(r.ctx, s, q); !errors.Is(err, io.EOF) && !errors.As(err, &code) {
						r.Errorf("member %d: %v", id, err)
					}
				})
				talkers.Go(func() {
					if _, err := talk(r.ctx, s, dice(seed<<8+uint64(id)), 1, 2, 30_000, stop); err != nil {
						r.Errorf("member %d: %v", id, err)
					}
				})
				return d
			}
			diaries := []*diary{start(root, 1, &root.events)}
			slow := &sleeper{speaker: leaves[0], at: 100, sleep: 12 * time.Second}
			diaries = append(diaries, start(slow, leaves[0].ID(), &leaves[0].events))
			for _, l := range leaves[1:] {
				diaries = append(diaries, start(l, l.ID(), &l.events))
			}
			time.Sleep(25 * time.Second)
			close(stop)
			talkers.Wait()
			time.Sleep(2 * time.Second)
			if err := root.Shutdown(r.ctx); err != nil {
				r.Error(err)
			}
			for _, l := range leaves {
				l.Close()
			}
			writers.Wait()
			compare(r.T, diaries)
			for i, d := range diaries {
				if i == 1 != (d.missed > 0) {
					r.Errorf("member %d saw %d, missed %d", d.id, len(d.seen), d.missed)
				}
			}
			all, last := diaries[2].seen, diaries[1].seen
			if uint64(len(last))+diaries[1].missed != uint64(len(all)) {
				r.Errorf("the sleeper saw %d and missed %d of %d", len(last), diaries[1].missed, len(all))
			}
			if n := len(last); n < 200 || last[n-1].order < all[len(all)*9/10].order {
				r.Errorf("the sleeper never came back: %d messages of %d", n, len(all))
			}
			st := leaves[0].Stats().Data.Order
			if st.Broken == 0 {
				r.Error("the sleeper was sent the whole order: the story tests nothing")
			}
			if st.Foreign != 0 || st.Taken != uint64(len(last)) || st.Passed != diaries[1].missed {
				r.Errorf("the sleeper was owed all, saw %d and missed %d: %+v", len(last), diaries[1].missed, st)
			}
		})
	}
}

// S19: the root dies. What leaves were given is one order, as far as each got.
func TestS19_TheRootsDeathLeavesPrefixes(t *testing.T) {
	for seed := range uint64(4) {
		inRoom(t, seed, simnet.Link{Delay: 300 * time.Microsecond, Jitter: 300 * time.Microsecond, Loss: 0.03}, func(r *room) {
			root := r.listen(func(c *Config) { c.Data, c.Ordered = NonrootedData, true })
			leaves := r.leaves(4)
			time.Sleep(time.Second)
			var all sync.WaitGroup
			var diaries []*diary
			for _, l := range leaves {
				d := &diary{id: l.ID()}
				diaries = append(diaries, d)
				all.Go(func() { d.write(r.ctx, l, &l.events) })
				all.Go(func() { talk(r.ctx, l, dice(seed<<8+uint64(l.ID())), 1, 2, 5000, nil) })
			}
			go drainMessages(r.ctx, root.Recv)
			time.Sleep(300 * time.Millisecond)
			r.net.Kill("root")
			all.Wait()
			if n := compare(r.T, diaries); n < 100 {
				r.Errorf("%d messages before the root died", n)
			}
			for _, l := range leaves {
				if err := l.Err(); err == nil || errors.Is(err, io.EOF) {
					r.Errorf("leaf %d: %v", l.ID(), err)
				}
				l.Close()
			}
		})
	}
}

func TestOrdered_IsRefusedWhereThereIsNoOrder(t *testing.T) {
	inRoom(t, 1, quick, func(r *room) {
		for name, change := range map[string]func(*Config){
			"rooted data":     func(c *Config) { c.Data = RootedData },
			"best effort":     func(c *Config) { c.Streams = []flow.Class{flow.Reliable, flow.BestEffort} },
			"deadline":        func(c *Config) { c.Streams = []flow.Class{flow.Deadline} },
			"sixteen streams": func(c *Config) { c.Streams = make([]flow.Class, 16) },
			"a deaf root":     func(c *Config) { c.Role = SendOnly },
			"a mute root":     func(c *Config) { c.Role = ReceiveOnly },
			"a policy":        func(c *Config) { c.Policy = flow.Fastest },
			"replay":          func(c *Config) { c.Replay = 1 << 20 },
			"tiny messages":   func(c *Config) { c.MaxMessage = 63 },
		} {
			c := r.config("root")
			c.Control, c.Data, c.Ordered = testRoot, NonrootedData, true
			change(&c)
			if root, err := Listen(r.ctx, testGroup, c); !errors.Is(err, transport.WSAEINVAL) {
				r.Errorf("%s: %v", name, err)
				if root != nil {
					root.Close()
				}
			}
		}
		root := r.listen(func(c *Config) { c.Data, c.Ordered = NonrootedData, true })
		p := root.params
		for name, change := range map[string]func(){
			"rooted data": func() { p.Plane = uint8(RootedData) },
			"best effort": func() { p.Streams = []uint8{1} },
			"tiny":        func() { p.MaxMessage = 10 },
		} {
			p = root.params
			change()
			if whyNoOrder(p) == "" {
				r.Errorf("a leaf takes part in an order with %s", name)
			}
		}
	})
}

// Who was not sent a stretch of the order learns who left in it.
func TestI17_WhoWasServedApartIsToldWhoLeftMeanwhile(t *testing.T) {
	inRoom(t, 5, simnet.Link{Delay: 300 * time.Microsecond}, func(r *room) {
		root := r.listen(func(c *Config) {
			c.Data, c.Ordered, c.MaxMessage, c.Window = NonrootedData, true, 4<<10, 64<<10
		})
		leaves := r.leaves(3)
		time.Sleep(time.Second)
		slow := &sleeper{speaker: leaves[0], at: 100, sleep: 12 * time.Second}
		d, stop := &diary{id: leaves[0].ID()}, make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { d.write(r.ctx, slow, &leaves[0].events) })
		for _, recv := range []func(context.Context, []byte) (Message, error){root.Recv, leaves[1].Recv, leaves[2].Recv} {
			all.Go(func() { drainMessages(r.ctx, recv) })
		}
		all.Go(func() { talk(r.ctx, leaves[1], dice(1), 1, 2, 4000, stop) })
		time.Sleep(6 * time.Second)
		leaves[2].Close()
		time.Sleep(20 * time.Second)
		if leaves[0].Stats().Data.Order.Broken == 0 {
			r.Error("the sleeper was sent the whole order: the story tests nothing")
		}
		close(stop)
		if err := root.Shutdown(r.ctx); err != nil {
			r.Error(err)
		}
		for _, l := range leaves {
			l.Close()
		}
		all.Wait()
		for _, e := range d.views {
			if e.Kind == SenderLeft && e.Member == leaves[2].ID() {
				return
			}
		}
		r.Errorf("the sleeper's views: %v", d.views)
	})
}
