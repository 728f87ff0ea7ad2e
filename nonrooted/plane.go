package nonrooted

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/session"
)

// sockets are a data plane's. They are open before the session is entered, so
// that nothing is missed for want of a group join.
type sockets struct {
	unicast, group transport.PacketConn
}

func (s *sockets) close() {
	s.unicast.Close()
	if s.group != nil {
		s.group.Close()
	}
}

func (p *Peer) openSockets(ctx context.Context) (*sockets, error) {
	bind, err := localAddr(p.choice.Interface, p.group.Addr.Addr())
	if err != nil {
		return nil, err
	}
	s := &sockets{}
	o := p.c.socketOptions(p.group.Interface)
	if s.unicast, err = p.c.Network.OpenUnicast(ctx, bind, o); err != nil {
		return nil, err
	}
	for _, warning := range s.unicast.Info().Warnings {
		p.log.Warn(warning)
	}
	if !p.c.Role.Receives() {
		return s, nil
	}
	if s.group, err = p.c.Network.OpenGroup(ctx, p.group, o); err != nil {
		s.unicast.Close()
		return nil, err
	}
	return s, nil
}

// plane is the data plane of one session under one member id: its keys, its
// engine, its sockets. Another session, or another id, is another plane.
type plane struct {
	p       *Peer
	id      uint32
	serial  int // of this member's planes
	charter control.Charter
	hash    [32]byte
	ring    *crypto.Ring
	s       *session.Session
	sockets *sockets
	lead    uint32  // whose view it began with
	self    *Member // this member

	// Owned by the loop.
	epoch  *crypto.Epoch // of the last view
	roster []control.Equal
	owed   map[uint32]bool // are counted in for what this member sends
	over   atomic.Bool     // the session goes on without this plane
	gate   sync.RWMutex    // held by Sends; by pause when they are no more
	paused atomic.Bool     // nothing new is sent in it
	open   context.Context // until then: whoever waits to send goes on
	shut   context.CancelFunc

	known atomic.Pointer[map[uint32]*Member] // who is or was in, for what is read late

	turn sync.Mutex // of the change of keys
	ages crypto.Ages
	used uint64 // epoch in use
}

// errEnded ends what is read of a plane that is over.
var errEnded = errors.New("the data plane is over")

// begin makes a plane when its first view is known.
func (p *Peer) begin(e *control.EqualEvent, first *control.EqualEvent) (*plane, error) {
	c := e.Charter
	if err := usable(c, p.group, p.c.Role); err != nil {
		return nil, err
	}
	pl := &plane{p: p, id: e.ID, charter: c, hash: c.Hash(), lead: first.Lead, owed: make(map[uint32]bool), sockets: p.next}
	known := make(map[uint32]*Member)
	pl.known.Store(&known)
	suite := crypto.Suite(c.Params.Suite)
	var err error
	if pl.ring, err = crypto.NewRing(crypto.RingConfig{Suite: suite, Session: c.Session, Self: e.ID, Group: c.Params.Group}); err != nil {
		return nil, err
	}
	engine := p.c.engine(c.Params, e.ID, first.Lead)
	engine.Sealer, engine.Unicast, engine.Group = pl.ring, p.next.unicast, p.next.group
	engine.Keyless, engine.Heard, engine.Notice = true, pl.use, pl.notice
	if pl.s, err = session.New(engine); err != nil {
		pl.ring.Close()
		return nil, err
	}
	p.next = nil
	p.planes++
	pl.open, pl.shut = context.WithCancel(context.Background())
	pl.serial = p.planes
	return pl, nil
}

// viewed takes a view up: who came may be heard, who went is not any more, and
// packets open under the new keys.
func (pl *plane) viewed(e *control.EqualEvent) error {
	next, err := crypto.ParseEpochState(pl.charter.Session, pl.hash, e.State)
	if err != nil {
		return err
	}
	if next.Number() != uint64(e.Number) {
		return fmt.Errorf("view %d comes with the keys of %d", uint64(e.Number), next.Number())
	}
	if next.RosterHash() != crypto.Roster(idsOf(e.Roster)) {
		return fmt.Errorf("the keys of view %d are not for those who are in it", uint64(e.Number))
	}
	if err := pl.ring.Add(next); err != nil {
		return err
	}
	if pl.epoch != nil {
		pl.epoch.Wipe()
	}
	pl.epoch, pl.roster = next, e.Roster
	pl.turn.Lock()
	pl.ages.Add(uint64(e.Number), len(e.Removed) > 0, time.Now())
	pl.turn.Unlock()
	for _, m := range e.Removed {
		pl.dismiss(m.ID)
	}
	for _, m := range e.Added {
		if m.ID != pl.id {
			pl.meet(m)
		} else {
			self := memberOf(m)
			pl.self = &self
		}
	}
	return nil
}

