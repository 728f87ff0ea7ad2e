package control

import (
	"bytes"
	"fmt"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// leafTurns says in which phases which frame of the root is in turn.
var leafTurns = map[Type][phases]bool{
	TypeInvite:  {idle: true},
	TypeRefuse:  {idle: true, considering: true, joining: true},
	TypeWelcome: {joining: true},
	TypeStart:   {prepared: true},
	TypeRekey:   {entering: true, prepared: true, member: true},
	TypeSenders: {entering: true, prepared: true, member: true},
	TypeNotice:  {member: true},
	TypeChat:    {member: true},
	TypeBeat:    {true, true, true, true, true, true, true},
	TypeBye:     {true, true, true, true, true, true, true},
}

// Handle takes a frame from the root.
func (l *Leaf) Handle(now time.Time, _ uint32, frame []byte) {
	if l.phase == over {
		l.stats.Late++
		return
	}
	l.wake(now)
	l.heard = now
	if err := l.dispatch(now, frame); err != nil {
		l.end(now, l.stats.Faults.ending(TypeOf(frame), err))
	}
}

// Unreadable reports that Reader refused the root's bytes: that ends it as a
// bad frame does.
func (l *Leaf) Unreadable(now time.Time, f Fault) {
	if l.phase != over {
		l.wake(now)
		l.end(now, l.stats.Faults.ending(0, f))
	}
}

func (l *Leaf) dispatch(now time.Time, frame []byte) error {
	t := TypeOf(frame)
	switch {
	case len(frame) < headSize:
		return FaultShort
	case l.phase < entering && len(frame)-4 > MaxFrameBefore:
		return FaultLength
	case !t.known():
		return FaultType
	case !leafTurns[t][l.phase]:
		return FaultState
	}
	switch t {
	case TypeInvite:
		return l.handleInvite(now, frame)
	case TypeRefuse:
		f, err := ParseRefuse(frame)
		if err != nil {
			return err
		}
		l.end(now, ending{by: peer, code: f.Code, text: f.Text})
	case TypeWelcome:
		return l.handleWelcome(now, frame)
	case TypeStart:
		return l.handleStart(now, frame)
	case TypeRekey:
		return l.handleRekey(now, frame)
	case TypeBye:
		b, err := ParseBye(frame)
		if err != nil {
			return err
		}
		l.end(now, ending{by: peer, code: b.Code, text: b.Text, edges: b.Edges})
	default:
		return l.handleNews(now, frame)
	}
	return nil
}

func (l *Leaf) handleInvite(now time.Time, frame []byte) error {
	i, err := ParseInvite(frame)
	if err != nil {
		return err
	}
	i = i.clone()
	l.root, l.room = i.Role, i.Room
	l.enter(now, considering, l.c.JoinTimeout)
	l.event(Event{Kind: Invited, Invite: &i})
	return nil
}

// handleWelcome lets this leaf in. Callee data beyond the stated room ends the
// join with WSAEFAULT, never cut (R172, R174).
func (l *Leaf) handleWelcome(now time.Time, frame []byte) error {
	w, err := ParseWelcome(frame)
	if err != nil {
		return err
	}
	if w.Epoch == 0 {
		return FaultValue
	}
	if len(w.Callee) > max(int(l.room), 0) || w.Callee != nil && l.room < 0 {
		l.end(now, ending{by: machine, code: transport.WSAEFAULT, text: "the root returned more callee data than there is room for"})
		return nil
	}
	w = w.clone()
	l.root, l.told, l.has, l.toldAt = w.Role, w.Epoch, w.Epoch, now
	l.enter(now, entering, readyWait)
	l.event(Event{Kind: Welcomed, Epoch: w.Epoch, Welcome: &w})
	return nil
}

func (l *Leaf) handleStart(now time.Time, frame []byte) error {
	t, err := ParseStart(frame)
	if err != nil {
		return err
	}
	l.enter(now, member, 0)
	l.learn(now, t.Epoch)
	l.event(Event{Kind: Started, Epoch: t.Epoch, Edges: t.Edges})
	return nil
}

// handleNews takes what changes nothing here: SENDERS, NOTICE, CHAT, BEAT.
func (l *Leaf) handleNews(now time.Time, frame []byte) error {
	switch TypeOf(frame) {
	case TypeSenders:
		c, err := ParseSenders(frame)
		if err != nil {
			return err
		}
		l.event(Event{Kind: SendersChanged, Senders: &c})
	case TypeNotice:
		n, err := ParseNotice(frame)
		if err != nil {
			return err
		}
		l.event(Event{Kind: Noticed, Notice: &n})
	case TypeChat:
		c, err := ParseChat(frame)
		if err != nil {
			return err
		}
		if !l.role.Receives() || !l.root.Sends() {
			return FaultState
		}
		l.event(Event{Kind: Chatted, Data: bytes.Clone(c.Data)})
	case TypeBeat:
		b, err := ParseBeat(frame)
		if err != nil {
			return err
		}
		l.stats.Beats++
		l.learn(now, b.Epoch)
		if l.phase == member {
			l.event(Event{Kind: Beaten, Epoch: b.Epoch, Edges: b.Edges})
		}
	}
	return nil
}

// event raises e; at a leaf everything comes from the root.
func (l *Leaf) event(e Event) {
	e.ID = RootID
	l.out.event(e)
}

// end ends it: one farewell unless the root spoke last, one Closed, and
// nothing after that.
func (l *Leaf) end(now time.Time, e ending) {
	if l.phase == over {
		return
	}
	was := l.phase
	if e.by == application && was == considering && e.code == 0 {
		e.code = transport.WSAECONNREFUSED
	}
	if e.by != peer {
		if was == considering {
			l.out.frame(RootID, Refuse{e.code, e.text}.Append(nil))
		} else {
			l.out.frame(RootID, Bye{e.code, e.text, l.edges}.Append(nil))
		}
	}
	if e.by == peer && e.code == 0 && was < member {
		e.code = transport.WSAECONNRESET // over in good order, but before it was in
	}
	l.enter(now, over, 0)
	l.event(Event{Kind: Closed, Code: e.code, Text: e.text, Edges: e.edges, Own: e.by == application})
}

// NextTimeout is when Advance is next needed; zero once it is over.
func (l *Leaf) NextTimeout() time.Time {
	if l.phase == over {
		return time.Time{}
	}
	t := earlier(l.beat, l.wait)
	t = earlier(t, l.heard.Add(l.c.Silence))
	if l.acked < l.told {
		t = earlier(t, l.toldAt.Add(ackWait))
	}
	return earlier(t, l.askAt)
}

// Advance lets time-outs happen and a beat be sent.
func (l *Leaf) Advance(now time.Time) {
	if l.phase == over {
		return
	}
	l.wake(now)
	if l.c.Data != nil && l.phase == member { // asked at every beat, or sooner
		if n := l.c.Data(); n != l.data {
			l.data, l.heard = n, now
		}
	}
	past := func(t time.Time) bool { return !t.After(now) }
	switch {
	case !l.wait.IsZero() && past(l.wait):
		l.end(now, ending{by: machine, code: transport.WSAETIMEDOUT, text: l.late()})
	case past(l.heard.Add(l.c.Silence)):
		e := ending{by: machine, code: transport.WSAECONNABORTED, text: fmt.Sprintf("nothing heard from the root for %v", l.c.Silence)}
		if l.phase < member {
			e.code = transport.WSAETIMEDOUT // a join that meets silence (R63)
		}
		l.end(now, e)
	case l.acked < l.told && past(l.toldAt.Add(ackWait)):
		l.end(now, ending{by: machine, code: transport.WSAECONNABORTED, text: fmt.Sprintf("epoch %d not taken up within %v", l.told, ackWait)})
	case !l.askAt.IsZero() && past(l.askAt):
		l.resync(now)
	case past(l.beat):
		l.beat = now.Add(l.every)
		b := Beat{Epoch: l.acked}
		if l.phase == member {
			b.Edges = l.edges
		}
		l.out.frame(RootID, b.Append(nil))
	}
}

// late says what was waited for.
func (l *Leaf) late() string {
	switch l.phase {
	case idle:
		return fmt.Sprintf("no invitation within %v", joinWait)
	case considering:
		return fmt.Sprintf("the invitation was not answered within %v", l.c.JoinTimeout)
	case joining:
		return fmt.Sprintf("the root did not let this leaf in within %v", l.c.JoinTimeout)
	case entering:
		return fmt.Sprintf("the group was not joined within %v", readyWait)
	}
	return fmt.Sprintf("no START within %v of READY", readyWait)
}

// wake notes that time has come to now, as the root does.
func (l *Leaf) wake(now time.Time) {
	if gap := now.Sub(l.last); gap > 2*l.every {
		l.stats.Pauses++
		l.heard = l.heard.Add(gap)
	}
	if now.After(l.last) {
		l.last = now
	}
}
