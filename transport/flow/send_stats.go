package flow

import "time"

// SenderStats is a snapshot of a Sender's books. They balance at any time:
//
//	Written = Sent + Queued + Open
//	Segments = Data + AgainGroup + AgainAlone + Rows + Notes + Beats
//	Wanted = Repaired + Answered + Gone + Withdrawn + StillWanted
//	frames handed to Handle = Taken + Drops.Total()
type SenderStats struct {
	Messages, MessageBytes uint64

	Written uint64 // bytes of records: messages and their lengths
	Sent    uint64 // of these, left for the first time (Failed takes back)
	Queued  uint64 // in closed packets that have not
	Open    uint64 // in open packets

	Batches    uint64
	Segments   uint64 // frames handed out
	Data       uint64 // new symbols
	AgainGroup uint64 // repairs to the group
	AgainAlone uint64 // repairs to one member
	Rows       uint64 // parity
	Notes      uint64
	Beats      uint64

	WireBytes   uint64
	RepairBytes uint64 // of these, for what was asked for

	FailedBatches, Failed uint64 // batches and frames that did not leave

	Naks        uint64
	Wanted      uint64 // symbols that came to be wanted
	Repaired    uint64 // sent again
	Answered    uint64 // by rows of parity
	Gone        uint64 // left the ring first
	Withdrawn   uint64 // their only member was expelled
	StillWanted uint64
	TooSoon     uint64 // asked for while a repair may be on its way
	AskedGone   uint64 // asked for after it left the ring
	OverBudget  uint64 // asked for by a quarantined member beyond its share
	Quarantines uint64
	Skips       uint64 // a quarantined member was told to go on near what is sent now

	Taken uint64 // NAK and STATUS frames that counted
	Drops Drops

	Members int
	GRTT    time.Duration
	Rate    int64
	Memory  int // bytes of ring
}

// Stats gives the books as they stand.
func (s *Sender) Stats() SenderStats {
	s.refresh()
	r := s.stats
	for i := range s.streams {
		if st := &s.streams[i]; st.open != nil {
			r.Open += uint64(st.used)
		}
	}
	r.StillWanted = uint64(s.wanted)
	r.Members, r.GRTT, r.Rate = s.counted, s.grtt, s.law.rate()
	r.Memory = s.slots * blockSize * s.slot
	return r
}

// MemberStats is the sender's view of one counted member (U6).
type MemberStats struct {
	ID       Member
	RTT      time.Duration
	Silence  time.Duration // since it last spoke
	Expected uint32        // packets to the group that it knows were sent, mod 2^32
	Heard    uint32        // of these, came
	Loss     float64       // of late, 0 to 1
	Host     uint64        // packets that its own host dropped
	Lost     uint64        // symbols it gave up
	Late     uint64
	Replayed uint64
	Naks     uint64 // NAKs taken from it
	Repaired uint64 // symbols sent to it alone
	Streams  []MemberStream
}

// MemberStream is how far a member is in one stream, in sequences.
type MemberStream struct {
	Start     uint64 // counted from here
	Delivered uint64 // next one that its application has not taken
	Highest   uint64 // after the highest it knows of
	Limit     uint64 // first one that must not be sent yet
}

// HeardAt is when a member spoke last; zero: it is not counted.
func (s *Sender) HeardAt(id Member) (at time.Time) {
	if i, ok := s.index[id]; ok {
		at = s.c.Start.Add(s.members[i].heardAt)
	}
	return at
}

// Members appends the counted members to dst.
func (s *Sender) Members(now time.Time, dst []MemberStats) []MemberStats {
	t := s.now(now)
	for i := range s.members {
		m := &s.members[i]
		if m.id == 0 {
			continue
		}
		ms := MemberStats{ID: m.id, RTT: m.rtt, Silence: t - m.heardAt, Expected: m.expected, Heard: m.heard,
			Loss: float64(m.loss) / 255, Host: m.host, Lost: m.lost, Late: m.late, Replayed: m.replayed,
			Naks: m.naks, Repaired: m.repaired}
		for k := range m.streams {
			p := &m.streams[k]
			ms.Streams = append(ms.Streams, MemberStream{Start: p.start, Delivered: p.delivered, Highest: p.highest, Limit: p.limit})
		}
		dst = append(dst, ms)
	}
	return dst
}

// owed: somebody has not taken all of it, and what lacks may still come.
func (st *sendStream) owed(s *Sender) bool {
	switch st.class {
	case Reliable:
		return s.counted > 0 && st.floor < st.next
	case Deadline:
		return s.counted > 0 && st.floor < st.next && st.oldest < st.next
	}
	return false
}

// Delivered reports whether every counted member has taken, of reliable
// streams, all that lies before edges.
func (s *Sender) Delivered(edges []Edge) bool {
	s.refresh()
	for _, e := range edges {
		st := &s.streams[e.Stream]
		if st.class == Reliable && (st.sent < e.Seq || s.counted > 0 && st.floor < e.Seq) {
			return false
		}
	}
	return true
}

// Drained reports whether everything written was sent and, on reliable
// streams, delivered to every counted member, with no repair wanted. An open
// packet waits for Cut.
func (s *Sender) Drained() bool {
	s.refresh()
	if s.wanted > 0 {
		return false
	}
	for i := range s.streams {
		st := &s.streams[i]
		if st.open != nil || st.sent < st.next || st.owed(s) {
			return false
		}
	}
	return true
}
