package session

import (
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// slowAfter is how long an application may leave its messages unread while they
// hold the session up. Then the oldest are given up, as a member that drags the
// others is served apart.
const slowAfter = 2 * time.Second

// copyHead is what a copy takes beside its bytes.
const copyHead = 4

// copies are a member's own messages, from Send until their place in the order
// has come.
type copies struct {
	most int  // bytes
	hold bool // never give one up

	mu      sync.Mutex
	streams [flow.MaxStreams]copied
	held    int       // bytes
	fullAt  time.Time // since when Send waits for room; zero: it does not
	reading int       // calls of Recv that are under way
	readAt  time.Time // when the last one ended
}

type copied struct {
	shelf
	next uint64 // number of the message that Send takes next
}

func (c *copied) head() uint64 { return c.next - uint64(c.n) }

// room reports whether another n bytes fit. Where an application has not read
// for slowAfter, the oldest make room. If not, again is when to look again.
func (c *copies) room(now time.Time, n int) (ok bool, again time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n += copyHead
	if c.held == 0 || c.held+n <= c.most {
		c.fullAt = time.Time{}
		return true, again
	}
	if c.fullAt.IsZero() {
		c.fullAt = now
	}
	if c.hold || c.reading > 0 {
		return false, again
	}
	again = c.fullAt.Add(slowAfter)
	if t := c.readAt.Add(slowAfter); t.After(again) {
		again = t
	}
	if now.Before(again) {
		return false, again
	}
	for c.held > 0 && c.held+n > c.most {
		c.forget()
	}
	return true, time.Time{}
}

// forget gives up the oldest of the stream that holds most.
func (c *copies) forget() {
	k := 0
	for i := range c.streams {
		if c.streams[i].bytes() > c.streams[k].bytes() {
			k = i
		}
	}
	c.pop(&c.streams[k])
}

func (c *copies) pop(q *copied) {
	c.held -= copyHead + len(q.first())
	q.drop()
}

// add keeps a message that was sent, and returns the number of the next.
func (c *copies) add(st flow.Stream, p []byte) (next uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.streams[st]
	q.put(p)
	c.held += copyHead + len(p)
	q.next++
	return q.next
}

// seek passes over messages below number to. at is the number of the first that
// is left, or that Send takes next: here tells which.
func (c *copies) seek(st flow.Stream, to uint64) (at uint64, here bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.streams[st]
	for q.n > 0 && q.head() < to {
		c.pop(q)
	}
	return q.head(), q.n > 0
}

// sent is the number of the message that Send takes next.
func (c *copies) sent(st flow.Stream) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams[st].next
}

// take copies message number to p, if it fits. size is its length, -1 if it was
// given up since seek.
func (c *copies) take(st flow.Stream, number uint64, p []byte) (size int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.streams[st]
	if q.n == 0 || q.head() != number {
		return -1, false
	}
	m := q.first()
	if size = len(m); size > len(p) {
		return size, false
	}
	copy(p, m)
	c.pop(q)
	return size, true
}

// enter notes a call of Recv.
func (c *copies) enter() {
	c.mu.Lock()
	c.reading++
	c.mu.Unlock()
}

// leave notes its end, and reports whether a Send waits for room.
func (c *copies) leave(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading--
	c.readAt = now
	return !c.fullAt.IsZero()
}

// unread: nobody has read for long.
func (c *copies) unread(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reading == 0 && now.Sub(c.readAt) >= slowAfter
}
