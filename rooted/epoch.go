package rooted

import (
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// The probes that joiners listen for: a switch that snoops lets a group through
// only some milliseconds after the join, and the kernel's report is late too.
const (
	probeEvery = 5 * time.Millisecond
	probeTimes = 60
)

// newEpoch makes the next keys of all that came and went since the last ones, or,
// fresh, for a timer; it tells them to the members and has a WELCOME for each
// joiner. It runs in the loop.
func (r *Root) newEpoch(joining []uint32, fresh bool) {
	if r.isOver() {
		return
	}
	now := time.Now()
	joining = slices.DeleteFunc(slices.Clone(joining), func(id uint32) bool {
		err := r.seat(id)
		if err != nil {
			r.machine.Evict(now, id, transport.WSAENOBUFS, err.Error())
		}
		return err != nil
	})
	commit, err := r.tree.Commit(r.epoch, crypto.Roster(r.senders(joining)), fresh)
	if err != nil {
		r.fatal("make a new epoch", err)
		return
	}
	next := commit.Epoch
	r.ages.MakeRoom(r.ring, r.active)
	if err := r.ring.Add(next); err != nil {
		r.fatal("take up a new epoch", err)
		return
	}
	r.epoch.Wipe()
	r.epoch = next
	kind := control.Step
	if commit.Fresh {
		kind, r.freshAt = control.Fresh, now
		r.shutOut(next.Number())
	}
	r.ages.Add(next.Number(), commit.Fresh, now)
	welcomes := make([]control.Welcome, 0, len(joining))
	for _, id := range joining {
		welcomes = append(welcomes, r.welcome(id))
	}
	deaf := r.machine.Deaf(r.active, r.nonrooted())
	if err := r.machine.SetEpoch(now, next.Number(), kind, welcomes); err != nil {
		r.fatal("tell a new epoch", err)
		return
	}
	for _, id := range deaf {
		r.grant(now, id)
	}
	if r.tree.Members() > len(joining)+len(deaf) {
		r.tellRekey(next.Number(), commit.Parts)
	}
	if len(welcomes) > 0 {
		r.probe(probeTimes)
	}
}

// seat puts a joiner's keys where they are needed: those that are the pair's
// alone, and its leaf of the key tree, with the next commit.
func (r *Root) seat(id uint32) error {
	l := r.link(id)
	if l == nil {
		return errOver("welcome leaf")
	}
	toLeaf, toRoot, err := crypto.PairKeys(l.ch, r.session, id)
	if err != nil {
		return err
	}
	defer clear(toLeaf[:])
	defer clear(toRoot[:])
	kek, err := crypto.LeafKey(l.ch, r.session, id)
	if err != nil {
		return err
	}
	defer clear(kek[:])
	if err := r.tree.Add(id, kek); err != nil {
		return err
	}
	r.ring.Pair(id, toLeaf, toRoot)
	return nil
}

// welcome is what a joiner must know.
func (r *Root) welcome(id uint32) control.Welcome {
	w := control.Welcome{
		ID: id, Params: r.params, Session: r.session, State: r.state(id), Root: r.data.LocalAddr(),
	}
	if r.isTop(id) { // so it learns that it is
		w.Senders = append(w.Senders, control.Peer{ID: id, Root: true})
	}
	if r.nonrooted() {
		for _, m := range r.peers {
			w.Senders = append(w.Senders, m)
		}
	}
	return w
}

// senders are the ids that the roster hash covers: the root, and in a nonrooted
// data plane every member.
func (r *Root) senders(joining []uint32) []uint32 {
	ids := []uint32{control.RootID}
	if r.nonrooted() {
		for id := range r.peers {
			ids = append(ids, id)
		}
		ids = append(ids, joining...)
	}
	return ids
}

// probe lets joiners hear the group until they are ready.
func (r *Root) probe(times int) {
	if times == 0 || r.ctx.Err() != nil {
		return
	}
	r.s.Probe()
	r.later.do(probeEvery, func() {
		r.mu.Lock()
		wanted := len(r.arriving) > 0
		r.mu.Unlock()
		if wanted {
			r.probe(times - 1)
		}
	})
}

// activate answers EpochReady: nothing is sealed under the epoch before any
// more, and who is ready is owed all that follows.
func (r *Root) activate(e control.Event) {
	if e.Epoch != r.active {
		if err := r.s.Cut(func() error { return r.ring.Activate(e.Epoch) }); err != nil {
			r.fatal("seal under a new epoch", err)
			return
		}
		r.inUse.Store(e.Epoch)
		r.tellUsed(e.Epoch, r.active)
		r.active = e.Epoch
		r.ages.Pass(r.ring, e.Epoch)
		r.leaversOut()
		r.events.add(Event{Kind: Rekeyed, Epoch: e.Epoch})
		r.log.Info("epoch", "number", e.Epoch)
	}
	now := time.Now()
	for _, id := range e.Joining {
		r.count(now, id)
	}
}

// shutOut notes which epoch is the first that the leavers so far do not know.
func (r *Root) shutOut(epoch uint64) {
	for _, m := range r.leavers {
		if m.outAt == 0 {
			m.outAt = epoch
		}
	}
}

// leaversOut lets Evict return where the keys in use are others by now.
func (r *Root) leaversOut() {
	r.leavers = slices.DeleteFunc(r.leavers, func(m *Member) bool {
		gone := m.outAt != 0 && m.outAt <= r.active
		if gone {
			close(m.out)
		}
		return gone
	})
}

// count lets a ready leaf in: from here it is owed everything (R244).
func (r *Root) count(now time.Time, id uint32) {
	info, ok := r.machine.Leaf(id)
	if !ok || !info.Ready {
		return
	}
	addr := unicastOf(info)
	var edges []flow.Edge
	if info.Role.Sends() && info.Join.Role.Receives() && r.hears(id) {
		edges = r.s.AddMember(id, addr, r.admission(id, info))
	} else {
		r.s.SetAddress(id, addr)
		edges = r.s.Edges()
	}
	if r.roleOf(id, info.Join.Role).Sends() && r.hears(id) {
		if r.nonrooted() {
			if err := r.ring.Admit(id); err != nil {
				r.machine.Evict(now, id, transport.WSAENOBUFS, err.Error())
				return
			}
		}
		if err := r.s.AdmitSender(id, addr, r.zero()); err != nil {
			r.machine.Evict(now, id, transport.WSAENOBUFS, err.Error())
			return
		}
	}
	if err := r.machine.Start(now, id, toControl(edges)); err != nil {
		r.log.Warn("a leaf could not be started", "leaf", id, "cause", err)
	}
	if r.nonrooted() {
		p := control.Peer{ID: id, Addr: addr, Role: info.Join.Role, Root: r.isTop(id)}
		r.reached(p)
		r.peers[id] = p
		if err := r.machine.Senders(now, []control.Peer{p}, nil); err != nil {
			r.log.Warn("members could not be told of a joiner", "leaf", id, "cause", err)
		}
	}
}

// zero are the edges of a sender that has sent nothing yet.
func (r *Root) zero() []flow.Edge {
	edges := make([]flow.Edge, len(r.c.Streams))
	for i := range edges {
		edges[i].Stream = flow.Stream(i)
	}
	return edges
}

// unicastOf is where a leaf hears unicast: the port it told, at the address it
// is connected from, so that no leaf can aim the root at somebody else. Only a
// group of the other family needs the address that it told.
func unicastOf(i control.LeafInfo) netip.AddrPort {
	from, told := i.Addr.Addr().Unmap(), i.UDP.Addr().Unmap()
	if told.IsUnspecified() || told.Is4() == from.Is4() {
		return netip.AddrPortFrom(from, i.UDP.Port())
	}
	return i.UDP
}

func toControl(edges []flow.Edge) []control.Edge {
	out := make([]control.Edge, len(edges))
	for i, e := range edges {
		out[i] = control.Edge(e)
	}
	return out
}

func toFlow(edges []control.Edge) []flow.Edge {
	out := make([]flow.Edge, len(edges))
	for i, e := range edges {
		out[i] = flow.Edge(e)
	}
	return out
}
