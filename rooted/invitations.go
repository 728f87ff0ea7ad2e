package rooted

import (
	"slices"
	"sync"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
)

// invitationRoom is how many may wait where Config.Backlog does not say.
const invitationRoom = 16

// invitation is one that a leaf got: in the queue, in the hands of an Accept,
// or decided.
type invitation struct {
	leaf    *Leaf
	invite  control.Invite
	decided chan struct{}
	shown   bool           // a condition has seen it
	put     bool           // deferred
	gone    transport.Code // it went away; what the accept call answers (R100, R101)
}

// invitations wait for Accept, first come first decided, a bounded number. One
// that went away keeps its place, as the error of the call that it was for.
type invitations struct {
	mu     sync.Mutex
	queue  []*invitation
	room   int
	closed bool
	bell   chan struct{}
}

func (q *invitations) init(room int) {
	q.bell = make(chan struct{}, 1)
	if q.room = invitationRoom; room > 0 {
		q.room = room
	}
}

// add queues an invitation, or says that there is no room.
func (q *invitations) add(i *invitation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if len(q.queue) >= q.room {
		dead := slices.IndexFunc(q.queue, func(o *invitation) bool { return o.gone != 0 })
		if dead < 0 {
			return false
		}
		q.queue = slices.Delete(q.queue, dead, dead+1)
	}
	q.queue = append(q.queue, i)
	ring(q.bell)
	return true
}

// take gives the first one to an Accept, and how it went away if it has; nil: there
// is none.
func (q *invitations) take() (*invitation, transport.Code) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil, 0
	}
	i := q.queue[0]
	q.queue = slices.Delete(q.queue, 0, 1)
	if len(q.queue) > 0 {
		ring(q.bell)
	}
	return i, i.gone
}

// putBack gives a deferred one its place back, unless nobody waits for it any
// more.
func (q *invitations) putBack(i *invitation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	i.put, i.shown = true, true
	select {
	case <-i.leaf.done:
		i.gone = transport.WSAEACCES
	default:
	}
	q.queue = slices.Insert(q.queue, 0, i)
	ring(q.bell)
	return true
}

// waiting tells how many there are, and whether the first was deferred.
func (q *invitations) waiting() (n int, deferred bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue), len(q.queue) > 0 && q.queue[0].put && q.queue[0].gone == 0
}

// bury marks one that went away while nobody had it in hand.
func (q *invitations) bury(i *invitation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i.gone = transport.WSAECONNRESET
	if i.shown {
		i.gone = transport.WSAEACCES
	}
}

// remove takes one out that is not in an Accept's hands.
func (q *invitations) remove(i *invitation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.queue, i)
	if at >= 0 {
		q.queue = slices.Delete(q.queue, at, at+1)
	}
	return at >= 0
}

func (q *invitations) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}
