package rooted

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
)

const (
	chatRoom  = 1 << 20 // unread bytes
	chatCount = 1024    // unread messages
)

// inbox holds one side chat's unread messages, bounded. What does not fit is
// not kept; RecvChat says how many that were, in their place.
type inbox struct {
	mu     sync.Mutex
	queue  []note
	size   int
	missed int // since the last of queue
	bell   chan struct{}
}

// note is a message, with the number of those before it that were not kept.
type note struct {
	p      []byte
	missed int
}

func (b *inbox) init() { b.bell = make(chan struct{}, 1) }

func (b *inbox) add(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == chatCount || b.size+len(p) > chatRoom {
		b.missed++
	} else {
		b.queue, b.size = append(b.queue, note{append([]byte(nil), p...), b.missed}), b.size+len(p)
		b.missed = 0
	}
	ring(b.bell)
}

// recv waits for a message. Messages that came before over are still given.
func (b *inbox) recv(ctx context.Context, over <-chan struct{}, ended func() error, p []byte) (int, error) {
	for {
		if n, ok, err := b.take(p); ok || err != nil {
			return n, err
		}
		select {
		case <-b.bell:
		case <-ctx.Done():
			return 0, transport.Explain("receive side chat", transport.Group{}, context.Cause(ctx))
		case <-over:
			if n, ok, err := b.take(p); ok || err != nil {
				return n, err
			}
			return 0, ended()
		}
	}
}

func (b *inbox) take(p []byte) (int, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() {
		if len(b.queue) > 0 || b.missed > 0 {
			ring(b.bell) // for others that wait
		}
	}()
	lost := &b.missed
	if len(b.queue) > 0 {
		lost = &b.queue[0].missed
	}
	if n := *lost; n > 0 {
		*lost = 0
		return 0, false, &transport.Error{Op: "receive side chat", Code: transport.WSAENOBUFS, Err: fmt.Errorf("%d messages found no room among those unread and were not kept; read sooner", n)}
	}
	if len(b.queue) == 0 {
		return 0, false, nil
	}
	m := b.queue[0].p
	if len(m) > len(p) {
		return len(m), false, &transport.Error{Op: "receive side chat", Code: transport.WSAEMSGSIZE, Err: fmt.Errorf("the message has %d bytes, the buffer %d; call again with more room", len(m), len(p))}
	}
	b.queue, b.size = b.queue[1:], b.size-len(m)
	return copy(p, m), true, nil
}

// Chat sends p to the root alone, outside the session's data. It waits while
// 256 KiB have not left yet.
func (l *Leaf) Chat(ctx context.Context, p []byte) error {
	return chat(ctx, l.link, len(p), l.ended, func() (err error) {
		if e := l.do(func(now time.Time, m *control.Leaf) { err = m.Chat(now, p) }); e != nil {
			return e
		}
		return err
	})
}

// RecvChat waits for the root's next side chat message.
func (l *Leaf) RecvChat(ctx context.Context, p []byte) (int, error) {
	return l.inbox.recv(ctx, l.done, func() error {
		if l.ctx.Err() != nil {
			return errOver("receive side chat")
		}
		return l.Err()
	}, p)
}
