package rooted

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// LeafListener waits for invitations: a root that calls Invite with its address
// may take this host into its session (R57).
type LeafListener struct {
	c        Config
	listener net.Listener
	gate     gate
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	queue    chan invitation
	once     sync.Once
}

type invitation struct {
	leaf   *Leaf
	invite control.Invite
}

const invitationRoom = 16

// ListenLeaf waits for invitations at addr. At most 16 wait for Accept; more
// are refused.
func ListenLeaf(ctx context.Context, addr netip.AddrPort, c Config) (*LeafListener, error) {
	c = c.withDefaults()
	if err := c.check("listen", crypto.RoleLeaf); err != nil {
		return nil, err
	}
	ln, err := c.Network.Listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	l := &LeafListener{c: c, listener: ln, queue: make(chan invitation, invitationRoom)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.wg.Go(l.admit)
	return l, nil
}

// Addr is where invitations are heard.
func (l *LeafListener) Addr() netip.AddrPort { return addrOf(l.listener.Addr()) }

func (l *LeafListener) admit() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-l.ctx.Done():
				return
			}
			continue
		}
		u := l.gate.enter(conn)
		if u == nil {
			conn.Close()
			continue
		}
		l.wg.Go(func() { l.prove(u) })
	}
}

// prove takes one connection to its invitation.
func (l *LeafListener) prove(u *unproven) {
	defer l.gate.leave(u)
	ctx, cancel := context.WithTimeout(l.ctx, provenWithin)
	ch, err := crypto.Handshake(ctx, u.conn, false, crypto.RoleLeaf, l.c.Identity)
	cancel()
	if err != nil {
		l.gate.refuse()
		return
	}
	leaf := newLeaf(l.c, ch)
	select {
	case inv := <-leaf.invited:
		select {
		case l.queue <- invitation{leaf, inv}:
			return
		default:
			leaf.answer(control.Answer{Verdict: control.Reject, Code: transport.WSAECONNREFUSED, Text: "too many invitations wait"})
		}
	case <-leaf.done:
	case <-l.ctx.Done():
	}
	leaf.Close()
}

// Accept waits for an invitation, asks the condition, and returns the
// membership once it began. A refused invitation makes it fail with
// WSAECONNREFUSED; call it again. The listener goes on (R257).
func (l *LeafListener) Accept(ctx context.Context) (*Leaf, error) {
	select {
	case i := <-l.queue:
		return l.decide(ctx, i)
	case <-ctx.Done():
		return nil, transport.Explain("accept invitation", transport.Group{}, context.Cause(ctx))
	case <-l.ctx.Done():
		return nil, errOver("accept invitation")
	}
}

func (l *LeafListener) decide(ctx context.Context, i invitation) (*Leaf, error) {
	leaf := i.leaf
	req := &Request{
		From: leaf.link.ch.Peer.AddrPort, Peer: leaf.link.ch.Peer, Name: i.invite.Name, Data: i.invite.Data,
		Role: i.invite.Role, Room: max(0, int(i.invite.Room)), QoS: i.invite.QoS,
	}
	verdict := Accept
	switch {
	case l.c.Name != "" && l.c.Name != i.invite.Name:
		verdict, req.Reason = Refuse, "this leaf joins session "+l.c.Name+" only"
	case l.c.Condition != nil:
		verdict = l.c.Condition(req)
	}
	switch verdict {
	case Accept:
	case Defer:
		select {
		case l.queue <- i:
			return nil, refused("accept invitation", transport.WSATRY_AGAIN, "the condition deferred the invitation")
		default:
		}
		fallthrough
	default:
		if req.Reason == "" {
			req.Reason = "the leaf refused"
		}
		leaf.answer(control.Answer{Verdict: control.Reject, Code: transport.WSAECONNREFUSED, Text: req.Reason})
		leaf.Close()
		return nil, refused("accept invitation", transport.WSAECONNREFUSED, req.Reason)
	}
	leaf.caller, leaf.callee, leaf.role = i.invite.Data, req.Callee, l.c.Role
	if err := leaf.answer(control.Answer{Verdict: control.Accept, Callee: req.Callee, Role: l.c.Role}); err != nil {
		leaf.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.JoinTimeout)
	defer cancel()
	return leaf.enter(ctx, "accept invitation")
}

// answer decides the invitation of this connection.
func (l *Leaf) answer(a control.Answer) (err error) {
	join := l.c.request(nil)
	join.Room = -1
	if e := l.do(func(now time.Time, m *control.Leaf) { err = m.Answer(now, a, join) }); e != nil {
		return e
	}
	return err
}

// Close stops listening; memberships go on. Closing twice is harmless.
func (l *LeafListener) Close() error {
	l.once.Do(func() {
		l.cancel()
		l.listener.Close()
		l.gate.close()
		l.wg.Wait()
		for {
			select {
			case i := <-l.queue:
				i.leaf.Close()
				continue
			default:
			}
			break
		}
	})
	return nil
}
