package rooted

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	waiting  invitations
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	end      once
}

// ListenLeaf waits for invitations at addr. Config.Backlog of them wait
// for Accept, 16 by default; more are refused.
func ListenLeaf(ctx context.Context, addr netip.AddrPort, c Config) (*LeafListener, error) {
	c = c.withDefaults()
	if err := c.check("listen", crypto.RoleLeaf); err != nil {
		return nil, err
	}
	ln, err := c.Network.Listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	l := &LeafListener{c: c, listener: ln}
	l.waiting.init(c.Backlog)
	l.end.init()
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
			l.c.Logger.Warn("accepting control connections fails; trying again", "cause", err)
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

// prove takes one connection to its invitation, and keeps that until Accept
// has decided it.
func (l *LeafListener) prove(u *unproven) {
	defer l.gate.leave(u)
	ctx, cancel := context.WithTimeout(l.ctx, provenWithin)
	ch, err := l.c.shake(ctx, u.conn, false, crypto.RoleLeaf)
	cancel()
	if err != nil {
		l.gate.refuse()
		return
	}
	leaf := newLeaf(l.c, ch)
	select {
	case inv := <-leaf.invited:
		l.gate.leave(u)
		l.keep(&invitation{leaf: leaf, invite: inv, decided: make(chan struct{})})
		return
	case <-leaf.done:
	case <-l.ctx.Done():
	}
	leaf.Close()
}

// keep holds an invitation until Accept has decided it, it has gone away, or
// the listener closes.
func (l *LeafListener) keep(i *invitation) {
	if !l.waiting.add(i) {
		i.leaf.answer(control.Answer{Verdict: control.Reject, Code: transport.WSAECONNREFUSED, Text: "too many invitations wait"})
		i.leaf.Close()
		return
	}
	l.c.tellWaiting()
	select {
	case <-i.decided:
		return
	case <-i.leaf.done:
		l.waiting.bury(i)
		i.leaf.Close()
		return
	case <-l.ctx.Done():
	}
	if l.waiting.remove(i) { // else an Accept has it in hand
		i.leaf.Close()
	}
}

// Accept waits for an invitation, asks the condition, and returns the
// membership once it began. A refused invitation makes it fail with
// WSAECONNREFUSED, a deferred one, which stays first in line, with
// WSATRY_AGAIN; call it again. The listener goes on (R257).
func (l *LeafListener) Accept(ctx context.Context) (*Leaf, error) {
	return l.AcceptWith(ctx, AcceptOptions{Condition: l.c.Condition})
}

// AcceptWith is Accept with a condition of its own, for this call only.
func (l *LeafListener) AcceptWith(ctx context.Context, o AcceptOptions) (*Leaf, error) {
	for {
		if l.ctx.Err() != nil {
			return nil, errOver("accept invitation")
		}
		if i, gone := l.waiting.take(); i != nil {
			if gone != 0 {
				return nil, errGone(gone)
			}
			return l.decide(ctx, i, o.Condition)
		}
		if o.NoWait {
			return nil, refused("accept invitation", transport.WSAEWOULDBLOCK, "no invitation waits")
		}
		select {
		case <-l.waiting.bell:
		case <-ctx.Done():
			return nil, transport.Explain("accept invitation", transport.Group{}, context.Cause(ctx))
		case <-l.ctx.Done():
		}
	}
}

// Waiting tells how many invitations wait, and whether the first was deferred.
func (l *LeafListener) Waiting() (n int, deferred bool) { return l.waiting.waiting() }

func (l *LeafListener) decide(ctx context.Context, i *invitation, condition func(*Request) Verdict) (*Leaf, error) {
	leaf := i.leaf
	req := &Request{
		From: leaf.link.ch.Peer.AddrPort, Peer: leaf.link.ch.Peer, Name: i.invite.Name, Data: i.invite.Data,
		Role: i.invite.Role, Room: max(0, int(i.invite.Room)), QoS: i.invite.QoS,
	}
	verdict := l.judge(i, req, condition)
	if verdict != Accept && verdict != Refuse && verdict != Defer && l.waiting.putBack(i) {
		return nil, refused("accept invitation", transport.WSAEINVAL, fmt.Sprintf("the condition answered %d, which is no verdict", verdict))
	}
	if verdict == Defer && l.waiting.putBack(i) {
		return nil, refused("accept invitation", transport.WSATRY_AGAIN, "the condition deferred the invitation")
	}
	close(i.decided)
	if verdict != Accept {
		code := cmp.Or(req.Code, transport.WSAECONNREFUSED)
		leaf.answer(control.Answer{Verdict: control.Reject, Code: code, Text: req.Reason})
		leaf.Close()
		return nil, refused("accept invitation", code, req.Reason)
	}
	leaf.caller, leaf.callee, leaf.role = i.invite.Data, req.Callee, l.c.Role
	if err := leaf.answer(control.Answer{Verdict: control.Accept, Callee: req.Callee, Role: l.c.Role, QoS: req.QoS}); err != nil {
		leaf.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.JoinTimeout)
	defer cancel()
	return leaf.enter(ctx, "accept invitation")
}

// judge asks the condition. One that panics is its caller's to catch; who
// invited is refused rather than left waiting.
func (l *LeafListener) judge(i *invitation, req *Request, condition func(*Request) Verdict) (v Verdict) {
	judged := false
	defer func() {
		if !judged {
			close(i.decided)
			i.leaf.Close()
		}
	}()
	switch {
	case l.c.Name != "" && l.c.Name != i.invite.Name:
		v, req.Reason = Refuse, "this leaf joins session "+l.c.Name+" only"
	case condition != nil:
		v = condition(req)
	}
	if v != Accept && req.Reason == "" {
		req.Reason = "the leaf refused"
	}
	judged = true
	return v
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
	l.end.do(func() {
		l.waiting.close() // before keep lets go of what waits: none is put back after that
		l.cancel()
		l.listener.Close()
		l.gate.close()
		l.wg.Wait()
	})
	return nil
}
