package rooted

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// Bounds of a control connection.
const (
	linkQueue    = 1 << 20          // bytes that wait to be written; more ends the link
	linkProgress = 10 * time.Second // without a written byte; longer ends the link
	linkFarewell = time.Second      // for our last words, and again for the other side's
	linkAhead    = 256 << 10        // side chat waits while more is queued
)

// link is one control connection with its two goroutines: one reads frames,
// one writes what was queued.
type link struct {
	ch     *crypto.Channel
	frames *control.Reader
	bell   chan struct{}
	eased  chan struct{} // less is queued than before
	done   chan struct{} // both goroutines ended
	stuck  atomic.Bool   // it ends because the other side does not read
	wg     sync.WaitGroup

	mu     sync.Mutex
	queue  [][]byte
	size   int       // bytes not yet written, of queue and of what the writer took
	by     time.Time // zero until close: when writing ends
	broken bool      // nothing more can be written
}

func newLink(ch *crypto.Channel) *link {
	return &link{
		ch: ch, frames: control.NewReader(ch),
		bell: make(chan struct{}, 1), eased: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// run starts the goroutines. frame gets every frame, valid during the call;
// lost is called once, when the other side ended or the connection broke.
func (l *link) run(frame func([]byte), lost func(error)) {
	l.wg.Go(func() { l.read(frame, lost) })
	l.wg.Go(l.write)
	go func() {
		l.wg.Wait()
		close(l.done)
	}()
}

func (l *link) read(frame func([]byte), lost func(error)) {
	for {
		f, err := l.frames.Next()
		if err != nil {
			lost(err)
			l.end()
			return
		}
		frame(f)
	}
}

// lostCode is what a broken control connection means to the machine: an end
// without BYE is a reset (R225). Bytes that are no frame are a fault instead,
// which the other side is told.
func lostCode(err error) (transport.Code, control.Fault) {
	if fault, ok := errors.AsType[control.Fault](err); ok {
		return 0, fault
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return transport.WSAECONNABORTED, 0
	}
	return transport.WSAECONNRESET, 0
}

// send queues a frame. A peer that does not read is not waited for: past the
// bound its link ends.
func (l *link) send(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.by.IsZero() || l.broken {
		return
	}
	if l.size+len(frame) > linkQueue {
		l.broken = true
		l.stuck.Store(true)
		l.ch.NetConn().Close() // the reader reports the loss
		return
	}
	l.queue, l.size = append(l.queue, frame), l.size+len(frame)
	l.wake()
}

// room waits until little is queued, so that side chat cannot push its own link
// over the bound. It does not wait for a link that is over.
func (l *link) room(ctx context.Context) error {
	for {
		l.mu.Lock()
		free := l.size <= linkAhead || l.broken || !l.by.IsZero()
		l.mu.Unlock()
		if free {
			ring(l.eased) // others may wait
			return nil
		}
		select {
		case <-l.eased:
		case <-l.done:
		case <-ctx.Done():
			return transport.Explain("side chat", transport.Group{}, context.Cause(ctx))
		}
	}
}

func (l *link) wake() { ring(l.bell) }

// close ends the link after what is queued was written, in linkFarewell at
// most.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by.IsZero() {
		l.by = time.Now().Add(linkFarewell)
		l.ch.SetWriteDeadline(l.by) // for the write that is under way
	}
	l.wake()
}

// end marks the link as broken and lets the writer go.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	l.wake()
}

func (l *link) write() {
	defer l.ch.NetConn().Close() // no close_notify: it could block, and BYE said it
	for range l.bell {
		l.mu.Lock()
		queue, hangup, broken := l.queue, !l.by.IsZero(), l.broken
		l.queue = nil
		l.mu.Unlock()
		for _, f := range queue {
			if !l.put(f) {
				return
			}
		}
		switch {
		case broken:
			return
		case hangup:
			l.farewell()
			return
		}
	}
}

// put writes one frame.
func (l *link) put(frame []byte) bool {
	l.mu.Lock()
	by := time.Now().Add(linkProgress)
	if !l.by.IsZero() {
		by = l.by
	}
	l.ch.SetWriteDeadline(by)
	l.mu.Unlock()
	if _, err := l.ch.Write(frame); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.stuck.Store(true)
		}
		return false
	}
	l.mu.Lock()
	l.size -= len(frame)
	l.mu.Unlock()
	ring(l.eased)
	return true
}

// farewell ends our direction and leaves the other a moment to end its own:
// closing with unread bytes would reset the connection and could swallow BYE.
func (l *link) farewell() {
	l.ch.CloseWrite()
	l.ch.SetReadDeadline(time.Now().Add(linkFarewell))
	for range l.bell {
		l.mu.Lock()
		broken := l.broken
		l.mu.Unlock()
		if broken {
			return
		}
	}
}

// ring wakes who waits at a bell with room for one ring.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
