package control

import (
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// rekeying is where the session's keys stand.
//
// Two needs, each a value: joiners wait for an epoch (some are admitted), and
// somebody left who knows the newest one (fresh). Joiners are taken in one
// batch at a time: who is admitted while an epoch is asked for or settles waits
// for the next. A departure waits for nobody: it asks for a fresh epoch at once
// and overtakes what is pending. SetEpoch meets a need, so nothing is queued.
type rekeying struct {
	epoch    uint64
	fresh    bool      // a leaver knows the newest epoch
	asked    Kind      // EpochWanted is out and not yet answered; 0: none
	settling bool      // SetEpoch was called, EpochReady is due
	until    time.Time // when it comes even if not all have answered
	freshAt  time.Time // the next fresh epoch no earlier than this: at most 20 a second
	stepAt   time.Time // the next step: joiners of a rush gather, the longer the more leaves must be told
	behind   int       // leaves told the newest epoch that have not acknowledged it
	sets     uint64
}

// pump asks for an epoch if one is needed and may be asked for now.
func (r *Root) pump(now time.Time) {
	k := &r.rekey
	switch {
	case r.closed:
	case k.fresh:
		if k.asked != Fresh && !now.Before(k.freshAt) {
			r.ask(Fresh)
		}
	case r.stepDue() && !now.Before(k.stepAt):
		r.ask(Step)
	}
}

// stepDue reports whether joiners wait and nothing is under way for others.
func (r *Root) stepDue() bool {
	return r.count[admitted] > 0 && r.rekey.asked == 0 && !r.rekey.settling
}

func (r *Root) ask(kind Kind) {
	r.rekey.asked = kind
	r.out.event(Event{Kind: EpochWanted, Fresh: kind == Fresh, Joining: r.in(admitted)})
}

// in lists the connections in state s by id.
func (r *Root) in(s state) []uint32 {
	if r.count[s] == 0 {
		return nil
	}
	ids := make([]uint32, 0, r.count[s])
	for _, c := range r.conns {
		if c.state == s {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// SetEpoch gives the session its next epoch: every leaf that is in must know it
// from here on, and a WELCOME goes to each joiner. How those who are in hear of
// it is the caller's: on the group, by one message for all. ID, Params, Session,
// State, Root and Senders of a Welcome are the caller's; Epoch and what Answer
// was given are filled in. A joiner that is gone is passed over; one that is
// left out is asked for again: Evict whom no WELCOME can be made for. It may be
// called unasked, as when a timer wants a fresh epoch.
func (r *Root) SetEpoch(now time.Time, epoch uint64, kind Kind, welcomes []Welcome) error {
	k := &r.rekey
	switch {
	case r.closed:
		return &transport.Error{Op: "set epoch", Code: transport.WSAENOTCONN}
	case epoch <= k.epoch:
		return invalid("epoch numbers rise")
	case kind != Step && kind != Fresh:
		return invalid("an epoch is a step or fresh")
	}
	for _, w := range welcomes {
		if err := w.check(); err != nil {
			return err
		}
	}
	r.wake(now)
	if !k.settling { // one that overtakes another does not begin the wait anew: a leaver would read on
		k.settling, k.until = true, now.Add(settle)
	}
	k.epoch = epoch
	k.sets++
	k.stepAt = now.Add(min(rekeyGap, time.Duration(len(r.conns))*tellCost))
	r.beats[1] = nil
	if kind == Fresh {
		k.fresh, k.freshAt = false, now.Add(rekeyGap)
	}
	if k.asked == kind || kind == Fresh {
		k.asked = 0
	}
	r.expectAll(now)
	for _, w := range welcomes {
		if c := r.find(w.ID); c != nil && c.state == admitted {
			r.welcome(now, c, w)
		}
	}
	r.settled(now)
	r.pump(now)
	return nil
}

// expectAll has every leaf that is in owe an answer to the newest epoch.
func (r *Root) expectAll(now time.Time) {
	r.rekey.behind = 0
	for _, c := range r.conns {
		if c.state < welcomed {
			continue
		}
		if c.acked == c.told {
			c.toldAt = now
		}
		c.told = r.rekey.epoch
		r.rekey.behind++
		r.due.move(c, r.next(c))
	}
}

// welcome sends c what it needs. Senders beyond what one frame takes before
// admission follow at once.
func (r *Root) welcome(now time.Time, c *conn, w Welcome) {
	w.Role, w.Epoch = c.role, r.rekey.epoch
	w.Callee, w.QoS = c.reply.Callee, c.reply.QoS
	c.reply = Answer{}
	rest := w.Senders[min(len(w.Senders), maxWelcome):]
	w.Senders = w.Senders[:len(w.Senders)-len(rest)]
	r.out.frame(c.id, w.Append(nil))
	for part := range slices.Chunk(rest, MaxSenders) {
		r.out.frame(c.id, Senders{Add: part}.Append(nil))
	}
	c.told, c.first, c.toldAt = w.Epoch, w.Epoch, now
	r.rekey.behind++
	r.enter(now, c, welcomed, readyWait)
}

// acknowledge notes that c holds an epoch. Less than is known tells nothing.
func (r *Root) acknowledge(now time.Time, c *conn, epoch uint64) error {
	if epoch > c.told {
		return FaultValue
	}
	if epoch <= c.acked {
		return nil
	}
	if epoch == r.rekey.epoch {
		r.rekey.behind--
	}
	c.acked, c.toldAt = epoch, now
	r.settled(now)
	return nil
}

// handleReady takes a joiner that has joined the group. One that is late for
// its epoch's EpochReady gets one of its own.
func (r *Root) handleReady(now time.Time, c *conn, frame []byte) error {
	y, err := ParseReady(frame)
	if err != nil {
		return err
	}
	if y.Epoch == 0 || y.Epoch > c.told {
		return FaultValue
	}
	c.udp = y.Addr
	if y.Addr.Addr().IsUnspecified() {
		c.udp = netip.AddrPortFrom(c.addr.Addr(), y.Addr.Port())
	}
	r.enter(now, c, ready, readyWait)
	if !r.rekey.settling {
		r.out.event(Event{Kind: EpochReady, Epoch: r.rekey.epoch, Joining: []uint32{c.id}})
	}
	return r.acknowledge(now, c, y.Epoch)
}

// settled ends the wait for acknowledgements: all are in, or time is up.
func (r *Root) settled(now time.Time) {
	k := &r.rekey
	if !k.settling || k.behind > 0 && now.Before(k.until) {
		return
	}
	k.settling = false
	if k.behind > 0 {
		r.remind()
	}
	r.out.event(Event{Kind: EpochReady, Epoch: k.epoch, Joining: r.in(ready)})
	r.pump(now)
}

// Start counts a ready leaf in: it is owed what is sent from edges on (R244).
// The leaf is a member from here; Joined follows.
func (r *Root) Start(now time.Time, id uint32, edges []Edge) error {
	c := r.find(id)
	if c == nil || c.state != ready {
		return notIn("start")
	}
	if err := checkEdges(edges); err != nil {
		return err
	}
	r.wake(now)
	r.stats.Joined++
	r.out.frame(id, Start{Epoch: r.rekey.epoch, Edges: edges}.Append(nil))
	r.enter(now, c, joined, 0)
	join := c.asked()
	c.join = Join{Role: join.Role} // the rest has done its work
	r.out.event(Event{Kind: Joined, ID: id, Addr: c.udp, Epoch: c.told, Join: join})
	return nil
}

// Senders tells every leaf that is in who may send for the group from now on
// and who may no longer.
func (r *Root) Senders(now time.Time, add []Peer, remove []uint32) error {
	if err := checkPeers(add); err != nil {
		return err
	}
	if slices.Contains(remove, 0) {
		return invalid("a sender's id is not 0")
	}
	r.wake(now)
	for len(add) > 0 || len(remove) > 0 {
		a, d := min(len(add), MaxSenders), min(len(remove), MaxSenders)
		frame := Senders{Add: add[:a], Remove: remove[:d]}.Append(nil)
		add, remove = add[a:], remove[d:]
		for _, c := range r.conns {
			if c.state >= welcomed {
				r.out.frame(c.id, frame)
			}
		}
	}
	return nil
}

func notIn(op string) error {
	return &transport.Error{Op: op, Code: transport.WSAENOTCONN}
}
