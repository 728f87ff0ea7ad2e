package control

import (
	"errors"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// Verdict is what becomes of a request.
type Verdict uint8

// The verdicts. The zero value is none of them, so nobody is let in by
// forgetting.
const (
	Accept Verdict = iota + 1
	Reject
	Defer
)

// Answer is the reply to a request or an invitation.
type Answer struct {
	Verdict Verdict
	Code    transport.Code // Reject: what the joiner's call ends with; zero: WSAECONNREFUSED
	Text    string         // Reject: why
	Callee  []byte         // Accept: callee data, at most what was offered; nil: none
	Role    Role           // Accept: the own role towards the other side
	QoS     []byte         // Accept: the flow specifications that hold (R207)
}

// Invite sends an invitation over a connection just opened. It is answered by
// Accepted or Failed, after RootConfig.RequestTimeout at the latest.
func (r *Root) Invite(now time.Time, id uint32, i Invite) error {
	c := r.find(id)
	if c == nil || c.state != proven {
		return invalid("only a connection just opened can carry an invitation")
	}
	if err := i.Check(); err != nil {
		return err
	}
	r.wake(now)
	if r.leaves() >= r.c.Leaves {
		r.end(now, c, ending{by: application, code: transport.WSAECONNREFUSED, text: full})
		return &transport.Error{Op: "invite", Code: transport.WSAENOBUFS, Err: errors.New(full)}
	}
	c.role, c.room = i.Role, i.Room
	r.stats.Invited++
	r.enter(now, c, inviting, r.c.RequestTimeout)
	r.out.frame(id, i.Append(nil))
	return nil
}

const full = "the session is full"

// handleJoin takes a request into the queue, or an invited leaf's yes.
func (r *Root) handleJoin(now time.Time, c *conn, frame []byte) error {
	j, err := ParseJoin(frame)
	if err != nil {
		return err
	}
	if c.state == inviting {
		r.acceptedBy(now, c, j)
		return nil
	}
	refuse := func(why string) error {
		r.stats.Refused++
		r.end(now, c, ending{by: machine, code: transport.WSAECONNREFUSED, text: why})
		return nil
	}
	if r.leaves() >= r.c.Leaves {
		return refuse(full)
	}
	c.join = j.clone()
	if !r.backlog.add(Request{ID: c.id, Addr: c.addr, Join: c.join, Offer: offer(j.Room)}) {
		c.join = Join{}
		return refuse("the root's backlog is full; try again")
	}
	r.stats.Requested++
	r.enter(now, c, queued, r.c.RequestTimeout)
	r.out.event(Event{Kind: Requested, ID: c.id, Addr: c.addr, Join: c.asked()})
	return nil
}

// acceptedBy takes an invited leaf's JOIN. Callee data beyond the room that
// the invitation stated fails the join: it is never cut (R174).
func (r *Root) acceptedBy(now time.Time, c *conn, j Join) {
	if len(j.Data) > offer(c.room) || j.Data != nil && c.room < 0 {
		r.end(now, c, ending{by: machine, code: transport.WSAEFAULT, text: "more callee data than the invitation has room for"})
		return
	}
	c.join = j.clone()
	r.enter(now, c, accepted, readyWait)
	r.out.event(Event{Kind: Accepted, ID: c.id, Addr: c.addr, Join: c.asked()})
}

// Answer decides a request that was shown by Next or told by Requested, or an
// invited leaf's Accepted. Its error is the accept call's: WSAEACCES or
// WSAECONNRESET for a request that went away (R100, R101), WSAEINVAL for
// callee data beyond the offer, which refuses the joiner (R176), or for a
// verdict that is none, which leaves the request where it is (R98),
// WSAECONNREFUSED where the roles do not meet (R193).
func (r *Root) Answer(now time.Time, id uint32, a Answer) error {
	r.wake(now)
	c, w := r.find(id), r.backlog.find(id)
	switch {
	case w != nil && w.req.Code != 0:
		r.backlog.remove(w)
		return &transport.Error{Op: "accept", Code: w.req.Code, Err: errors.New("the request went away before it was answered")}
	case c == nil || c.state != queued && c.state != accepted:
		return invalid("no request under this id waits for an answer")
	case a.Verdict == Reject:
		r.decline(now, c, a.Code, a.Text)
		return nil
	case a.Verdict != Accept || len(a.QoS) > MaxQoS || a.Role >= roles:
		return r.undecided(c, w, a)
	}
	return r.admit(now, c, a)
}

// undecided leaves a request where it is: deferred, or the answer was none.
func (r *Root) undecided(c *conn, w *waiting, a Answer) error {
	if w != nil {
		r.backlog.putBack(w)
	}
	if a.Verdict == Defer && c.state == queued {
		return nil // the joiner is told nothing (R93)
	}
	return invalid("the answer is not one of accept, reject, defer, or its role or flow specification is out of range")
}

func (r *Root) decline(now time.Time, c *conn, code transport.Code, text string) {
	if code == 0 {
		code = transport.WSAECONNREFUSED
	}
	r.stats.Refused++
	r.end(now, c, ending{by: application, code: code, text: text})
}

// admit lets c in: it waits for the next epoch.
func (r *Root) admit(now time.Time, c *conn, a Answer) error {
	if c.state == accepted {
		a.Role, a.Callee = c.role, nil // stated in INVITE; the leaf was the callee
	}
	fail := func(code transport.Code, tell transport.Code, why string) error {
		r.decline(now, c, tell, why)
		return &transport.Error{Op: "accept", Code: code, Err: errors.New(why)}
	}
	switch {
	case len(a.Callee) > offer(c.join.Room):
		return fail(transport.WSAEINVAL, 0, "more callee data than the joiner has room for")
	case !Meet(a.Role, c.join.Role):
		return fail(transport.WSAECONNREFUSED, 0, "roles do not meet: neither side receives what the other sends")
	case c.state == queued && r.leaves() >= r.c.Leaves:
		return fail(transport.WSAENOBUFS, 0, full)
	}
	if c.join.Room < 0 {
		a.Callee = nil // none wanted: empty would be unlike none
	}
	if w := r.backlog.find(c.id); w != nil {
		r.backlog.remove(w)
	}
	c.role = a.Role
	c.reply = Answer{Callee: slices.Clone(a.Callee), QoS: slices.Clone(a.QoS)}
	r.enter(now, c, admitted, readyWait)
	r.pump(now)
	return nil
}
