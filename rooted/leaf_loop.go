package rooted

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

const (
	reachTries = 4
	// hearWithin is how long a leaf waits for the group to be heard before it
	// says that it is ready. Switches and the kernel take some milliseconds to
	// let a group through; where none can be heard at all the join goes on.
	hearWithin = 250 * time.Millisecond
)

func reachPause() time.Duration { return time.Duration(50+rand.IntN(450)) * time.Millisecond }

// cutOff reports whether a handshake ended because the other side let go.
func cutOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE)
}

// out carries out what the machine wants. It runs in the loop.
func (l *Leaf) out(o control.Output) {
	if o.Event.Kind == 0 {
		l.link.send(o.Frame)
		return
	}
	e := o.Event
	switch e.Kind {
	case control.Invited:
		l.invited <- *e.Invite
	case control.Welcomed:
		l.welcomed(e.Welcome)
	case control.Rekeying:
		l.rekey(e.Rekey)
	case control.SendersChanged:
		l.senders(e.Senders.Add, e.Senders.Remove)
	case control.Started:
		l.started(e)
	case control.Chatted:
		l.inbox.add(e.Data)
	case control.Noticed:
		l.noticed(e.Notice)
	case control.Beaten:
		l.follow(e.Epoch)
		l.hearing(e.Edges)
		l.besieged(time.Now())
	case control.Closed:
		l.closed(e)
	}
}

// framesOfRoot counts what the root sent in the data plane.
func (l *Leaf) framesOfRoot() uint64 {
	st, _ := l.s.Heard(control.RootID)
	return st.Frames
}

// welcomed opens the data plane: keys, sockets, the group. The answer to the
// root waits until the group was heard.
func (l *Leaf) welcomed(w *control.Welcome) {
	if err := l.openPlane(w); err != nil {
		l.mu.Lock()
		l.failure = err
		l.mu.Unlock()
		l.log.Warn("the data plane could not be opened", "cause", err)
		l.machine.Leave(time.Now(), transport.CodeOf(err), "the leaf could not open its data plane", nil)
		return
	}
	for _, p := range w.Senders {
		l.meet(p)
	}
	l.wg.Go(l.learn)
	l.wg.Go(func() {
		if DataPlane(l.params.Plane) != RootedData || l.role.Receives() {
			select {
			case <-l.s.HeardGroup():
			case <-time.After(hearWithin):
				l.log.Warn("nothing heard on the group yet; if data does not arrive look at the switch, the firewall and the interface", "group", l.group)
			case <-l.ctx.Done():
				return
			}
		}
		l.do(func(now time.Time, m *control.Leaf) {
			m.Ready(now, control.Ready{Epoch: l.epoch.Number(), Addr: l.s.LocalAddr()})
		})
	})
}

func (l *Leaf) openPlane(w *control.Welcome) (err error) {
	if err := usable(w.Params, w, l.c.Source); err != nil {
		return err
	}
	l.id, l.params, l.session, l.hash = w.ID, w.Params, w.Session, hashOf(w.Params)
	if w.Callee != nil {
		l.callee = w.Callee
	}
	l.qos, l.theirs = w.QoS, w.Role
	if DataPlane(w.Params.Plane) == RootedData {
		l.role = control.Narrow(l.role, w.Role) // the root is all there is to talk to (R192)
	}
	suite := crypto.Suite(w.Params.Suite)
	l.ring, err = crypto.NewRing(crypto.RingConfig{Suite: suite, Session: l.session, Self: l.id, Group: w.Params.Group, Insecure: l.c.Insecure})
	if err != nil {
		return err
	}
	g, err := l.grant(w.State)
	if err != nil {
		return &transport.Error{Op: "join", Code: transport.WSAECONNABORTED, Err: err}
	}
	l.epoch, l.path, l.witness = g.Epoch, g.Path, g.Root
	l.ages.Add(l.epoch.Number(), false, time.Now())
	toLeaf, toRoot, err := crypto.PairKeys(l.link.ch, l.session, l.id)
	if err != nil {
		return err
	}
	l.ring.Pair(control.RootID, toRoot, toLeaf)
	clear(toLeaf[:])
	clear(toRoot[:])
	if err := errors.Join(l.ring.Add(l.epoch), l.ring.Admit(control.RootID)); err != nil {
		return err
	}
	return l.openSockets(w)
}

// openSockets joins the group before the root is told that this leaf is ready.
func (l *Leaf) openSockets(w *control.Welcome) (err error) {
	l.group = transport.Group{Addr: w.Params.Group, Source: w.Params.Source}
	local := addrOf(l.link.ch.LocalAddr())
	if l.choice, err = transport.Choose(l.c.Network, l.c.Interface, l.group.Addr.Addr(), local.Addr()); err != nil {
		return err
	}
	l.group.Interface = l.choice.Interface.Name
	bind, err := localAddr(l.choice.Interface, l.group.Addr.Addr())
	if err != nil {
		return err
	}
	o := l.c.socketOptions(l.group.Interface)
	plane := l.c.plane(l.params, l.id, l.role)
	plane.Sealer, plane.Heard, plane.Keys, plane.View = l.ring, l.use, l.hear, viewed(&l.events)
	if err := l.verify(&plane); err != nil {
		return err
	}
	if plane.Unicast, err = l.c.Network.OpenUnicast(l.ctx, bind, o); err != nil {
		return err
	}
	if l.role.Receives() || DataPlane(l.params.Plane) != RootedData {
		if plane.Group, err = l.c.Network.OpenGroup(l.ctx, l.group, o); err != nil {
			plane.Unicast.Close()
			return err
		}
	}
	for _, warning := range plane.Unicast.Info().Warnings {
		l.log.Warn(warning)
	}
	if w.Params.Second.IsValid() {
		second, err := l.c.secondPath(l.ctx, w.Params.Second, plane.Group != nil, DataPlane(l.params.Plane) != RootedData && l.role.Sends())
		if err != nil {
			l.log.Warn("the second path cannot be used; going on with one", "group", w.Params.Second, "cause", err)
		}
		second.apply(&plane)
	}
	l.root = w.Root
	if l.root.Addr().IsUnspecified() {
		l.root = netip.AddrPortFrom(l.link.ch.Peer.AddrPort.Addr().Unmap(), w.Root.Port())
	}
	s, err := session.New(plane)
	if err != nil {
		closeAll(plane.Unicast, plane.Group, plane.SecondGroup, plane.SecondUnicast)
		return err
	}
	l.s = s
	for _, p := range w.Senders {
		if p.Root {
			l.top.set(p)
		}
	}
	if !l.hears(control.RootID) {
		return nil
	}
	return s.AdmitSender(control.RootID, l.root, nil)
}

