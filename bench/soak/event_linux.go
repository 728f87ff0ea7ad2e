package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// kind is what can happen.
type kind int

const (
	join          kind = iota // to an empty slot; others join again by themselves
	shutdown                  // the leaf leaves in good order
	closing                   // it leaves at once
	evict                     // the root puts it out, with a code
	dismiss                   // the root closes its membership in good order
	crash                     // its network is cut, then it closes
	fallSilent                // its network is cut, it waits
	loseIn                    // it loses some of what it hears
	loseOut                   // or of what it says
	whole                     // it loses nothing any more
	stall                     // its program stops reading
	partition                 // it is cut off for less than the silence limit
	longPartition             // for about that
	linkDown                  // its interface goes down and up
	unplug                    // its cable is pulled and put back
	remake                    // its interface is deleted and made again
	offload                   // the root's link begins or ceases to take batches whole
	kinds
)

var kindNames = [kinds]string{"join", "shutdown", "close", "evict", "dismiss", "crash", "silent death", "loss in", "loss out", "no loss",
	"stall", "partition", "long partition", "link down", "unplugged", "interface remade", "offload"}

func (k kind) String() string { return kindNames[k] }

// blocks reports whether the reliable stream may stand still meanwhile.
func (k kind) blocks() bool {
	switch k {
	case crash, fallSilent, stall, partition, longPartition, linkDown, unplug, remake:
		return true
	}
	return false
}

// weights say how many of each a deck holds.
var weights = [kinds]int{
	shutdown: 1, closing: 1, evict: 1, dismiss: 1, crash: 1, fallSilent: 1, loseIn: 3, loseOut: 2, whole: 2,
	stall: 3, partition: 2, longPartition: 1, linkDown: 1, unplug: 1, remake: 1, offload: 1,
}

// event is one thing that happens, with all that is drawn for it.
type event struct {
	kind   kind
	slot   int
	amount float64       // 0 to 1: of what there can be of it
	away   time.Duration // before the next join; negative: none
	plan   plan          // of the next join
}

// plan is how a leaf joins.
type plan struct {
	refused    bool          // after a join that is refused
	hasty      time.Duration // after one that gives up so soon; 0: none
	invited    bool
	noOffload  bool
	noBatch    bool
	readBuffer int
}

func (e event) String() string {
	switch e.kind {
	case loseIn, loseOut:
		return fmt.Sprintf("%v of %.1f %%", e.kind, 20*e.amount)
	case stall, partition, longPartition, linkDown, unplug:
		return fmt.Sprintf("%v, %.2f", e.kind, e.amount)
	case offload:
		return fmt.Sprintf("%v %t", e.kind, e.amount < 0.5)
	}
	return e.kind.String()
}

// lasts is how long it takes. A membership lives through a quarter of the
// silence limit, and TCP's doubled timers, for certain.
func (e event) lasts(silence time.Duration) time.Duration {
	between := func(a, b time.Duration) time.Duration {
		return time.Duration(float64(a) * math.Pow(float64(b)/float64(a), e.amount))
	}
	switch e.kind {
	case stall:
		return between(10*time.Millisecond, 3*time.Second)
	case partition:
		return between(30*time.Millisecond, silence/4)
	case longPartition:
		return between(silence/4, silence+silence/4)
	case linkDown, unplug:
		return between(10*time.Millisecond, silence/4)
	}
	return 0
}

// deck draws events: every kind comes as often as its weight before the deck
// begins again.
type deck struct {
	rng   *rand.Rand
	kinds []kind
	slots int
	cards []event
	round int // decks begun
}

// newDecks makes one deck of what may hold up the reliable stream and one of
// all else; each draws for itself, so that neither depends on how far the other
// has come.
func newDecks(o options) (gentle, rough *deck) {
	gentle = &deck{rng: rand.New(rand.NewPCG(o.Seed, 2)), slots: o.Leaves}
	rough = &deck{rng: rand.New(rand.NewPCG(o.Seed, 3)), slots: o.Leaves}
	for k, n := range weights {
		d := gentle
		if kind(k).blocks() {
			d = rough
		}
		if o.Thin {
			n = min(n, 1)
		}
		for range n {
			d.kinds = append(d.kinds, kind(k))
		}
	}
	return gentle, rough
}

// deal gives the first event that is taken.
func (d *deck) deal(take func(event) bool) {
	if len(d.cards) == 0 {
		for _, k := range d.kinds {
			d.cards = append(d.cards, d.event(k))
		}
		d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
		d.round++
	}
	for i, e := range d.cards {
		if take(e) {
			d.cards = append(d.cards[:i], d.cards[i+1:]...)
			return
		}
	}
}

// through reports whether every kind has had its turn.
func (d *deck) through() bool { return d.round > 1 || d.round == 1 && len(d.cards) == 0 }

// event draws all that an event of that kind could need, so that what follows
// does not depend on what it used.
func (d *deck) event(k kind) event {
	r := d.rng
	e := event{kind: k, slot: r.IntN(d.slots), amount: r.Float64(), away: time.Duration(r.IntN(800)) * time.Millisecond}
	in := func(n int) bool { return r.IntN(n) == 0 }
	e.plan = plan{refused: in(6), invited: in(4), noOffload: in(4), noBatch: in(6)}
	if hasty := time.Duration(1+r.IntN(40)) * time.Millisecond; in(5) {
		e.plan.hasty = hasty
	}
	if in(5) {
		e.plan.readBuffer = 256 << 10
	}
	return e
}
