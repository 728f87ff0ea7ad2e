package nonrooted

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// ordered is what one member was given.
type ordered struct {
	session crypto.SessionID
	order   uint64
	who, i  int
}

// record keeps what a member is given, until it is closed.
type record struct {
	mu     sync.Mutex
	list   []ordered
	missed uint64
}

func (c *record) run(r *room, p *Peer) {
	buf := make([]byte, 100)
	for {
		m, err := p.Recv(context.Background(), buf)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				r.Error(err)
			}
			return
		}
		who, i := read(buf[:m.N])
		c.mu.Lock()
		c.list = append(c.list, ordered{m.Session, m.Order, who, i})
		c.missed += m.Missed
		c.mu.Unlock()
	}
}

// sameOrder checks that two members' records of one session are one order.
func sameOrder(t *testing.T, a, b []ordered) {
	t.Helper()
	of := func(list []ordered) map[crypto.SessionID]map[uint64]ordered {
		by := make(map[crypto.SessionID]map[uint64]ordered)
		last := make(map[crypto.SessionID]uint64)
		for _, o := range list {
			if by[o.session] == nil {
				by[o.session] = make(map[uint64]ordered)
			}
			if o.order <= last[o.session] {
				t.Fatalf("place %d after %d", o.order, last[o.session])
			}
			last[o.session], by[o.session][o.order] = o.order, o
		}
		return by
	}
	theirs := of(b)
	for s, places := range of(a) {
		for at, o := range places {
			if other, ok := theirs[s][at]; ok && other != o {
				t.Fatalf("place %d is message %d of %d, and message %d of %d", at, o.i, o.who, other.i, other.who)
			}
		}
	}
}

func TestOrder_AllMembersSeeOneOrderThroughDeathsAndMergers(t *testing.T) {
	for seed := range uint64(3) {
		inRoom(t, seed, simnet.Link{Delay: 300 * time.Microsecond, Loss: 0.01}, func(r *room) {
			ps := r.joinAll(5, func(c *Config) { c.Ordered = true })
			r.settle(time.Second, ps...)
			records := make([]*record, len(ps))
			var wg sync.WaitGroup
			for i, p := range ps {
				records[i] = &record{}
				wg.Go(func() { records[i].run(r, p) })
			}
			const n = 300
			say := func(ps []*Peer, round int) {
				var sending sync.WaitGroup
				for who, p := range ps {
					sending.Go(func() {
						for i := range n {
							if err := p.Send(r.ctx, numbered(who, round*n+i)); err != nil && !errors.Is(err, net.ErrClosed) {
								t.Error(err)
							}
							time.Sleep(time.Millisecond)
						}
						// In round 1 the coordinator dies, and with it the session: Drain says so.
						if err := p.Drain(r.ctx); err != nil && !(round == 1 && errors.Is(err, transport.WSAECONNRESET)) {
							t.Error(err)
						}
					})
				}
				sending.Wait()
				time.Sleep(time.Second)
			}
			say(ps, 0)
			for i, c := range records {
				if len(c.list) != n*len(ps) {
					t.Errorf("member %d was given %d of %d messages", i, len(c.list), n*len(ps))
				}
			}
			r.net.Kill("p0")
			say(ps[1:], 1)
			r.settle(5*time.Second, ps[1:]...)
			r.net.Partition([]string{"p1", "p2"})
			r.settle(6*time.Second, ps[1:3]...)
			r.settle(6*time.Second, ps[3:]...)
			say(ps[1:], 2)
			r.net.Heal()
			r.settle(5*time.Second, ps[1:]...)
			before := len(records[1].list)
			say(ps[1:], 3)
			for i, c := range records[1:] {
				for _, other := range records[1:] {
					sameOrder(t, c.list, other.list)
				}
				last := c.list[max(0, len(c.list)-n*4):]
				if len(last) != n*4 || slices.ContainsFunc(last, func(o ordered) bool { return o.i < 3*n }) {
					t.Errorf("member %d: the last round is not whole (%d, %d before)", i+1, len(c.list), before)
				}
			}
			for _, p := range ps {
				p.Close()
			}
			wg.Wait()
		})
	}
}

func TestOrder_WhatItCannotHaveIsRefused(t *testing.T) {
	inRoom(t, 41, lan, func(r *room) {
		for what, change := range map[string]func(*Config){
			"best effort":       func(c *Config) { c.Streams = []flow.Class{flow.BestEffort} },
			"rooted data":       func(c *Config) { c.Plane = RootedData },
			"a one-way founder": func(c *Config) { c.Role = SendOnly },
		} {
			c := r.config("p")
			c.Ordered = true
			change(&c)
			if _, err := Join(r.ctx, testGroup, c); transport.CodeOf(err) == 0 {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
