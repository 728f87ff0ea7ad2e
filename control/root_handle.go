package control

import (
	"bytes"
	"errors"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// turns says in which states which frame of a leaf is in turn; any other one
// ends the connection. A leaf may beat and may leave at any time.
var turns = map[Type][states]bool{
	TypeJoin:    {proven: true, inviting: true},
	TypeRefuse:  {inviting: true},
	TypeReady:   {welcomed: true},
	TypeRekeyed: {welcomed: true, ready: true, joined: true},
	TypeResync:  {welcomed: true, ready: true, joined: true},
	TypeChat:    {joined: true},
	TypeBeat:    {true, true, true, true, true, true, true, true},
	TypeBye:     {true, true, true, true, true, true, true, true},
}

// Handle takes a frame from connection id. Frames for one that is over are
// counted and dropped: they crossed its end.
func (r *Root) Handle(now time.Time, id uint32, frame []byte) {
	c := r.find(id)
	if c == nil {
		r.stats.Late++
		return
	}
	r.wake(now)
	c.heard = now
	if err := r.dispatch(now, c, frame); err != nil {
		r.misbehaved(now, c, frame, err)
	}
}

func (r *Root) dispatch(now time.Time, c *conn, frame []byte) error {
	t := TypeOf(frame)
	switch {
	case len(frame) < headSize:
		return FaultShort
	case c.state < welcomed && len(frame)-4 > MaxFrameBefore:
		return FaultLength
	case !t.known():
		return FaultType
	case !turns[t][c.state]:
		return FaultState
	}
	switch t {
	case TypeJoin:
		return r.handleJoin(now, c, frame)
	case TypeRefuse:
		return r.handleRefuse(now, c, frame)
	case TypeReady:
		return r.handleReady(now, c, frame)
	case TypeRekeyed:
		k, err := ParseRekeyed(frame)
		if err != nil {
			return err
		}
		return r.acknowledge(now, c, k.Epoch)
	case TypeResync:
		return r.handleResync(now, c, frame)
	case TypeChat:
		return r.handleChat(c, frame)
	case TypeBeat:
		return r.handleBeat(c, frame)
	}
	return r.handleBye(now, c, frame)
}

// misbehaved ends a connection for a frame that cannot be: counted by reason,
// answered once.
func (r *Root) misbehaved(now time.Time, c *conn, frame []byte, err error) {
	r.end(now, c, r.stats.Faults.ending(TypeOf(frame), err))
}

// Unreadable reports that Reader refused connection id's bytes: that ends it as
// a bad frame does.
func (r *Root) Unreadable(now time.Time, id uint32, f Fault) {
	if c := r.find(id); c != nil {
		r.wake(now)
		r.misbehaved(now, c, nil, f)
	}
}

// ending counts a fault and words the farewell to who caused it.
func (f *Faults) ending(t Type, err error) ending {
	fault, ok := errors.AsType[Fault](err)
	if !ok || fault == 0 || fault >= faults {
		fault = FaultValue
	}
	f[fault]++
	code := transport.WSAECONNABORTED
	if fault == FaultVersion {
		code = transport.WSAVERNOTSUPPORTED
	}
	return ending{by: machine, code: code, text: "bad " + t.String() + " frame: " + fault.String()}
}

// handleRefuse takes an invited leaf's no.
func (r *Root) handleRefuse(now time.Time, c *conn, frame []byte) error {
	f, err := ParseRefuse(frame)
	if err != nil {
		return err
	}
	r.end(now, c, ending{by: peer, code: f.Code, text: f.Text})
	return nil
}

// handleChat takes a side chat message; the roles bind it too (R232).
func (r *Root) handleChat(c *conn, frame []byte) error {
	m, err := ParseChat(frame)
	if err != nil {
		return err
	}
	if !c.join.Role.Sends() || !c.role.Receives() {
		return FaultState
	}
	r.out.event(Event{Kind: Chatted, ID: c.id, Data: bytes.Clone(m.Data)})
	return nil
}

func (r *Root) handleBeat(c *conn, frame []byte) error {
	b, err := ParseBeat(frame)
	if err != nil {
		return err
	}
	if c.state == joined && len(b.Edges) > 0 {
		r.out.event(Event{Kind: Beaten, ID: c.id, Epoch: b.Epoch, Edges: b.Edges})
	}
	return nil
}

// handleBye takes a leave, or the withdrawal of a request.
func (r *Root) handleBye(now time.Time, c *conn, frame []byte) error {
	b, err := ParseBye(frame)
	if err != nil {
		return err
	}
	r.end(now, c, ending{by: peer, code: b.Code, text: b.Text, edges: b.Edges})
	return nil
}

// Chat sends a side chat message to one member.
func (r *Root) Chat(now time.Time, id uint32, data []byte) error {
	c := r.find(id)
	if c == nil || c.state != joined {
		return notIn("chat")
	}
	if err := checkChat(data, c.role.Sends() && c.join.Role.Receives()); err != nil {
		return err
	}
	r.wake(now)
	r.out.frame(id, Chat{data}.Append(nil))
	return nil
}

// Notice tells a member that it is waited for no more, or again. One that has
// not been sent START is not told: it is not waited for yet, and it would take
// the frame for one out of turn.
func (r *Root) Notice(now time.Time, id uint32, n Notice) error {
	c := r.find(id)
	if c == nil || c.state != joined {
		return notIn("notice")
	}
	if n.Standing >= standings {
		return invalid("a member is in step or quarantined")
	}
	r.wake(now)
	r.out.frame(id, n.Append(nil))
	return nil
}

func checkChat(data []byte, allowed bool) error {
	switch {
	case !allowed:
		return &transport.Error{Op: "chat", Code: transport.WSAEOPNOTSUPP, Err: errors.New("the roles of root and leaf leave no way for a message in this direction")}
	case len(data) > MaxChat:
		return &transport.Error{Op: "chat", Code: transport.WSAEMSGSIZE, Err: errors.New("a side chat message is limited to 64 KiB")}
	}
	return nil
}
