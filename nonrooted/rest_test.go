package nonrooted

import (
	"sync"
	"testing"
	"time"
)

// TestRest_WhatWasStillToBeSentIsToldAsMissed has a member whose rate is far too low
// for what it sends when the session ends under it: what Send took and never left is
// told to the others.
func TestRest_WhatWasStillToBeSentIsToldAsMissed(t *testing.T) {
	inRoom(t, 46, lan, func(r *room) {
		slow := 3
		ps := make([]*Peer, 0, 4)
		for i := range 4 {
			ps = append(ps, r.join(func(c *Config) {
				c.Ordered = true
				if i == slow {
					c.Rate = 40_000
				}
			}))
		}
		r.settle(time.Second, ps...)
		records := make([]*record, len(ps))
		var hearing sync.WaitGroup
		for i, p := range ps {
			records[i] = &record{}
			hearing.Go(func() { records[i].run(r, p) })
		}
		const n = 200
		for i := range n {
			if err := ps[slow].Send(r.ctx, append(numbered(slow, i), make([]byte, 80)...)); err != nil {
				r.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		ps[0].Close()
		r.settle(5*time.Second, ps[1:]...)
		for who := 1; who < len(ps); who++ { // what is missing is told with what comes next
			if err := ps[who].Send(r.ctx, numbered(who, n)); err != nil {
				r.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		for i, c := range records[1:] {
			c.mu.Lock()
			if got := len(c.list) + int(c.missed); got != n+3 || c.missed == 0 {
				r.Errorf("member %d was given %d messages and told of %d missed: %d; %d were sent", i+1, len(c.list), c.missed, got, n+3)
			}
			c.mu.Unlock()
		}
		for _, p := range ps {
			p.Close()
		}
		hearing.Wait()
	})
}
