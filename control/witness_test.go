package control

import (
	"fmt"
	"slices"
)

// witness watches what a root puts out and holds it to the order of events
// that the package promises, and to its bounds.
type witness struct {
	root  *Root
	seen  map[uint32][]EventKind // Chatted and Beaten left out
	over  map[uint32]bool
	known map[uint32]uint64 // the newest epoch sent to each
	bad   []string
}

func newWitness(r *Root) *witness {
	return &witness{root: r, seen: map[uint32][]EventKind{}, over: map[uint32]bool{}, known: map[uint32]uint64{}}
}

func (w *witness) fail(format string, args ...any) {
	w.bad = append(w.bad, fmt.Sprintf(format, args...))
}

// saw takes one output.
func (w *witness) saw(o Output) {
	id := o.To
	if o.Event.Kind != 0 && len(o.Frame) != 0 {
		w.fail("frame and event at once: %v", o.Event)
	}
	if w.over[id] {
		w.fail("after Hangup of %d: %v %v", id, TypeOf(o.Frame), o.Event)
	}
	if o.Event.Kind == 0 {
		w.sawFrame(id, o.Frame)
		return
	}
	switch k := o.Event.Kind; k {
	case EpochWanted, EpochReady, Lagging:
	case Chatted, Beaten:
		if !slices.Contains(w.seen[id], Joined) || slices.Contains(w.seen[id], Left) {
			w.fail("%v of %d, which is no member", k, id)
		}
	default:
		w.seen[id] = append(w.seen[id], k)
		w.over[id] = k == Hangup
	}
}

func (w *witness) sawFrame(id uint32, frame []byte) {
	switch TypeOf(frame) {
	case TypeWelcome:
		if v, err := ParseWelcome(frame); err == nil {
			w.known[id] = v.Epoch
		}
	case TypeRekey:
		if v, err := ParseRekey(frame); err == nil {
			w.known[id] = v.Epoch
		}
	}
}

// orders are the events that a connection may have had, complete; a prefix of
// one is a connection that is not over. Answer is no event: what follows
// Requested after one is in the same list.
var orders = [][]EventKind{
	{Hangup},
	{Requested, Hangup}, // refused, or evicted in the queue
	{Requested, Withdrawn, Hangup},
	{Requested, Failed, Hangup},
	{Requested, Joined, Left, Hangup},
	{Failed, Hangup},
	{Accepted, Failed, Hangup},
	{Accepted, Joined, Left, Hangup},
}

// check holds all that was seen, and the machine's own books, to the rules.
func (w *witness) check() []string {
	for id, seen := range w.seen {
		if !slices.ContainsFunc(orders, func(o []EventKind) bool {
			return len(seen) <= len(o) && slices.Equal(o[:len(seen)], seen)
		}) {
			w.fail("connection %d had events %v", id, seen)
		}
		if (w.root.find(id) == nil) != w.over[id] {
			w.fail("connection %d: over %v", id, w.over[id])
		}
	}
	var count [states]int
	behind := 0
	for i, c := range w.root.conns {
		count[c.state]++
		if c.state >= welcomed && c.acked < w.root.rekey.epoch {
			behind++
		}
		if i > 0 && c.id <= w.root.conns[i-1].id {
			w.fail("connections out of order")
		}
		if c.state == queued && w.root.backlog.find(c.id) == nil {
			w.fail("%d is queued, but not in the queue", c.id)
		}
	}
	if count != w.root.count {
		w.fail("counted %v, kept %v", count, w.root.count)
	}
	if !w.root.closed && behind != w.root.rekey.behind {
		w.fail("%d are behind, kept %d", behind, w.root.rekey.behind)
	}
	if len(w.root.due) != len(w.root.conns) {
		w.fail("%d deadlines for %d connections", len(w.root.due), len(w.root.conns))
	}
	if n, limit := len(w.root.backlog.list), w.root.backlog.limit; n > limit && limit > 0 {
		w.fail("%d requests in a backlog of %d", n, limit)
	}
	return w.bad
}
