package rooted

import (
	"context"
	"sync"

	"github.com/joinleaf/joinleaf/transport"
)

// EventKind says what happened.
type EventKind uint8

// The events of a root and of a leaf.
const (
	Requested    EventKind = iota + 1 // root: a join request waits for Accept
	Joined                            // root: a leaf was counted in
	Left                              // root: a leaf is gone; Code and Text say why
	Rekeyed                           // the session moved to Epoch
	SenderJoined                      // leaf, nonrooted data: a member may send from now on; ordered: it is in from place Order on
	SenderLeft                        // leaf, nonrooted data: that member is gone; ordered: from place Order on
	Closed                            // leaf: the membership ended; Code and Text say why
	GroupSilent                       // leaf: the root has sent, and nothing was heard on the group; rejoining
	Quarantined                       // root, leaf: this leaf drags the group and is served apart; Text says why
	Returned                          // root, leaf: it has kept up for a while and is waited for again
	Forged                            // leaf: a member sealed data in the root's name; at most once a second
	// Junk tells a root or a leaf that somebody sends to it, in bulk, what names
	// the session's keys and does not open under them: an outsider who forges, or a
	// broken network. Nothing of it is delivered and no address is shut out for it,
	// since any can be forged; it costs a try each. Text says how much; at most
	// once a second.
	Junk
)

var eventNames = [...]string{"", "requested", "joined", "left", "rekeyed", "sender joined", "sender left", "closed", "group silent", "quarantined", "returned", "forged", "junk"}

// String names the kind.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event is something that happened to a session.
type Event struct {
	Kind   EventKind
	Member uint32
	Code   transport.Code // zero: in good order
	Text   string
	Epoch  uint64
	// Order is the place in an ordered session's messages before which
	// SenderJoined and SenderLeft stand; the root has these events there too.
	Order uint64
	// Skipped counts events that were lost before this one because nobody read
	// them: at most 1,024 wait.
	Skipped uint64
}

const eventRoom = 1024

// events is a bounded queue that forgets the newest when it is full, and says
// how many.
type events struct {
	mu      sync.Mutex
	queue   []Event
	skipped uint64
	bell    chan struct{}
}

func (q *events) init() { q.bell = make(chan struct{}, 1) }

func (q *events) add(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == eventRoom {
		q.skipped++
		return
	}
	e.Skipped, q.skipped = q.skipped, 0
	q.queue = append(q.queue, e)
	ring(q.bell)
}

// next waits for an event. What happened before over was closed is still told.
func (q *events) next(ctx context.Context, over <-chan struct{}) (Event, error) {
	for {
		if e, ok := q.take(); ok {
			return e, nil
		}
		select {
		case <-q.bell:
		case <-ctx.Done():
			return Event{}, transport.Explain("next event", transport.Group{}, context.Cause(ctx))
		case <-over:
			if e, ok := q.take(); ok {
				return e, nil
			}
			return Event{}, errOver("next event")
		}
	}
}

func (q *events) take() (Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return Event{}, false
	}
	e := q.queue[0]
	q.queue = q.queue[1:]
	if len(q.queue) > 0 {
		ring(q.bell)
	}
	return e, true
}
