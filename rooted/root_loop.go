package rooted

import (
	"context"
	"fmt"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// arrival is a leaf on its way in, as the call that waits for it sees it.
type arrival struct {
	done   chan struct{} // closed once member or err is set
	member *Member
	err    error
	callee []byte
	caller []byte
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

func (r *Root) over(op string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return r.failed
	}
	return errOver(op)
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
	case control.Withdrawn:
		r.ask()
	case control.Accepted:
		r.accepted(e)
	case control.Failed:
		r.failedIn(e)
	case control.EpochWanted:
		r.newEpoch(e)
	case control.EpochReady:
		r.activate(e)
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

func (r *Root) ask() {
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

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
		l.run(func(f []byte) { r.frame(id, f) }, func(c transport.Code) { r.lost(id, c) })
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

func (r *Root) lost(id uint32, c transport.Code) {
	r.do(func(now time.Time, m *control.Root) { m.Lost(now, id, c) })
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
	a.callee = e.Join.Data
	// The leaf was called by its address and has proven itself; an authorizer
	// has the last word all the same, in a goroutine of its own.
	role := r.c.Role
	r.wg.Go(func() {
		err := r.authorize(e.ID, e.Join.Token)
		r.do(func(now time.Time, m *control.Root) {
			if err != nil {
				m.Evict(now, e.ID, transport.WSAEACCES, "not authorized")
				return
			}
			if m.Answer(now, e.ID, control.Answer{Verdict: control.Accept, Role: role}) == nil {
				r.arrive(1)
			}
		})
	})
}

func (r *Root) arrive(n int) {
	r.mu.Lock()
	r.arriving += n
	r.mu.Unlock()
}

// failedIn ends an arrival that does not come in.
func (r *Root) failedIn(e control.Event) {
	r.mu.Lock()
	a := r.pending[e.ID]
	delete(r.pending, e.ID)
	r.arriving = max(0, r.arriving-1)
	r.mu.Unlock()
	r.ring.Unpair(e.ID)
	r.s.RemoveMember(e.ID)
	r.s.ExpelSender(e.ID, nil)
	if a != nil {
		a.err = refused("admit leaf", e.Code, e.Text)
		close(a.done)
	}
}

// joined counts a leaf as a member; the accept or invite call returns.
func (r *Root) joined(e control.Event) {
	m := &Member{r: r, id: e.ID, addr: e.Addr, role: e.Join.Role, done: make(chan struct{})}
	m.inbox.init()
	r.mu.Lock()
	if l := r.links[e.ID]; l != nil {
		m.peer, m.control = l.ch.Peer, l.ch.Peer.AddrPort
	}
	a := r.pending[e.ID]
	delete(r.pending, e.ID)
	r.arriving = max(0, r.arriving-1)
	r.members[e.ID] = m
	if a != nil {
		m.caller, m.callee = a.caller, a.callee
		a.member = m
	}
	r.mu.Unlock()
	r.log.Info("leaf joined", "leaf", e.ID, "address", m.control)
	r.events.add(Event{Kind: Joined, Member: e.ID})
	if a == nil { // the accept call gave up: nobody would ever hold this leaf
		r.machine.Evict(time.Now(), e.ID, transport.WSAECONNABORTED, "the root's accept call was cancelled")
		return
	}
	close(a.done)
}

// left removes a member from the data plane at once; the machine asks for the
// epoch that shuts it out.
func (r *Root) left(e control.Event) {
	r.s.RemoveMember(e.ID)
	r.s.ExpelSender(e.ID, toFlow(e.Edges))
	r.ring.Unpair(e.ID)
	r.ring.Expel(e.ID)
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
		m.end(e)
	}
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

// fatal ends the session: without keys nothing may go on.
func (r *Root) fatal(what string, err error) {
	err = &transport.Error{Op: "rekey", Group: r.group, Code: transport.WSASYSCALLFAILURE, Err: fmt.Errorf("%s: %w", what, err)}
	r.log.Error("the session ends", "cause", err)
	r.mu.Lock()
	if r.failed == nil {
		r.failed = err
	}
	r.mu.Unlock()
	r.s.EndReceive(err)
	r.machine.Close(time.Now(), transport.WSAECONNABORTED, "the root could not make keys")
	time.AfterFunc(linkFarewell, func() { r.cancel(err) })
}

// rtt is the first guess of a leaf's round trip.
func (r *Root) rtt(uint32) time.Duration { return time.Millisecond }

// watch keeps the machine's beats up to date with what was sent.
func (r *Root) watch() {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			edges := toControl(r.s.Edges())
			r.do(func(_ time.Time, m *control.Root) { m.SetEdges(edges) })
		case <-r.ctx.Done():
			return
		}
	}
}

// authorize asks the authorizer about a proven connection; it fails closed.
func (r *Root) authorize(id uint32, token []byte) (err error) {
	if r.c.Authorize == nil {
		return nil
	}
	l := r.link(id)
	if l == nil {
		return errOver("authorize")
	}
	ctx, cancel := context.WithTimeout(r.ctx, authorizeWithin)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("the authorizer panicked: %v", p)
			}
		}()
		done <- r.c.Authorize(ctx, l.ch.Peer, token)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const authorizeWithin = 5 * time.Second
