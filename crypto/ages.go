package crypto

import (
	"slices"
	"time"
)

// EpochOverlap is how long packets of the epoch before still open after somebody
// joined. After a departure they do not: the leaver has that key and could fill
// gaps with its own; what was on its way is repaired under the new one.
const EpochOverlap = 2 * time.Second

// Ages knows how the live epochs of a ring came about, oldest first, so that each
// ends when it must. It is not safe for concurrent use.
type Ages []age

type age struct {
	number    uint64
	departure bool // somebody left
	told      time.Time
	doomed    bool // ends after EpochOverlap, or sooner
}

// Add notes a new epoch, and whether it came of a departure.
func (a *Ages) Add(number uint64, departure bool, now time.Time) {
	*a = append(*a, age{number: number, departure: departure, told: now})
	if len(*a) > MaxEpochs {
		a.drop(0)
	}
}

// MakeRoom ends an epoch where a ring that is full is to take another. It would end
// its oldest, and that may be the one in use, under which its owner goes on until
// the newest is known: one goes instead that was overtaken before anybody used it.
func (a *Ages) MakeRoom(ring *Ring, inUse uint64) {
	if len(*a) < MaxEpochs {
		return
	}
	i := slices.IndexFunc(*a, func(e age) bool { return e.number != inUse })
	ring.Retire((*a)[i].number, 0)
	a.drop(i)
}

// drop forgets an epoch, but not that it came of a departure.
func (a *Ages) drop(i int) {
	if (*a)[i].departure && i+1 < len(*a) {
		(*a)[i+1].departure = true
	}
	*a = slices.Delete(*a, i, i+1)
}

// Told is when an epoch was added; zero: it is not known.
func (a Ages) Told(number uint64) time.Time {
	for _, e := range a {
		if e.number == number {
			return e.told
		}
	}
	return time.Time{}
}

// Pass moves on to the epoch by: what is older than a departure ends in the ring at
// once, the rest after EpochOverlap.
func (a *Ages) Pass(ring *Ring, by uint64) {
	atOnce, later := a.pass(by)
	for _, n := range atOnce {
		ring.Retire(n, 0)
	}
	if len(later) == 0 {
		return
	}
	time.AfterFunc(EpochOverlap, func() { // what is over, or a ring that is closed, it does not change
		for _, n := range later {
			ring.Retire(n, 0)
		}
	})
}

// pass says which end at once: all that are older than a departure, those that were
// never used and those whose overlap runs included. Which ones end later: the others.
func (a *Ages) pass(by uint64) (atOnce, later []uint64) {
	departure := false
	for i := len(*a) - 1; i >= 0; i-- {
		e := &(*a)[i]
		switch {
		case e.number > by:
			continue
		case e.number == by:
		case departure:
			atOnce = append(atOnce, e.number)
		case !e.doomed:
			e.doomed = true
			later = append(later, e.number)
		}
		departure = departure || e.departure
	}
	*a = slices.DeleteFunc(*a, func(e age) bool { return slices.Contains(atOnce, e.number) })
	return atOnce, later
}
