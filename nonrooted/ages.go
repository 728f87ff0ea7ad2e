package nonrooted

import (
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// overlap is how long packets of the epoch before still open after somebody
// joined. After a departure they do not: the leaver has that key and could fill
// gaps with its own; what was on its way is repaired under the new one.
const overlap = 2 * time.Second

// ages knows how the live epochs came about, oldest first, so that each ends
// when it must.
type ages []age

type age struct {
	number uint64
	fresh  bool // somebody left
	doomed bool // ends after overlap, or sooner
}

func (a *ages) add(number uint64, fresh bool) {
	*a = append(*a, age{number: number, fresh: fresh})
	if len(*a) > crypto.MaxEpochs {
		*a = slices.Delete(*a, 0, 1)
	}
}

// pass moves on to the epoch by. Which ones end at once: all that are older than
// a departure. Which ones end later: the others.
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
		departure = departure || e.fresh
	}
	*a = slices.DeleteFunc(*a, func(e age) bool { return slices.Contains(atOnce, e.number) })
	return atOnce, later
}

// retire ends epochs in the ring. Retiring what is over, or a ring that is
// closed, changes nothing.
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
