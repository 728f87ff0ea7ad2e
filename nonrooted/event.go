package nonrooted

import (
	"context"
	"sync"

	"github.com/joinleaf/joinleaf/transport"
)

// EventKind says what happened.
type EventKind uint8

// The events.
const (
	Joined  EventKind = iota + 1 // a member came in: Member
	Left                         // a member is gone: Member
	Leads                        // Member is the coordinator from now on
	Rekeyed                      // the keys of view View are in use
	Merged                       // this session and another are one: of the members that come, those have entered; or this member has, under a new id
	Parted                       // this member is out of its session, on the way into another; Sends wait: Text
	Closed                       // the membership ended; Code and Text say why

	Quarantined   // Member drags this one, which serves it apart from now on: Text says why. With Config.Quarantine
	Returned      // Member has kept up for a while, and is waited for again
	InterfaceLost // the interface was deleted, and with it all that this member heard by: Text. Sends wait, or fail with WSAENETDOWN
	InterfaceBack // it is there again; this member looks for its session, and enters it under a new id
)

var eventNames = [...]string{"", "joined", "left", "leads", "rekeyed", "merged", "parted", "closed", "quarantined", "returned", "interface lost", "interface back"}

// String names the kind.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event is something that happened to the session.
type Event struct {
	Kind   EventKind
	Member Member
	View   uint64
	Code   transport.Code // zero: in good order
	Text   string
	// Skipped counts events that were lost before this one because nobody read
	// them: at most 1,024 wait.
	Skipped uint64
}

const eventRoom = 1024

// eventQueue is bounded: when it is full it forgets the newest, and says how many.
type eventQueue struct {
	mu      sync.Mutex
	queue   []Event
	skipped uint64
	bell    chan struct{}
}

func (q *eventQueue) init() { q.bell = make(chan struct{}, 1) }

func (q *eventQueue) add(e Event) {
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

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// next waits for an event. What happened before over was closed is still told.
func (q *eventQueue) next(ctx context.Context, over <-chan struct{}) (Event, error) {
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

func (q *eventQueue) take() (Event, bool) {
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
