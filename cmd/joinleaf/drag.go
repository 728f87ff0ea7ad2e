package main

import (
	"context"
	"fmt"
	"time"
)

// What is told of leaves that drag the others: that one is served apart, that
// one keeps up again, that one holds everybody back.

// heed tells of leaves whose standing changes, until the session is closed.
func (s *sender) heed(ctx context.Context) {
	for {
		st, err := s.root.Heed(ctx)
		if err != nil {
			return
		}
		s.c.say(leafStanding{st, s.roster.addr(st.Leaf)})
	}
}

// heed tells of this leaf's standing, until its membership is over. That a leaf
// which was served apart is out is told here, because its output may stand still.
func (r *receiver) heed(ctx context.Context) {
	for {
		st, err := r.leaf.Heed(ctx)
		if err != nil || st.Place == standsOut && !r.apart.Load() {
			return
		}
		r.apart.Store(st.Place != standsInStep)
		st.Leaf = r.leaf.ID()
		r.c.say(ownStanding{st})
	}
}

// leafStanding is the sender's line.
type leafStanding struct {
	standing
	Addr string `json:"address"`
}

func (l leafStanding) name() string { return l.Place.event() }

func (l leafStanding) String() string {
	if l.Place == standsApart {
		return fmt.Sprintf("leaf %d (%s) is served apart and may miss data: it %s", l.Leaf, l.Addr, l.Why)
	}
	return fmt.Sprintf("leaf %d (%s) keeps up again", l.Leaf, l.Addr)
}

// ownStanding is the receiver's.
type ownStanding struct{ standing }

func (o ownStanding) name() string { return o.Place.event() }

func (o ownStanding) String() string {
	switch o.Place {
	case standsApart:
		return "warning: the sender serves this receiver apart, and it may miss data: it " + o.Why
	case standsOut:
		return "warning: this receiver is out of the session: " + o.Why
	}
	return "this receiver keeps up again"
}

func (p place) event() string {
	return [...]string{standsInStep: "returned", standsApart: "quarantined", standsOut: "out"}[p]
}

// stillAfter is how long nothing may go, while the sender wants to send, until
// that is told.
const stillAfter = 3 * time.Second

// standstill finds that nothing goes.
type standstill struct {
	moved uint64
	since time.Time
	told  bool
}

// look tells, once for each standstill, that nothing has moved for stillAfter
// although the sender is busy. It is called now and then.
func (w *standstill) look(now time.Time, moved uint64, busy bool) bool {
	if w.since.IsZero() || moved != w.moved || !busy {
		*w = standstill{moved: moved, since: now}
		return false
	}
	if w.told || now.Sub(w.since) < stillAfter {
		return false
	}
	w.told = true
	return true
}

// holdup names the leaf that everything waits for, once nothing goes any more.
func (s *sender) holdup(now time.Time, moved uint64) {
	if !s.still.look(now, moved, s.busy.Load()) {
		return
	}
	if id, ok := s.root.Holder(); ok {
		s.c.say(leafHolds{id, s.roster.addr(id)})
	}
}

// leafHolds names it.
type leafHolds struct {
	Leaf uint32 `json:"leaf"`
	Addr string `json:"address"`
}

func (leafHolds) name() string { return "holds" }
func (l leafHolds) String() string {
	return fmt.Sprintf("leaf %d (%s) takes nothing, and everybody waits for it", l.Leaf, l.Addr)
}
