package rooted

import (
	"fmt"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// arrival is a leaf on its way in, as the call that waits for it sees it.
type arrival struct {
	done   chan struct{} // closed once member or err is set
	member *Member
	err    error
	callee []byte
	caller []byte
	tag    bool // the condition's, see Request.Tag
	qos    []byte
	until  time.Time
	token  control.Secret        // both the authorizer's
	root   func(qos []byte) bool // Invitation.DataRoot
}

// run is the root's one loop: it owns the machine.
func (r *Root) run() {
	defer close(r.loop)
	control.Run(r.ctx, r.machine, r.in, r.out)
}

// do runs f in the loop and waits for it. It fails once the root is over.
func (r *Root) do(f func(time.Time, *control.Root)) error {
	done := make(chan struct{})
	select {
	case r.in <- func(now time.Time, m *control.Root) { f(now, m); close(done) }:
		<-done
		return nil
	case <-r.loop:
		return r.over("use session")
	}
}

// over is what calls say once the root has ended: why it ended by itself, or
// that it was closed.
func (r *Root) over(op string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return r.failed
	}
	return errOver(op)
}

func (r *Root) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// unlessOver is err, or, where the session's end has caused it, that.
func (r *Root) unlessOver(op string, err error) error {
	if err != nil && r.isOver() {
		return r.over(op)
	}
	return err
}

// out carries out what the machine wants. It runs in the loop.
func (r *Root) out(o control.Output) {
	if o.Event.Kind == 0 {
		if l := r.link(o.To); l != nil {
			l.send(o.Frame)
		}
		return
	}
	e := o.Event
	switch e.Kind {
	case control.Requested:
		r.events.add(Event{Kind: Requested, Member: e.ID})
		r.ask()
		r.c.tellWaiting()
	case control.Withdrawn:
		r.ask()
	case control.Accepted:
		r.accepted(e)
	case control.Failed:
		r.failedIn(e)
	case control.EpochWanted:
		r.newEpoch(e.Joining, e.Fresh)
	case control.EpochReady:
		r.activate(e)
	case control.Lagging:
		r.grant(time.Now(), e.ID)
	case control.Joined:
		r.joined(e)
	case control.Left:
		r.left(e)
	case control.Chatted:
		if m := r.member(e.ID); m != nil {
			m.inbox.add(e.Data)
		}
	case control.Hangup:
		r.hangup(e.ID)
	}
}

// ask wakes an Accept.
func (r *Root) ask() { ring(r.asked) }

func (r *Root) link(id uint32) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.links[id]
}

func (r *Root) member(id uint32) *Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[id]
}

// adopt puts a proven connection under the machine, with a new id.
func (r *Root) adopt(ch *crypto.Channel) (uint32, error) {
	var id uint32
	var opened error
	err := r.do(func(now time.Time, m *control.Root) {
		r.mu.Lock()
		r.lastID++
		id = r.lastID
		l := newLink(ch)
		r.links[id] = l
		r.mu.Unlock()
		if opened = m.Open(now, id, ch.Peer.AddrPort); opened != nil {
			r.mu.Lock()
			delete(r.links, id)
			r.mu.Unlock()
			return
		}
		l.run(func(f []byte) { r.frame(id, f) }, func(err error) { r.lost(id, err) })
	})
	if err == nil {
		err = opened
	}
	if err != nil {
		ch.NetConn().Close()
	}
	return id, err
}

func (r *Root) frame(id uint32, f []byte) {
	r.do(func(now time.Time, m *control.Root) { m.Handle(now, id, f) })
}

func (r *Root) lost(id uint32, err error) {
	code, fault := lostCode(err)
	if l := r.link(id); l != nil && l.stuck.Load() {
		r.stuck.Add(1)
	}
	r.do(func(now time.Time, m *control.Root) {
		if fault != 0 {
			m.Unreadable(now, id, fault)
			return
		}
		m.Lost(now, id, code)
	})
}

// accepted takes an invited leaf's yes.
func (r *Root) accepted(e control.Event) {
	now := time.Now()
	r.mu.Lock()
	a := r.pending[e.ID]
	r.mu.Unlock()
	if a == nil {
		r.machine.Evict(now, e.ID, transport.WSAECONNABORTED, "the invitation was withdrawn")
		return
	}
	a.callee, a.qos = e.Join.Data, e.Join.QoS
	if a.root != nil && a.root(a.qos) && !r.claim(e.ID) {
		r.machine.Evict(now, e.ID, transport.WSAECONNREFUSED, secondDataRoot)
		return
	}
	// The leaf was called by its address and has proven itself; an authorizer
	// has the last word all the same, in a goroutine of its own.
	r.wg.Go(func() {
		until, err := r.authorize(r.ctx, e.ID, e.Join.Token)
		r.do(func(now time.Time, m *control.Root) {
			if err != nil {
				m.Evict(now, e.ID, transport.WSAEACCES, "not authorized")
				return
			}
			a.until, a.token = until, e.Join.Token
			r.expect(e.ID)
			if m.Answer(now, e.ID, control.Answer{Verdict: control.Accept, Role: r.c.Role, QoS: e.Join.QoS}) != nil {
				r.gone(e.ID)
				r.unreached(e.ID)
			}
		})
	})
}