// senders takes news of the other members, where data has no root.
func (l *Leaf) senders(add []control.Peer, remove []uint32) {
	for _, p := range add {
		l.meet(p)
	}
	for _, id := range remove {
		if _, ok := l.peers[id]; !ok {
			continue
		}
		l.unreached(id)
		delete(l.peers, id)
		l.s.RemoveMember(id)
		l.s.ExpelSender(id, nil)
		l.ring.Expel(id)
		if !l.params.Ordered {
			l.events.add(Event{Kind: SenderLeft, Member: id})
		}
	}
}

// meet takes up another member: it is owed what this one sends from now on,
// and is told from where; what it sends is held until it said the same.
func (l *Leaf) meet(p control.Peer) {
	if p.ID == l.id || p.ID == control.RootID {
		return
	}
	l.peers[p.ID] = p
	l.reached(p)
	if !l.hears(p.ID) {
		return
	}
	if err := l.ring.Admit(p.ID); err != nil {
		l.log.Warn("a member cannot be heard", "member", p.ID, "cause", err)
		l.s.ExpelSender(p.ID, nil) // nothing of it is waited for
		return
	}
	l.s.SetAddress(p.ID, p.Addr)
	if p.Role.Sends() {
		if err := l.s.AdmitSender(p.ID, p.Addr, nil); err != nil {
			l.log.Warn("a member cannot be heard", "member", p.ID, "cause", err)
			l.s.ExpelSender(p.ID, nil)
		}
	}
	if l.sealing.Load() != 0 {
		l.owe(p)
	}
	if !l.params.Ordered { // else the order says when
		l.events.add(Event{Kind: SenderJoined, Member: p.ID})
	}
}

// owe counts a member in for this one's data. It needs a key to seal with, so
// those met on the way in are counted when the membership begins.
func (l *Leaf) owe(p control.Peer) {
	if l.role.Sends() && p.Role.Receives() && l.hears(p.ID) {
		l.s.AddPeer(p.ID, p.Addr)
	}
}

// started is the moment from which everything is owed to this leaf.
func (l *Leaf) started(e control.Event) {
	l.use(l.s, min(e.Epoch, l.epoch.Number())) // it may have missed that one
	if l.role.Sends() && l.hears(control.RootID) {
		l.s.AddMember(control.RootID, l.root, flow.Admission{RTT: time.Millisecond})
	}
	for _, p := range l.peers {
		l.owe(p)
	}
	if l.hears(control.RootID) {
		if err := l.s.AdmitSender(control.RootID, l.root, toFlow(e.Edges)); err != nil {
			l.mu.Lock()
			l.failure = err
			l.mu.Unlock()
		}
	}
	l.log.Info("joined", "member", l.id, "group", l.group, "interface", l.choice)
	l.mu.Lock()
	l.member = true
	l.mu.Unlock()
	l.bound()
	close(l.entered)
}

// silence watches for a group that is not heard though the root sends.
type silence struct {
	beats int
	last  uint64 // packets heard
	sent  uint64 // what the root had written, over all streams
}

// hearing compares what the root says that it sent with what was heard. Three
// beats without a packet: the membership is taken anew, since an interface that
// was deleted and made again, or a switch that forgot, says nothing (F-1, F-8).
func (l *Leaf) hearing(edges []control.Edge) {
	if l.s == nil || !l.role.Receives() || DataPlane(l.params.Plane) == LeafRootedData {
		return
	}
	heard, sent := l.s.GroupPackets(), uint64(0)
	for _, e := range edges {
		sent += e.Seq
	}
	// What comes by unicast, such as a repair or the word to go on, tells of the
	// group's data without the group: new data counts as well as what lacks.
	owed := sent != l.silent.sent || l.s.Behind(control.RootID, toFlow(edges))
	l.silent.sent = sent
	if heard != l.silent.last {
		l.silent.last, l.silent.beats = heard, 0
		return
	}
	if !owed {
		return
	}
	if l.silent.beats++; l.silent.beats%3 != 0 {
		return
	}
	l.events.add(Event{Kind: GroupSilent, Text: "the root has sent, and nothing was heard on the group"})
	l.log.Warn("nothing is heard on the group though the root sends: joining it again", "group", l.group)
	l.wg.Go(l.rejoin)
}

func (l *Leaf) rejoin() {
	ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
	defer cancel()
	l.s.LeaveGroup() // or the kernel would have nothing to report
	conn, err := l.c.Network.OpenGroup(ctx, l.group, l.c.socketOptions(l.group.Interface))
	if err != nil {
		l.log.Warn("the group cannot be joined again", "group", l.group, "cause", err)
		return
	}
	l.s.ReplaceGroup(conn)
}