// knownKept is how many who went are remembered by name, for messages of theirs
// that are read late.
const knownKept = 512

// remember adds a member to those whose messages may still be read. It forgets
// who went longest ago, so that coming and going costs no memory.
func (pl *plane) remember(m control.Equal) {
	old := *pl.known.Load()
	known := make(map[uint32]*Member, len(old)+1)
	gone := make([]uint32, 0, len(old))
	for id, k := range old {
		known[id] = k
		if !slices.ContainsFunc(pl.roster, func(e control.Equal) bool { return e.ID == id }) {
			gone = append(gone, id)
		}
	}
	if len(gone) > knownKept {
		slices.Sort(gone)
		for _, id := range gone[:len(gone)-knownKept] {
			delete(known, id)
		}
	}
	member := memberOf(m)
	known[m.ID] = &member
	pl.known.Store(&known)
}

// meet lets a member's packets in.
func (pl *plane) meet(m control.Equal) {
	pl.remember(m)
	if err := pl.ring.Admit(m.ID); err != nil {
		pl.p.log.Warn("a member cannot be heard", "member", m.ID, "cause", err)
		return
	}
	addr := pl.p.wires.zoned(m.Addr)
	pl.s.SetAddress(m.ID, addr)
	if m.Role.Sends() && pl.hears(m.ID) {
		if err := pl.s.AdmitSender(m.ID, addr, nil); err != nil {
			pl.p.log.Warn("a member cannot be heard", "member", m.ID, "cause", err)
		}
	}
}

// hears reports whether that member's data comes here: all of it, or where data
// has a root what the root sends, and to the root everything.
func (pl *plane) hears(id uint32) bool {
	return pl.charter.Params.Plane == planeNonrooted || id == pl.lead || pl.id == pl.lead
}

func (pl *plane) dismiss(id uint32) {
	delete(pl.owed, id)
	pl.s.RemoveMember(id)
	pl.s.ExpelSender(id, nil)
	pl.ring.Expel(id)
}

// use moves on to an epoch that all members have: the coordinator says so, or
// somebody is heard to use it. It is called by the data plane's readers too.
func (pl *plane) use(s *session.Session, epoch uint64) {
	pl.turn.Lock()
	defer pl.turn.Unlock()
	if epoch <= pl.used {
		return
	}
	if s.Cut(func() error { return pl.ring.Activate(epoch) }) != nil {
		return // its keys are still on the way
	}
	pl.used = epoch
	pl.ages.Pass(pl.ring, epoch)
}

// owe counts in for this member's data who is in by now.
func (pl *plane) owe() {
	if !pl.p.c.Role.Sends() {
		return
	}
	for _, m := range pl.roster {
		if m.ID != pl.id && !pl.owed[m.ID] && m.Role.Receives() && pl.hears(m.ID) {
			pl.owed[m.ID] = true
			pl.s.AddPeer(m.ID, pl.p.wires.zoned(m.Addr))
		}
	}
}

// pause lets nothing new into a plane. What waits for room goes on to the next
// session; when pause returns nobody is on the way in.
func (pl *plane) pause() {
	pl.paused.Store(true)
	pl.shut()
	pl.gate.Lock()
	defer pl.gate.Unlock()
	pl.s.Finish()
}

// end stops a plane. What has come can still be read; nothing more comes, and
// what is missing is told as missing.
func (pl *plane) end(why error) {
	if !pl.over.CompareAndSwap(false, true) {
		return
	}
	pl.pause()
	if pl.s.Behindhand() {
		pl.p.broke.Store(true)
	}
	for _, m := range pl.roster {
		if m.ID != pl.id {
			pl.s.RemoveMember(m.ID)
			pl.s.ExpelSender(m.ID, nil)
			pl.ring.Expel(m.ID)
		}
	}
	pl.sockets.close()
	pl.s.EndReceive(why)
}

// close frees it.
func (pl *plane) close() {
	pl.shut()
	pl.s.Close()
	pl.ring.Close()
	if pl.epoch != nil {
		pl.epoch.Wipe()
	}
}

func idsOf(es []control.Equal) []uint32 {
	ids := make([]uint32, len(es))
	for i, e := range es {
		ids[i] = e.ID
	}
	return ids
}
