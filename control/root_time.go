package control

import (
	"fmt"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// NextTimeout is when Advance is next needed; zero: nothing is armed.
func (r *Root) NextTimeout() time.Time {
	var t time.Time
	if c := r.due.first(); c != nil {
		t = c.due
	}
	if r.closed {
		return t
	}
	k := &r.rekey
	if k.settling {
		t = earlier(t, k.until)
	}
	if k.fresh && k.asked != Fresh {
		t = earlier(t, k.freshAt)
	}
	if !k.fresh && r.stepDue() {
		t = earlier(t, k.stepAt)
	}
	return t
}

// Advance lets time-outs happen and beats be sent.
func (r *Root) Advance(now time.Time) {
	r.wake(now)
	for c := r.due.first(); c != nil && !c.due.After(now); c = r.due.first() {
		if t := r.next(c); t.After(now) {
			r.due.move(c, t)
			continue
		}
		r.expire(now, c)
	}
	r.settled(now)
	r.pump(now)
}

// next is when c needs attention.
func (r *Root) next(c *conn) time.Time {
	t := earlier(c.beat, c.wait)
	t = earlier(t, c.heard.Add(r.c.Silence))
	if c.acked < c.told {
		t = earlier(t, c.toldAt.Add(ackWait))
	}
	return t
}

// expire does what c is due for.
func (r *Root) expire(now time.Time, c *conn) {
	past := func(t time.Time) bool { return !t.After(now) }
	if r.c.Data != nil && c.state == joined && past(c.heard.Add(r.c.Silence)) {
		c.heard = later(c.heard, r.c.Data(c.id))
	}
	switch {
	case !c.wait.IsZero() && past(c.wait):
		r.end(now, c, ending{by: machine, code: transport.WSAETIMEDOUT, text: r.late(c)})
	case past(c.heard.Add(r.c.Silence)):
		r.stats.Silent++
		e := ending{by: machine, code: transport.WSAECONNABORTED, text: fmt.Sprintf("nothing heard for %v", r.c.Silence)}
		if c.state < joined {
			e.code = transport.WSAETIMEDOUT // a join that meets silence (R63)
		}
		r.end(now, c, e)
	case c.acked < c.told && past(c.toldAt.Add(ackWait)):
		r.end(now, c, ending{by: machine, code: transport.WSAECONNABORTED, text: fmt.Sprintf("epoch %d not taken up within %v", c.told, ackWait)})
	default:
		c.beat = now.Add(r.every)
		r.out.frame(c.id, r.beatFor(c))
		r.due.move(c, r.next(c))
	}
}

// late says what c was waited for.
func (r *Root) late(c *conn) string {
	switch c.state {
	case proven:
		return fmt.Sprintf("no JOIN within %v", joinWait)
	case inviting:
		return fmt.Sprintf("the invitation was not answered within %v", r.c.RequestTimeout)
	case queued:
		return fmt.Sprintf("the request was not answered within %v", r.c.RequestTimeout)
	case welcomed:
		return fmt.Sprintf("no READY within %v", readyWait)
	}
	return fmt.Sprintf("not let in within %v of being accepted", readyWait)
}

// beatFor returns the BEAT for c. Who is not in learns nothing but that the
// root lives.
func (r *Root) beatFor(c *conn) []byte {
	i, b := 0, Beat{}
	if c.state >= welcomed {
		i, b = 1, Beat{r.rekey.epoch, r.edges}
	}
	if r.beats[i] == nil {
		r.beats[i] = b.Append(nil)
	}
	return r.beats[i]
}

// wake notes that time has come to now. When this side slept through two beats
// or more, the others' silence is its own: what they said meanwhile waits in
// the sockets' buffers, so nobody is condemned for it.
func (r *Root) wake(now time.Time) {
	if gap := now.Sub(r.last); gap > 2*r.every && len(r.conns) > 0 && !r.last.IsZero() {
		r.stats.Pauses++
		for _, c := range r.conns {
			c.heard = c.heard.Add(gap) // no later than now: it was no later than last
		}
	}
	if now.After(r.last) {
		r.last = now
	}
}
