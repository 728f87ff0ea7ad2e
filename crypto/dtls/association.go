package dtls

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/dtls/v2"

	"github.com/joinleaf/joinleaf/crypto"
)

// repeatInterval is how long an unanswered ASK, OFFER or ANSWER waits until it
// is sent again.
const repeatInterval = 200 * time.Millisecond

// association is one handshake and what follows. Its goroutine serve does all
// in order; pump reads what pion opens.
type association struct {
	e       *Endpoint
	route   route
	dialled bool
	who     Who
	suite   *suite
	pipe    *pipe
	ctx     context.Context // until it is admitted
	cancel  context.CancelFunc
	began   time.Duration // see sinceBegan

	tokens  chan token // from GIVE
	token   token      // a dialler's, once serve has it
	chain   []*x509.Certificate
	conn    *pion.Conn // set before pump starts
	heard   chan frame
	unread  chan []byte
	outcome chan error // of the handshake, for Dial

	answered atomic.Bool  // a dialler has seen a good OFFER
	admitted atomic.Bool  // both may send data
	active   atomic.Int64 // when something was last sent or received, see sinceBegan

	halfOpen bool // begun by another end and not admitted; under Endpoint.mu

	ending chan struct{} // closed by end
	ended  chan struct{} // closed when nothing of it runs
	pumped chan struct{} // closed when pump has returned

	mu    sync.Mutex
	cause error // why it ends
	wiped bool
}

// newAssociation dials when who is set.
func newAssociation(e *Endpoint, r route, who *Who) *association {
	a := &association{
		e: e, route: r, dialled: who != nil, began: e.sinceBegan(),
		suite:   &suite{count: &e.count},
		tokens:  make(chan token, 1),
		heard:   make(chan frame, 4),
		unread:  make(chan []byte, e.config.Unread),
		outcome: make(chan error, 1),
		ending:  make(chan struct{}),
		ended:   make(chan struct{}),
		pumped:  make(chan struct{}),
	}
	if who != nil {
		a.who = *who
	}
	a.ctx, a.cancel = context.WithTimeout(context.Background(), e.config.HandshakeTimeout)
	a.pipe = newPipe(a.dialled, a.suite, &e.count, r.peer, a.send)
	return a
}

// given takes a token that the other end gave. a may be nil: anybody can send one.
func (a *association) given(t token) Drop {
	if a == nil || !a.dialled {
		return DropUnknown
	}
	select {
	case a.tokens <- t:
		return 0
	default:
		return DropQueue
	}
}

// send wraps DTLS records. A dialler shows its token until it is admitted: any
// of its datagrams may be the first that arrives.
func (a *association) send(records []byte) {
	v := envelope{kind: kindCarry, id: a.route.id, records: records}
	if a.dialled && !a.admitted.Load() {
		v.kind, v.token = kindOpen, a.token
	}
	a.e.write(v.append(make([]byte, 0, openSize+len(records))), a.route.peer)
}

// serve is the association's life.
func (a *association) serve() {
	defer close(a.ended)
	defer a.e.forget(a)
	err := a.establish()
	a.cancel() // its time limit is for the handshake
	if !a.dialled {
		a.e.settled(a)
	}
	if err == nil {
		a.e.count.admitted.Add(1)
	} else {
		a.e.count.failed.Add(1)
		a.e.log(a.route.peer, err)
	}
	a.outcome <- err
	if err == nil {
		a.watch()
	}
	a.end(net.ErrClosed)
	if a.conn != nil {
		if a.admitted.Load() && a.causeOf() != io.EOF {
			a.say(&frame{kind: frameBye, way: a.e.way})
		}
		_ = a.conn.Close() // waits for pion's goroutines
		<-a.pumped
	}
	_ = a.pipe.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wiped = true
	a.suite.forget()
}

// establish takes the association from nothing to admitted.
func (a *association) establish() error {
	if err := a.ask(); err != nil {
		return err
	}
	// Fragments of a message get 25 bytes of headers, a Finished 16 of tag.
	mtu := a.e.config.MTU - openSize - recordHeader - fragmentHeader - tagSize
	conn, err := shake(a.ctx, a.pipe, a.dialled, profile(a.suite, a.e.own, mtu, a.look))
	if err != nil {
		return a.explain(err)
	}
	a.conn = conn
	a.e.wg.Go(a.pump)
	shown := conn.ConnectionState().PeerCertificates
	if !a.suite.IsInitialized() || len(a.chain) == 0 || len(shown) == 0 || !bytes.Equal(shown[0], a.chain[0].Raw) {
		return fmt.Errorf("%w: the handshake ended with another one, or another cipher, than it began with", crypto.ErrCertificate)
	}
	if a.dialled {
		return a.answer()
	}
	return a.offer()
}

