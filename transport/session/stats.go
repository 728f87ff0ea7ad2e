package session

import (
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// Stats is a snapshot of both directions.
type Stats struct {
	// PacketsSent, BytesSent and Batches count what the system took: sealed
	// packets, their bytes, the calls they took. Refused counts batches that it
	// did not take: they were sent again or, where the next ones were sealed
	// already, are lost like packets on the way.
	PacketsSent, BytesSent, Batches, Refused uint64
	// Manifests counts, of these packets, those that prove the others.
	Manifests uint64
	// PacketsHeard is every packet that reached a socket of this member; Drops
	// says, by reason, which of them were not handed on.
	PacketsHeard uint64
	Drops        [NumDrops]uint64
	// FeedbackUnsent counts feedback frames, ReadErrors socket reads, that the
	// system refused.
	FeedbackUnsent, ReadErrors uint64
	// Sender is the sending machine's account, Receivers the sum of all the
	// receiving machines', those that left included.
	Sender    flow.SenderStats
	Receivers flow.ReceiverStats
	// BuffersHeld is the receive memory in use, in bytes.
	BuffersHeld int
	// Order is the account of a total order; zero without one.
	Order OrderStats
	// Paths tells of the group's packets by path; without a second one the other
	// is zero.
	Paths [2]PathStats
	// Unicast and Group are what the system granted the sockets.
	Unicast, Group transport.SocketInfo
}

// PathStats is one path's account, in packets.
type PathStats struct {
	Sent, Refused uint64 // by the system
	Heard         uint64
	Again         uint64 // of these, ones that the other path had brought
}

// Dropped is the number of packets dropped for that reason.
func (s Stats) Dropped(d Drop) uint64 { return s.Drops[d] }

// Stats returns a snapshot.
func (s *Session) Stats() Stats {
	var st Stats
	t := &s.tx
	t.mu.Lock()
	st.PacketsSent, st.BytesSent, st.Batches, st.Refused = t.counts.packets, t.counts.bytes, t.counts.batches, t.counts.failed+s.wr.pipe.lost.Load()
	st.Manifests = t.counts.manifests
	if t.sender != nil {
		st.Sender = t.sender.Stats()
	}
	st.Drops = t.drops
	paths := s.wr.counts()
	t.unlock()
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	st.PacketsHeard = x.packets
	for i, n := range x.drops {
		st.Drops[i] += n
	}
	for i, p := range x.paths {
		st.Paths[i] = PathStats{Sent: paths[i].Sent, Refused: paths[i].Refused, Heard: p.Heard, Again: p.Again}
	}
	st.FeedbackUnsent, st.ReadErrors = x.unsent.Load(), x.readErrors
	st.Receivers = x.gone
	for _, p := range x.peers {
		add(&st.Receivers, p.r.Stats())
	}
	st.BuffersHeld = x.pool.InUse() * flow.SlabSize
	st.Order = s.orderStats()
	st.Unicast = s.c.Unicast.Info()
	if x.group != nil {
		st.Group = x.group.Info()
	}
	return st
}

// Members returns the sending machine's account per counted member.
func (s *Session) Members() []flow.MemberStats {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.sender == nil {
		return nil
	}
	return t.sender.Members(time.Now(), nil)
}

// MemberHeardAt is when a counted member's reports came last; zero: it is not
// counted.
func (s *Session) MemberHeardAt(id uint32) (at time.Time) {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.sender != nil {
		at = t.sender.HeardAt(id)
	}
	return at
}

// Heard returns the receiving machine's account of one sender.
func (s *Session) Heard(id uint32) (flow.ReceiverStats, bool) {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.peers[id]
	if p == nil {
		return flow.ReceiverStats{}, false
	}
	return p.r.Stats(), true
}

// add sums what can be summed over senders; streams stay apart.
func add(sum *flow.ReceiverStats, r flow.ReceiverStats) {
	sum.Frames += r.Frames
	sum.Symbols += r.Symbols
	sum.Parity += r.Parity
	sum.Notes += r.Notes
	sum.Beats += r.Beats
	for i, n := range r.Drops {
		sum.Drops[i] += n
	}
	sum.Filled += r.Filled
	sum.Repaired += r.Repaired
	sum.Rebuilt += r.Rebuilt
	sum.ParityUnused += r.ParityUnused
	sum.Messages += r.Messages
	sum.MessageBytes += r.MessageBytes
	sum.Gaps += r.Gaps
	sum.Missed += r.Missed
	sum.Garbled += r.Garbled
	sum.Rejected += r.Rejected
	sum.Unproven += r.Unproven
	sum.Naks += r.Naks
	sum.Asked += r.Asked
	sum.Statuses += r.Statuses
	sum.Expected += r.Expected
	sum.Heard += r.Heard
	sum.Host += r.Host
}
