package rooted

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// admit accepts control connections and proves them, each in a goroutine.
func (r *Root) admit() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			if r.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			r.log.Warn("accepting control connections fails; trying again", "cause", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.ctx.Done():
				return
			}
			continue
		}
		u := r.gate.enter(conn)
		if u == nil {
			conn.Close()
			continue
		}
		r.wg.Go(func() { r.prove(u) })
	}
}

// prove runs the handshake of one connection and hands it to the machine.
func (r *Root) prove(u *unproven) {
	defer r.gate.leave(u)
	ctx, cancel := context.WithTimeout(r.ctx, provenWithin)
	defer cancel()
	ch, err := r.c.shake(ctx, u.conn, false, crypto.RoleRoot)
	r.gate.leave(u) // who is proven makes room for nobody
	if err != nil {
		r.gate.refuse()
		r.log.Debug("a connection was not proven", "from", u.conn.RemoteAddr(), "cause", err)
		return
	}
	if _, err := r.adopt(ch); err != nil {
		r.log.Debug("a connection was not taken", "from", u.conn.RemoteAddr(), "cause", err)
	}
}

// Accept waits for a join request, asks the authorizer and the condition, and
// returns the leaf once it is in: everything sent from then on reaches it
// (R58, R89). A refused request makes it fail with WSAECONNREFUSED (R90), a
// deferred one with WSATRY_AGAIN (R92), one that went away with WSAECONNRESET
// or, once the condition saw it, WSAEACCES (R100, R101). Call it again.
func (r *Root) Accept(ctx context.Context) (*Member, error) {
	return r.AcceptWith(ctx, AcceptOptions{Condition: r.c.Condition})
}

// AcceptWith is Accept with a condition of its own, for this call only.
func (r *Root) AcceptWith(ctx context.Context, o AcceptOptions) (*Member, error) {
	for {
		var q control.Request
		var ok bool
		if err := r.do(func(_ time.Time, m *control.Root) { q, ok = m.Next() }); err != nil {
			return nil, err
		}
		if ok {
			r.ask() // somebody else may have the next one
			return r.decide(ctx, q, o.Condition)
		}
		if o.NoWait {
			return nil, refused("accept", transport.WSAEWOULDBLOCK, "no request waits")
		}
		select {
		case <-r.asked:
		case <-ctx.Done():
			return nil, transport.Explain("accept", r.group, context.Cause(ctx))
		case <-r.ctx.Done():
			return nil, r.over("accept")
		}
	}
}

// decide answers one request, in the goroutine that called Accept (R86).
func (r *Root) decide(ctx context.Context, q control.Request, condition func(*Request) Verdict) (*Member, error) {
	if q.Code != 0 {
		return nil, refused("accept", q.Code, "the request went away before it was answered")
	}
	if q.Join.Name != "" && q.Join.Name != r.c.Name {
		return nil, r.reject(q.ID, transport.WSAECONNREFUSED, fmt.Sprintf("this is session %q", r.c.Name))
	}
	until, err := r.authorize(ctx, q.ID, q.Join.Token)
	if err != nil {
		if ctx.Err() != nil { // this call gives up; the request is the next one's
			r.answer(q.ID, control.Answer{Verdict: control.Defer})
			r.ask()
			return nil, transport.Explain("accept", r.group, context.Cause(ctx))
		}
		r.log.Info("leaf not authorized", "from", q.Addr, "cause", err)
		return nil, r.reject(q.ID, transport.WSAEACCES, "not authorized")
	}
	req := &Request{From: q.Addr, Name: q.Join.Name, Data: q.Join.Data, Role: q.Join.Role, Room: q.Offer, QoS: q.Join.QoS}
	if l := r.link(q.ID); l != nil {
		req.Peer = l.ch.Peer
	}
	switch verdict := r.judge(q.ID, req, condition); verdict {
	case Accept:
	case Refuse:
		return nil, r.reject(q.ID, cmp.Or(req.Code, transport.WSAECONNREFUSED), req.Reason)
	case Defer:
		if err := r.answer(q.ID, control.Answer{Verdict: control.Defer}); err != nil {
			return nil, err
		}
		return nil, refused("accept", transport.WSATRY_AGAIN, "the condition deferred the request")
	default:
		r.answer(q.ID, control.Answer{Verdict: control.Defer})
		return nil, refused("accept", transport.WSAEINVAL, fmt.Sprintf("the condition answered %d, which is no verdict", verdict))
	}
	if req.DataRoot && !r.claim(q.ID) {
		return nil, r.reject(q.ID, transport.WSAECONNREFUSED, secondDataRoot)
	}
	a := &arrival{done: make(chan struct{}), callee: req.Callee, caller: q.Join.Data, tag: req.Tag, qos: req.QoS, until: until, token: q.Join.Token}
	if err := r.let(q.ID, a, control.Answer{Verdict: control.Accept, Role: r.c.Role, Callee: req.Callee, QoS: req.QoS}); err != nil {
		r.unreached(q.ID)
		return nil, err
	}
	return r.await(ctx, "accept", q.ID, a)
}

// judge asks the condition. One that panics is its caller's to catch; whom it
// judged is refused rather than left waiting.
func (r *Root) judge(id uint32, req *Request, condition func(*Request) Verdict) (v Verdict) {
	if condition == nil {
		return Accept
	}
	judged := false
	defer func() {
		if !judged {
			r.reject(id, transport.WSAECONNREFUSED, "")
		}
	}()
	v = condition(req)
	judged = true
	return v
}

