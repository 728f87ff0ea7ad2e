package rooted

import (
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
)

// overlap is how long packets of the epoch before still open after somebody
// joined. After a departure they do not: the leaver has that key and could
// fill gaps with its own; what was on its way is repaired under the new one.
const overlap = 2 * time.Second

// ages knows how the live epochs came about, oldest first, so that each ends
// when it must.
type ages []age

type age struct {
	number uint64
	kind   control.Kind
	told   time.Time
	doomed bool // ends after overlap, or sooner
}

// add notes a new epoch.
func (a *ages) add(number uint64, kind control.Kind, now time.Time) {
	*a = append(*a, age{number: number, kind: kind, told: now})
	if len(*a) > crypto.MaxEpochs {
		a.drop(0)
	}
}

// room ends an epoch where a ring that is full is to take another. It would end
// its oldest, and that may be the one in use, under which the root goes on until
// the newest is known: one goes instead that was overtaken before anybody used it.
func (a *ages) room(ring *crypto.Ring, inUse uint64) {
	if len(*a) < crypto.MaxEpochs {
		return
	}
	i := slices.IndexFunc(*a, func(e age) bool { return e.number != inUse })
	ring.Retire((*a)[i].number, 0)
	a.drop(i)
}

// drop forgets an epoch, but not that it came of a departure.
func (a *ages) drop(i int) {
	if (*a)[i].kind == control.Fresh && i+1 < len(*a) {
		(*a)[i+1].kind = control.Fresh
	}
	*a = slices.Delete(*a, i, i+1)
}

// told is when an epoch was added; zero: it is not known.
func (a ages) told(number uint64) time.Time {
	for _, e := range a {
		if e.number == number {
			return e.told
		}
	}
	return time.Time{}
}

// pass moves on to the epoch by. Which ones end at once: all that are older
// than a departure, those that were never used and those whose overlap runs
// included. Which ones end later: the others.
func (a *ages) pass(by uint64) (atOnce, later []uint64) {
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
		departure = departure || e.kind == control.Fresh
	}
	*a = slices.DeleteFunc(*a, func(e age) bool { return slices.Contains(atOnce, e.number) })
	return atOnce, later
}

// retire ends in the ring what pass told. Retiring what is over, or a ring that
// is closed, changes nothing.
func retire(ring *crypto.Ring, atOnce, later []uint64) {
	for _, n := range atOnce {
		ring.Retire(n, 0)
	}
	if len(later) == 0 {
		return
	}
	time.AfterFunc(overlap, func() {
		for _, n := range later {
			ring.Retire(n, 0)
		}
	})
}
