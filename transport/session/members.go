package session

import (
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// AddMember counts a member in: from the returned edges on it is owed what this
// member sends. addr is its unicast address.
func (s *Session) AddMember(id uint32, addr netip.AddrPort, a flow.Admission) []flow.Edge {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	t.addrs[id] = addr
	if t.sender == nil {
		return nil
	}
	now := time.Now()
	t.flush(now)
	if s.c.Sequencer != 0 {
		a.Needed, a.From = id == s.c.Sequencer, flow.From{}
	}
	edges := t.sender.Admit(now, id, a)
	if s.seq != nil {
		s.seq.counts(now, id, true)
		t.stamp(now, true) // the first that it hears of the order is who is in
	}
	t.push(now)
	t.room.ring() // Sends may have waited for enough members
	t.armSender()
	return edges
}

// Begin lets Send go on though fewer than WaitFor members are here.
func (s *Session) Begin() {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.sender != nil {
		t.sender.Begin()
		t.room.ring()
		if s.seq != nil {
			now := time.Now()
			t.restamp(now)
			t.push(now)
			t.armSender()
		}
	}
}

// Limit holds what this member sends to a rate, see flow.Sender.Limit.
func (s *Session) Limit(rate int64, burst int) {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.sender == nil {
		return
	}
	now := t.tick()
	t.sender.Limit(now, rate, burst)
	t.push(now)
	t.room.ring()
	t.armSender()
}

// Aim says whom this member's data goes to from now on, as Config.To does.
func (s *Session) Aim(to uint32) {
	s.tx.mu.Lock()
	defer s.tx.unlock()
	s.c.To = to
}

// SetAddress tells where a member is that is not counted: one that only sends.
func (s *Session) SetAddress(id uint32, addr netip.AddrPort) {
	s.tx.mu.Lock()
	s.tx.addrs[id] = addr
	s.tx.mu.Unlock()
}

// RemoveMember counts a member out: nothing is owed to it and it holds nobody
// up any more.
func (s *Session) RemoveMember(id uint32) {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	delete(t.addrs, id)
	delete(t.greetings, id)
	delete(t.prover.asked, id)
	if t.sender == nil {
		return
	}
	now := time.Now()
	t.sender.Expel(now, id)
	if s.seq != nil {
		s.seq.counts(now, id, false)
		t.restamp(now)
	}
	t.push(now)
	t.room.ring()
	t.armSender()
}

// Cut closes what is open, sends what may go, and runs activate before anything
// else is sealed: this is how an epoch begins.
func (s *Session) Cut(activate func() error) error {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.sender != nil {
		now := time.Now()
		t.sender.Cut(now)
		t.flush(now)
		t.conclude(now)
	}
	err := activate()
	if err == nil && t.keyless {
		t.keyless, t.retryAt = false, time.Time{}
		t.due.Store(true) // what waited goes now
	}
	return err
}

// Edges tells, per stream, how far this member has written.
func (s *Session) Edges() []flow.Edge {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.sender == nil {
		return nil
	}
	if s.seq != nil { // what has its place is told
		now := time.Now()
		t.stamp(now, true)
		t.push(now)
		t.armSender()
	}
	return t.sender.Edges(nil)
}

// ReplaceGroup takes a new group socket and closes the one before: an interface
// that is deleted and made again loses its memberships without an error.
func (s *Session) ReplaceGroup(conn transport.PacketConn) {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	if s.closed() { // Close took this lock after it said so, and waits for readers
		conn.Close()
		return
	}
	old := s.rx.group
	s.rx.group = conn
	s.startReader(conn, s.c.GroupAddr, true)
	if old != nil {
		old.Close()
	}
}
