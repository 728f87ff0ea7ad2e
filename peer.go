package joinleaf

import (
	"context"
	"errors"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/nonrooted"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// enterPeers joins a session without a root (R66, R70 to R72). The caller holds
// the lock; it is let go here.
func (s *Socket) enterPeers(op string, r *request) (*Socket, error) {
	if s.entry.rootedData() {
		s.mu.Unlock()
		return nil, fail(op, transport.WSAEOPNOTSUPP, errors.New("data with a root in a session without one is not offered: its root would be whoever is the oldest"))
	}
	s.phase = joining
	c, blocking, ctx := s.peerConfig(r), !s.nonblocking, s.ctx
	g := transport.Group{Addr: r.to, Interface: s.p.c.Group.Interface}
	s.mu.Unlock()
	run := func() error {
		p, err := nonrooted.Join(ctx, g, c)
		return s.enteredPeers(op, r, p, err, !blocking)
	}
	if blocking {
		if err := run(); err != nil {
			return nil, err
		}
		return s, nil
	}
	if !s.p.spawn(func() { run() }) {
		return nil, fail(op, transport.WSANOTINITIALISED, nil)
	}
	return s, nil
}

// peerConfig is what package nonrooted is told. The caller holds the lock.
func (s *Socket) peerConfig(r *request) nonrooted.Config {
	t := s.p.c.Session
	c := nonrooted.Config{
		Network: s.p.network, Identity: s.p.c.Identity, Interface: t.Interface, Name: t.Name, Role: r.role,
		Streams: t.Streams, Latency: t.Latency, MaxMessage: t.MaxMessage, Window: t.Window, MTU: t.MTU,
		TTL: s.scope, DSCP: t.DSCP, NoOffload: t.NoOffload, NoBatch: t.NoBatch, ReadBuffer: t.ReadBuffer,
		Rate: t.Rate, RateLaw: t.RateLaw,
		Silence: s.p.c.Keepalive, JoinTimeout: s.p.c.JoinWait, Logger: s.p.c.Logger,
	}
	if s.scope == 0 {
		c.TTL = -1
	}
	if f := s.p.c.Authorize; f != nil {
		c.Authorize = func(ctx context.Context, peer crypto.PeerInfo) error {
			until, err := f(ctx, peer, nil)
			if err == nil && !until.IsZero() && !until.After(time.Now()) {
				err = errors.New("the authorization ran out")
			}
			return err
		}
	}
	return c
}

// enteredPeers takes the outcome of such a join.
func (s *Socket) enteredPeers(op string, r *request, p *nonrooted.Peer, err error, tell bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if err == nil {
			s.p.discard(p.Close)
		}
		return fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the socket was closed while it joined"))
	}
	if err != nil {
		if s.phase = spoiled; again(outcome(err)) {
			s.phase = idle
		}
	} else {
		e := &equal{Peer: p, read: make(chan struct{})}
		s.phase = joined
		s.flow = flow{car: e, done: p.Done(), why: p.Err, peer: r.to, self: p.ID(), leave: p.Shutdown, drop: p.Close,
			sends: r.role.Sends(), receives: r.role.Receives()}
		s.p.spawn(func() { s.gather(e) })
		if s.rec.mask != 0 {
			s.following = s.p.spawn(s.follow)
		}
	}
	if tell {
		s.note(FDConnect, outcome(err))
	}
	if err == nil {
		s.noteWritable()
	}
	s.wake()
	if err != nil {
		return failedAs(op, err)
	}
	return nil
}

// equal is a peer as a carrier. What it receives is gathered into the socket's
// inbox, since a peer's data moves from one session to the next when sessions
// merge.
type equal struct {
	*nonrooted.Peer
	read chan struct{} // closed when nothing more will be gathered
}

// Recv tells the end: all else was gathered.
func (e *equal) Recv(context.Context, []byte) (rooted.Message, error) {
	return rooted.Message{}, e.Err()
}

func (e *equal) Readable() (data, end bool) {
	select {
	case <-e.read:
		return false, true
	default:
		return false, false
	}
}

func (e *equal) WaitReadable(ctx context.Context) error {
	select {
	case <-e.read:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// gather takes in what the other members send.
func (s *Socket) gather(e *equal) {
	defer func() {
		close(e.read)
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			s.noteReadable()
			s.wake()
		}
	}()
	p := make([]byte, s.entry.MessageSize)
	for {
		m, err := e.Peer.Recv(s.ctx, p)
		if err != nil {
			return
		}
		l := letter{p: append([]byte(nil), p[:m.N]...), missed: m.Missed}
		if m.Member != nil {
			l.from = m.Member.Addr
		}
		if !s.keep(l) {
			return
		}
	}
}