// answer decides a request, in the loop.
func (r *Root) answer(id uint32, a control.Answer) (err error) {
	if e := r.do(func(now time.Time, m *control.Root) { err = m.Answer(now, id, a) }); e != nil {
		return e
	}
	return r.unlessOver("accept", err)
}

func (r *Root) reject(id uint32, code transport.Code, text string) error {
	if text == "" {
		text = "the root refused"
	}
	if err := r.answer(id, control.Answer{Verdict: control.Reject, Code: code, Text: text}); err != nil {
		return err
	}
	return refused("accept", code, text)
}

// let answers yes and registers the call that waits.
func (r *Root) let(id uint32, a *arrival, answer control.Answer) error {
	var err error
	if e := r.do(func(now time.Time, m *control.Root) {
		r.register(id, a)
		r.expect(id)
		if err = m.Answer(now, id, answer); err != nil {
			r.gone(id)
		}
	}); e != nil {
		return e
	}
	return r.unlessOver("accept", err)
}

func (r *Root) register(id uint32, a *arrival) {
	r.mu.Lock()
	r.pending[id] = a
	r.mu.Unlock()
}

// await waits for an arrival. A ctx that ends takes the leaf out again.
func (r *Root) await(ctx context.Context, op string, id uint32, a *arrival) (*Member, error) {
	select {
	case <-a.done:
		return a.member, a.err
	case <-ctx.Done():
	case <-r.ctx.Done():
	}
	r.do(func(now time.Time, m *control.Root) {
		r.gone(id)
		m.Evict(now, id, transport.WSAECONNABORTED, "the root cancelled")
	})
	if r.isOver() {
		return nil, r.over(op)
	}
	return nil, transport.Explain(op, r.group, context.Cause(ctx))
}

// Invite asks the leaf that listens at that address to come in, with caller
// data, and returns it once it is in (R56). Several may be under way. It fails
// with WSAECONNREFUSED when nobody listens there or the leaf says no, and with
// WSAETIMEDOUT when it stays silent (R63); no member notices (R156).
func (r *Root) Invite(ctx context.Context, leaf netip.AddrPort, data []byte) (*Member, error) {
	return r.InviteWith(ctx, leaf, Invitation{Data: data, Role: r.c.Role, CalleeRoom: r.c.CalleeRoom})
}

// InviteWith is Invite with terms of its own for this leaf.
func (r *Root) InviteWith(ctx context.Context, leaf netip.AddrPort, i Invitation) (*Member, error) {
	ctx, cancel := context.WithTimeout(ctx, r.c.JoinTimeout)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	inv := control.Invite{Role: i.Role, Name: r.c.Name, Room: int32(i.CalleeRoom), Data: i.Data, QoS: i.QoS}
	if err := inv.Check(); err != nil {
		return nil, err
	}
	ch, err := r.c.reach(ctx, "invite", leaf, crypto.RoleRoot)
	if err != nil {
		return nil, r.unlessOver("invite", err)
	}
	id, err := r.adopt(ch)
	if err != nil {
		return nil, err
	}
	a := &arrival{done: make(chan struct{}), caller: i.Data, root: i.DataRoot}
	if e := r.do(func(now time.Time, m *control.Root) {
		r.register(id, a)
		if err = m.Invite(now, id, inv); err != nil { // the session is full, or the leaf spoke first
			r.gone(id)
			m.Evict(now, id, transport.WSAECONNREFUSED, "the invitation was withdrawn")
		}
	}); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, r.unlessOver("invite", err)
	}
	return r.await(ctx, "invite", id, a)
}

// prove runs a dialled handshake within its time.
func (c Config) prove(ctx context.Context, conn net.Conn, role crypto.Role) (*crypto.Channel, error) {
	ctx, cancel := context.WithTimeout(ctx, provenWithin)
	defer cancel()
	return c.shake(ctx, conn, true, role)
}

func (c Config) shake(ctx context.Context, conn net.Conn, dialer bool, role crypto.Role) (*crypto.Channel, error) {
	if c.Insecure != crypto.Protected {
		return crypto.PlainHandshake(ctx, conn, role)
	}
	return crypto.Handshake(ctx, conn, dialer, role, c.Identity)
}

// proofError words a failed handshake.
func proofError(op string, err error) error {
	code := transport.WSAECONNREFUSED
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = transport.WSAETIMEDOUT
	case errors.Is(err, context.Canceled):
		code = transport.WSAEINTR
	case errors.Is(err, crypto.ErrVersion):
		code = transport.WSAVERNOTSUPPORTED
	case errors.Is(err, crypto.ErrProof), errors.Is(err, crypto.ErrPin), errors.Is(err, crypto.ErrCertificate), errors.Is(err, crypto.ErrIdentity):
	default:
		if c := transport.CodeOf(transport.Explain(op, transport.Group{}, err)); c != 0 && c != transport.WSASYSCALLFAILURE {
			code = c
		}
	}
	return &transport.Error{Op: op, Code: code, Err: err}
}

// refused is the error of a call that ends with a code and the other side's
// words.
func refused(op string, code transport.Code, text string) error {
	e := &transport.Error{Op: op, Code: code}
	if text != "" {
		e.Err = errors.New(text)
	}
	return e
}