// expect notes that a leaf is on its way in and listens for the group.
func (r *Root) expect(id uint32) {
	r.mu.Lock()
	r.arriving[id] = struct{}{}
	r.mu.Unlock()
}

// gone ends an arrival, however it ended, and returns the call that waits.
func (r *Root) gone(id uint32) *arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.pending[id]
	delete(r.pending, id)
	delete(r.arriving, id)
	return a
}

// failedIn ends an arrival that does not come in.
func (r *Root) failedIn(e control.Event) {
	a := r.gone(e.ID)
	r.unreached(e.ID)
	r.tree.Remove(e.ID)
	r.ring.Unpair(e.ID)
	r.ring.Expel(e.ID)
	r.s.RemoveMember(e.ID)
	r.s.ExpelSender(e.ID, nil)
	if a != nil {
		a.err = r.unlessOver("admit leaf", refused("admit leaf", e.Code, e.Text))
		close(a.done)
	}
}

// joined counts a leaf as a member; the accept or invite call returns.
func (r *Root) joined(e control.Event) {
	m := &Member{r: r, id: e.ID, addr: e.Addr, role: r.roleOf(e.ID, e.Join.Role), done: make(chan struct{}), out: make(chan struct{})}
	m.inbox.init()
	a := r.gone(e.ID)
	if a != nil {
		m.caller, m.callee, m.qos = a.caller, a.callee, a.qos
	}
	r.mu.Lock()
	if l := r.links[e.ID]; l != nil {
		m.peer, m.control = l.ch.Peer, l.ch.Peer.AddrPort
	}
	if a != nil {
		m.token = a.token
		r.settle(m, r.stayOf(time.Now(), m.peer, a.until))
	}
	r.members[e.ID] = m
	r.mu.Unlock()
	r.log.Info("leaf joined", "leaf", e.ID, "address", m.control)
	r.events.add(Event{Kind: Joined, Member: e.ID})
	if a == nil { // the accept call gave up: nobody would ever hold this leaf
		r.machine.Evict(time.Now(), e.ID, transport.WSAECONNABORTED, "the root's accept call was cancelled")
		return
	}
	a.member = m
	close(a.done)
}

// left removes a member from the data plane at once; the machine asks for the
// epoch that shuts it out.
func (r *Root) left(e control.Event) {
	r.unreached(e.ID)
	r.tree.Remove(e.ID)
	r.s.RemoveMember(e.ID)
	edges := toFlow(e.Edges)
	if e.Code == 0 && !e.Own && r.s.Behind(e.ID, edges) {
		r.wg.Go(func() {
			linger(r.ctx, r.s, e.ID, edges)
			r.deafTo(e.ID, edges)
		})
	} else {
		r.deafTo(e.ID, edges)
	}
	if _, ok := r.peers[e.ID]; ok {
		delete(r.peers, e.ID)
		r.machine.Senders(time.Now(), nil, []uint32{e.ID})
	}
	r.mu.Lock()
	m := r.members[e.ID]
	delete(r.members, e.ID)
	r.mu.Unlock()
	r.log.Info("leaf left", "leaf", e.ID, "code", int(e.Code), "why", e.Text)
	r.events.add(Event{Kind: Left, Member: e.ID, Code: e.Code, Text: e.Text})
	if m != nil {
		r.leavers = append(r.leavers, m)
		m.end(e)
	}
}

// deafTo hears no more from who left; what did not come, up to edges, is told
// as missed.
func (r *Root) deafTo(id uint32, edges []flow.Edge) {
	r.s.ExpelSender(id, edges)
	r.ring.Unpair(id)
	r.ring.Expel(id)
}

func (r *Root) hangup(id uint32) {
	r.mu.Lock()
	l := r.links[id]
	delete(r.links, id)
	r.mu.Unlock()
	if l != nil {
		l.close()
		r.wg.Go(func() { <-l.done })
	}
}

// fatal ends the session: without keys nothing may go on. What is left is for
// Close to free.
func (r *Root) fatal(what string, err error) {
	err = &transport.Error{Op: "rekey", Group: r.group, Code: transport.WSASYSCALLFAILURE, Err: fmt.Errorf("%s: %w", what, err)}
	r.log.Error("the session ends", "cause", err)
	r.mu.Lock()
	if r.failed == nil && !r.ended {
		r.failed = err
	}
	r.ended = true
	r.mu.Unlock()
	r.listener.Close()
	r.s.EndReceive(err)
	r.machine.Close(time.Now(), transport.WSAECONNABORTED, "the root could not make keys")
	r.cancel(err) // the loop ends when the machine's last words are with the links
}

// watch keeps the machine's beats up to date with what was sent, the keys young,
// and nobody in beyond its time.
func (r *Root) watch() {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			edges := toControl(r.s.Edges())
			r.do(func(now time.Time, m *control.Root) {
				m.SetEdges(edges)
				r.renew(now)
				r.expire(now)
				r.besieged(now)
			})
		case <-r.ctx.Done():
			return
		}
	}
}
