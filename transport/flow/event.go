package flow

// EventKind says what an Event tells.
type EventKind uint8

// The kinds.
const (
	MemberBlocks      EventKind = iota + 1 // Stream has waited a second for this member's credit
	MemberSilent                           // nothing was heard of this member for 5 s
	WriteFailed                            // Failed was called; Member is the batch's destination
	EventsLost                             // the queue was full; what came is lost until it is read
	MemberQuarantined                      // this member is not waited for any more; see Reason
	MemberReturned                         // it has kept up for a while and is waited for again
	MemberLoses                            // more than a fifth of what is sent was lost on the way to this member for a second
	MemberOverdue                          // it was in quarantine for a minute and never kept up: expel it
)

var eventNames = [...]string{"none", "member blocks", "member silent", "write failed", "events lost", "member quarantined", "member returned", "member loses", "member overdue"}

// String names the kind.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event is something for the log.
type Event struct {
	Kind   EventKind
	Member Member
	Stream Stream
	Reason Reason
}

const mostEvents = 32

// eventQueue is bounded: when it is full the newest are dropped and one
// EventsLost stands in their place.
type eventQueue struct {
	list []Event
}

func (q *eventQueue) add(e Event) {
	switch n := len(q.list); {
	case n < mostEvents-1:
		q.list = append(q.list, e)
	case n == mostEvents-1:
		q.list = append(q.list, Event{Kind: EventsLost})
	}
}

// Event takes the oldest event.
func (s *Sender) Event() (Event, bool) {
	q := &s.events
	if len(q.list) == 0 {
		return Event{}, false
	}
	e := q.list[0]
	q.list = append(q.list[:0], q.list[1:]...)
	return e, true
}
