package rooted

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// Bounds of a control connection.
const (
	linkQueue    = 1 << 20          // bytes that wait to be written; more ends the link
	linkProgress = 10 * time.Second // without a written byte; longer ends the link
	linkFarewell = time.Second      // between our last word and the close
)

// link is one control connection with its two goroutines: one reads frames,
// one writes what was queued.
type link struct {
	ch     *crypto.Channel
	frames *control.Reader
	bell   chan struct{}
	done   chan struct{} // both goroutines ended
	wg     sync.WaitGroup

	mu     sync.Mutex
	queue  [][]byte
	size   int
	hangup bool // write out what is queued, then close
	broken bool // nothing more can be written
}

func newLink(ch *crypto.Channel) *link {
	return &link{ch: ch, frames: control.NewReader(ch), bell: make(chan struct{}, 1), done: make(chan struct{})}
}

// run starts the goroutines. frame gets every frame, valid during the call;
// lost is called once, when the other side ended or the connection broke.
func (l *link) run(frame func([]byte), lost func(transport.Code)) {
	l.wg.Go(func() { l.read(frame, lost) })
	l.wg.Go(l.write)
	go func() {
		l.wg.Wait()
		close(l.done)
	}()
}

func (l *link) read(frame func([]byte), lost func(transport.Code)) {
	for {
		f, err := l.frames.Next()
		if err != nil {
			lost(lostCode(err))
			l.end()
			return
		}
		frame(f)
	}
}

// lostCode is what a broken control connection means to the machine: an end
// without BYE is a reset (R225).
func lostCode(err error) transport.Code {
	var fault control.Fault
	switch {
	case errors.As(err, &fault):
		return transport.WSAECONNABORTED
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrUnexpectedEOF):
		return transport.WSAECONNRESET
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return transport.WSAECONNABORTED
	}
	return transport.WSAECONNRESET
}

// send queues a frame. A peer that does not read is not waited for: past the
// bound its link ends.
func (l *link) send(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hangup || l.broken {
		return
	}
	if l.size+len(frame) > linkQueue {
		l.broken = true
		l.ch.NetConn().Close() // the reader reports the loss
		return
	}
	l.queue, l.size = append(l.queue, frame), l.size+len(frame)
	l.wake()
}

func (l *link) wake() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// close ends the link after what is queued was written.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangup = true
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
		queue, hangup, broken := l.queue, l.hangup, l.broken
		l.queue, l.size = nil, 0
		l.mu.Unlock()
		for _, f := range queue {
			l.ch.SetWriteDeadline(time.Now().Add(linkProgress))
			if _, err := l.ch.Write(f); err != nil {
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

// farewell ends our direction and leaves the other a moment to end its own:
// closing with unread bytes would reset the connection and could swallow BYE.
func (l *link) farewell() {
	l.ch.SetWriteDeadline(time.Now().Add(linkFarewell))
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