// ask gets a dialler its token.
func (a *association) ask() error {
	if !a.dialled {
		return nil
	}
	ask := envelope{kind: kindAsk, id: a.route.id}
	tick := time.NewTicker(repeatInterval)
	defer tick.Stop()
	for {
		a.e.write(ask.append(make([]byte, 0, askSize)), a.route.peer)
		select {
		case a.token = <-a.tokens:
			return nil
		case <-tick.C:
		case <-a.ctx.Done():
			return a.explain(a.ctx.Err())
		}
	}
}

// explain makes an error of a handshake that failed.
func (a *association) explain(err error) error {
	if cause := a.causeOf(); cause != nil {
		return cause
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the DTLS handshake failed: %w", err)
	}
	why := "the other end did not finish; it may be busy or set up wrong, see its log"
	if a.dialled && a.token == (token{}) {
		why = "nobody answers there; is a joinleaf of this version running at that address?"
	}
	if n := a.e.count.writeErrors.Load(); n > 0 {
		why += fmt.Sprintf(" (the network refused %d packets of ours)", n)
	}
	return fmt.Errorf("%s: %w", why, err)
}

// pump hands on what pion opens, until the association ends.
func (a *association) pump() {
	defer close(a.pumped)
	b := make([]byte, maxDatagram)
	for {
		n, err := a.conn.Read(b)
		if errors.Is(err, io.EOF) {
			a.end(io.EOF)
			return
		}
		if err != nil || n == 0 {
			continue // an error about one record; the association goes on
		}
		a.touch()
		if b[0] == frameData {
			a.deliver(b[1:n])
		} else {
			a.control(b[:n])
		}
	}
}

// deliver queues a datagram for Read.
func (a *association) deliver(datagram []byte) {
	if !a.admitted.Load() {
		if !a.answered.Load() {
			a.e.count.drop(RecordInner) // nobody sends any before the proofs
			return
		}
		// The other end has admitted us; its word of that was lost or is late.
		a.hear(frame{kind: frameAdmitted, way: a.e.way})
	}
	select {
	case a.unread <- bytes.Clone(datagram):
	default:
		a.e.count.unread.Add(1)
	}
}

func (a *association) control(b []byte) {
	f, ok := parseFrame(b)
	switch {
	case !ok:
		a.e.count.drop(RecordInner)
	case !a.admitted.Load():
		a.hear(f)
	case f.kind == frameBye:
		a.end(io.EOF)
	case f.kind == frameAnswer && !a.dialled: // it has not heard that it is admitted
		a.say(&frame{kind: frameAdmitted, way: a.e.way})
	}
}

func (a *association) hear(f frame) {
	select {
	case a.heard <- f:
	default: // it will come again
	}
}

func (a *association) say(f *frame) {
	_, _ = a.conn.Write(f.append(make([]byte, 0, offerSize)))
}

// watch waits until there is a reason to end.
func (a *association) watch() {
	idle, life := time.NewTimer(a.e.config.IdleTimeout), time.NewTimer(a.e.config.Lifetime)
	defer idle.Stop()
	defer life.Stop()
	for {
		select {
		case <-a.ending:
			return
		case <-life.C:
			a.end(fmt.Errorf("it has lived for %v, no longer one keeps its keys; dial again: %w", a.e.config.Lifetime, net.ErrClosed))
		case <-idle.C:
			quiet := a.e.sinceBegan() - time.Duration(a.active.Load())
			if quiet >= a.e.config.IdleTimeout {
				a.end(fmt.Errorf("nothing was sent or received for %v: %w", quiet, net.ErrClosed))
			}
			idle.Reset(max(a.e.config.IdleTimeout-quiet, time.Millisecond))
		}
	}
}

func (a *association) touch() { a.active.Store(int64(a.e.sinceBegan())) }

// end makes serve finish. The first cause stands.
func (a *association) end(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause == nil {
		a.cause = cause
		close(a.ending)
		a.cancel()
	}
}

func (a *association) causeOf() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}
