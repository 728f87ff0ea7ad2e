package rooted

import (
	"slices"
	"sync"

	"github.com/joinleaf/joinleaf/control"
)

const invitationRoom = 16

// invitation is one that a leaf got: in the queue, in the hands of an Accept,
// or decided.
type invitation struct {
	leaf    *Leaf
	invite  control.Invite
	decided chan struct{}
}

// invitations wait for Accept, first come first decided, at most 16.
type invitations struct {
	mu     sync.Mutex
	queue  []*invitation
	closed bool
	bell   chan struct{}
}

func (q *invitations) init() { q.bell = make(chan struct{}, 1) }

// add queues an invitation, or says that there is no room.
func (q *invitations) add(i *invitation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.queue) >= invitationRoom {
		return false
	}
	q.queue = append(q.queue, i)
	ring(q.bell)
	return true
}

// take gives the first one to an Accept; nil: there is none.
func (q *invitations) take() *invitation {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil
	}
	i := q.queue[0]
	q.queue = slices.Delete(q.queue, 0, 1)
	if len(q.queue) > 0 {
		ring(q.bell)
	}
	return i
}

// putBack gives a deferred one its place back, unless nobody waits for it any
// more.
func (q *invitations) putBack(i *invitation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-i.leaf.done:
		return false
	default:
	}
	if q.closed {
		return false
	}
	q.queue = slices.Insert(q.queue, 0, i)
	ring(q.bell)
	return true
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
