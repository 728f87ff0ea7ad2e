package nonrooted

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// copiesRoom bounds what this member has sent and not read back, in bytes. The
// oldest goes first, and is told as missed.
const copiesRoom = 4 << 20

// copies are this member's own messages, for itself.
type copies struct {
	mu     sync.Mutex
	list   []ownMessage
	size   int
	missed uint64
	wake   map[*waiter]struct{} // Recvs that wait
}

type waiter struct{ cancel context.CancelCauseFunc }

type ownMessage struct {
	plane  *plane
	stream flow.Stream
	bytes  []byte
}

var errWoken = errors.New("this member sent a message to itself")

func (c *copies) add(pl *plane, st flow.Stream, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, ownMessage{pl, st, append([]byte(nil), b...)})
	c.size += len(b)
	for c.size > copiesRoom && len(c.list) > 1 {
		c.size -= len(c.list[0].bytes)
		c.list = c.list[1:]
		c.missed++
	}
	for w := range c.wake {
		w.cancel(errWoken)
	}
}

// recv gives this member's own message where there is one, else another's.
func (c *copies) recv(ctx context.Context, pl *plane, b []byte) (session.Message, error) {
	c.mu.Lock()
	for len(c.list) > 0 && c.list[0].plane.serial < pl.serial { // of a session that is read to its end
		c.size -= len(c.list[0].bytes)
		c.list = c.list[1:]
		c.missed++
	}
	if len(c.list) > 0 && c.list[0].plane == pl {
		defer c.mu.Unlock()
		return c.take(b)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &waiter{cancel}
	if c.wake == nil {
		c.wake = make(map[*waiter]struct{})
	}
	c.wake[w] = struct{}{}
	c.mu.Unlock()
	defer func() {
		cancel(nil)
		c.mu.Lock()
		delete(c.wake, w)
		c.mu.Unlock()
	}()
	return pl.s.Recv(ctx, b)
}

func (c *copies) take(b []byte) (session.Message, error) {
	o := c.list[0]
	m := session.Message{N: len(o.bytes), From: o.plane.id, Stream: o.stream, Missed: c.missed}
	if len(o.bytes) > len(b) {
		m.Missed = 0
		return m, &transport.Error{Op: "receive", Code: transport.WSAEMSGSIZE, Err: fmt.Errorf("the message has %d bytes, the buffer %d; call again with more room", m.N, len(b))}
	}
	copy(b, o.bytes)
	c.list, c.size, c.missed = c.list[1:], c.size-len(o.bytes), 0
	return m, nil
}
