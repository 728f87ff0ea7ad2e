package control

import (
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// who ends a connection: the other side, which needs no farewell; the machine,
// for a time-out or a fault; or the application of this side.
type who uint8

const (
	peer who = iota
	machine
	application
)

// ending is why a connection ends.
type ending struct {
	by    who
	code  transport.Code
	text  string
	edges []Edge
}

// end ends a connection: one farewell unless the other side spoke last, the
// event that its state calls for, Hangup, and nothing after that.
func (r *Root) end(now time.Time, c *conn, e ending) {
	if e.by != peer {
		r.farewell(c, e)
	}
	was := c.state
	r.forget(c)
	ev := Event{ID: c.id, Code: e.code, Text: e.text, Own: e.by == application}
	switch was {
	case queued:
		r.withdraw(c, e, ev)
	case inviting, accepted, admitted, welcomed, ready:
		ev.Kind = Failed
		if ev.Code == 0 {
			ev.Code = transport.WSAECONNRESET // left in good order, but before it was in
			if was == inviting {
				ev.Code = transport.WSAECONNREFUSED
			}
		}
		r.out.event(ev)
	case joined:
		r.stats.Left++
		ev.Kind, ev.Edges = Left, e.edges
		r.out.event(ev)
	}
	r.out.event(Event{Kind: Hangup, ID: c.id})
	if was >= welcomed {
		r.departed(now, c)
	}
}

// farewell tells the other side: REFUSE before WELCOME, BYE after.
func (r *Root) farewell(c *conn, e ending) {
	if c.state < welcomed {
		r.out.frame(c.id, Refuse{e.code, e.text}.Append(nil))
		return
	}
	r.out.frame(c.id, Bye{e.code, e.text, r.edges}.Append(nil))
}

func (r *Root) forget(c *conn) {
	i := slices.Index(r.conns, c)
	r.conns = slices.Delete(r.conns, i, i+1)
	r.count[c.state]--
	r.due.remove(c)
}

// withdraw takes a request out of the queue. What the application decided
// leaves no trace; else the accept call it was meant for must learn (R163).
func (r *Root) withdraw(c *conn, e ending, ev Event) {
	if e.by == application {
		if w := r.backlog.find(c.id); w != nil {
			r.backlog.remove(w)
		}
		return
	}
	r.stats.Withdrawn++
	ev.Kind = Withdrawn
	ev.Shown, ev.Code = r.backlog.bury(c.id)
	r.out.event(ev)
}

// departed has the keys changed: the leaver knows the newest epoch, whether it
// was a member yet or had only been sent WELCOME. That holds for the last leaf
// too: the next joiner's step would start from what the leaver knows.
func (r *Root) departed(now time.Time, c *conn) {
	r.rekey.fresh = true
	if c.acked < r.rekey.epoch {
		r.rekey.behind--
	}
	r.pump(now)
	r.settled(now)
}

// Lost reports that connection id broke: WSAECONNRESET for a reset or an end
// without BYE, which code 0 stands for (R225).
func (r *Root) Lost(now time.Time, id uint32, code transport.Code) {
	c := r.find(id)
	if c == nil {
		return
	}
	r.wake(now)
	if code == 0 {
		code = transport.WSAECONNRESET
	}
	r.end(now, c, ending{by: peer, code: code, text: "control connection lost"})
}

// Evict ends connection id, in whatever state: a member is expelled, an
// invitation cancelled (R160), a request refused.
func (r *Root) Evict(now time.Time, id uint32, code transport.Code, text string) error {
	c := r.find(id)
	if c == nil {
		return notIn("evict")
	}
	r.wake(now)
	r.end(now, c, ending{by: application, code: code, text: text})
	return nil
}

// Close ends the session: BYE with code and text to all that are in (R216,
// R217), a refusal to all that wait or are invited (R226) and to all that come
// later (R219).
func (r *Root) Close(now time.Time, code transport.Code, text string) {
	if r.closed {
		return
	}
	r.wake(now)
	r.closed = true
	r.rekey.settling = false
	for _, c := range slices.Clone(r.conns) {
		e := ending{by: application, code: code, text: text}
		if c.state < welcomed {
			e.code = transport.WSAECONNREFUSED
		}
		r.end(now, c, e)
	}
	r.backlog.list = nil
}
