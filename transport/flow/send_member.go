package flow

import (
	"math"
	"time"
)

const (
	defaultGRTT = 5 * time.Millisecond // before anything was measured
	leastRTT    = 50 * time.Microsecond
	quietAfter  = 200 * time.Millisecond // a silent member holds back best effort no longer
	silentAfter = 5 * time.Second
	blocksAfter = time.Second
	beyondSane  = 1 << 16 // symbols of credit that no honest member grants
)

// member is the sender's view of one counted member. A free place has id 0.
type member struct {
	id       Member
	rtt      moment
	heardAt  moment // last STATUS or NAK
	nakTat   moment // rate limit of its NAKs
	quiet    bool   // does not hold back best effort until it speaks
	silent   bool   // MemberSilent was raised
	expected uint32
	heard    uint32
	loss     uint8 // of late, in 1/255
	lost     uint64
	host     uint64
	late     uint64
	replayed uint64
	naks     uint64
	repaired uint64
	streams  []memberStream
}

type memberStream struct {
	start, delivered, highest, limit uint64
	spoken                           bool // limit is the member's own word
}

// Admit counts m from here: it owes nothing to what was written before
// (Winsock rule R244), and what is written from here on waits for it. The
// edges, for the member's START, lie between messages because Admit implies
// Cut. rtt is a first guess, from the control channel; zero means none.
func (s *Sender) Admit(now time.Time, m Member, rtt time.Duration) []Edge {
	if _, ok := s.index[m]; ok {
		s.Expel(now, m)
	}
	t := s.now(now)
	s.Cut(now)
	edges := s.Edges(nil)
	if m == 0 || m == s.c.Self {
		return edges
	}
	i := 0
	for i < len(s.members) && s.members[i].id != 0 {
		i++
	}
	if i == len(s.members) {
		s.members = append(s.members, member{})
	}
	if rtt <= 0 {
		rtt = defaultGRTT
	}
	mb := &s.members[i]
	*mb = member{id: m, rtt: max(rtt, leastRTT), heardAt: t, streams: make([]memberStream, len(s.streams))}
	for k, e := range edges {
		mb.streams[k] = memberStream{start: e.Seq, delivered: e.Seq, highest: e.Seq,
			limit: e.Seq + s.firstCredit()}
	}
	s.index[m] = i
	s.counted++
	s.dirty = true
	s.beat.restart(t)
	return edges
}

// firstCredit is what a member takes before its first STATUS, over all streams
// about a sixth of the smallest usual socket buffer.
func (s *Sender) firstCredit() uint64 { return uint64(max(4, firstCredit/len(s.streams))) }

// Expel no longer counts m; repairs that m alone wanted are dropped. Ids that
// are not counted are ignored.
func (s *Sender) Expel(now time.Time, m Member) {
	i, ok := s.index[m]
	if !ok {
		return
	}
	s.withdraw(ownerNumber(i))
	delete(s.index, m)
	s.members[i] = member{}
	s.counted--
	s.dirty = true
}

func ownerNumber(i int) uint8 {
	if i < 250 {
		return uint8(i + 1)
	}
	return many
}

// refresh works out anew, from the table, what the counted members allow:
// never by increments, so that nothing stays behind when a member goes (U20).
func (s *Sender) refresh() {
	if s.dirty {
		s.dirty = false
		s.grtt = 0
		for i := range s.members {
			if m := &s.members[i]; m.id != 0 {
				s.grtt = max(s.grtt, m.rtt)
			}
		}
		if s.counted == 0 {
			s.grtt = defaultGRTT
		}
		for k := range s.streams {
			s.recount(k)
		}
	}
	for k := range s.streams {
		st := &s.streams[k]
		to := st.sent
		if st.class == Reliable && s.counted > 0 {
			to = min(to, st.floor)
		}
		if to == st.next {
			st.closeBlock() // all of it is delivered
		}
		if to = st.floorOf(to); to > st.oldest {
			s.release(st, to)
		}
	}
}

// recount sets one stream's credit, floor and leader.
func (s *Sender) recount(k int) {
	st := &s.streams[k]
	least, most := uint64(math.MaxUint64), uint64(0)
	floor, leader := uint64(math.MaxUint64), uint64(0)
	voices := 0
	for i := range s.members {
		m := &s.members[i]
		if m.id == 0 {
			continue
		}
		ms := &m.streams[k]
		floor, leader = min(floor, ms.delivered), max(leader, ms.delivered)
		if st.class == BestEffort && m.quiet {
			continue
		}
		voices++
		l := ms.limit
		if st.class == Reliable {
			l = min(l, ms.delivered+s.window)
		}
		least, most = min(least, l), max(most, l)
	}
	st.credit, st.floor, st.leader = least, floor, leader
	if s.c.Policy == Fastest {
		st.credit = most
	}
	if voices == 0 {
		st.credit = math.MaxUint64
	}
}

// handleStatus takes a member's word, all of it or none.
func (s *Sender) handleStatus(t moment, i int, frame []byte) Drop {
	var f status
	if !parseStatus(frame, &f) {
		return DropMalformed
	}
	echo, ok := s.echo(t, f.echoed, f.echo)
	if !ok || f.echoed && heldTooLong(s.micros(t)-echo, f.held) {
		return DropFuture
	}
	m := &s.members[i]
	for k := range f.n {
		e := &f.streams[k]
		if e.sender != s.c.Self {
			continue
		}
		if int(e.stream) >= len(s.streams) {
			return DropStream
		}
		ms, next := &m.streams[e.stream], s.streams[e.stream].next
		if e.highest > next || e.limit > next+beyondSane {
			return DropBeyond
		}
		if e.delivered < ms.delivered || e.highest < ms.highest || ms.spoken && e.limit < ms.limit {
			return DropStale
		}
	}
	if f.echoed {
		s.sample(m, moment(s.micros(t)-echo-int64(f.held))*time.Microsecond)
	}
	s.dirty = s.dirty || m.quiet
	m.heardAt, m.quiet, m.silent = t, false, false
	m.count(&f)
	for k := range f.n {
		e := &f.streams[k]
		if e.sender != s.c.Self {
			continue
		}
		ms, st := &m.streams[e.stream], &s.streams[e.stream]
		// Only the member that holds a bound can move it.
		s.dirty = s.dirty || ms.limit <= st.credit || s.c.Policy == Fastest ||
			st.class == Reliable && (ms.delivered <= st.floor || ms.delivered+s.window <= st.credit)
		ms.delivered, ms.highest, ms.limit, ms.spoken = e.delivered, e.highest, e.limit, true
	}
	return DropNone
}

// count keeps the member's counters and its loss of late.
func (m *member) count(f *status) {
	if de, dh := f.expected-m.expected, f.heard-m.heard; de > 0 && de < 1<<31 {
		lost := 255 * (1 - min(1, float64(dh)/float64(de)))
		w := min(1, float64(de)/256)
		m.loss = uint8(float64(m.loss)*(1-w) + lost*w)
	}
	m.expected, m.heard = f.expected, f.heard
	m.lost, m.host, m.late, m.replayed = f.lost, f.host, f.late, f.replayed
}

// sample smooths a member's round trip, and keeps the greatest up to date.
func (s *Sender) sample(m *member, rtt moment) {
	was := m.rtt
	m.rtt = max(leastRTT, (7*m.rtt+max(0, rtt))/8)
	if m.rtt > s.grtt || was == s.grtt {
		s.dirty = true
	}
}

// echo puts the 32 bits of an echo back on the clock; ok is false when that
// lies in the future. Without an echo it is -1.
func (s *Sender) echo(t moment, echoed bool, e uint32) (us int64, ok bool) {
	if !echoed {
		return -1, true
	}
	now := s.micros(t)
	age := int64(uint32(now) - e)
	return now - age, age <= 1<<31 && age <= now
}

// heldTooLong: nobody holds an echo longer than it is old. Two clocks may
// differ, by less than 1 % and 10 ms.
func heldTooLong(age int64, held uint32) bool { return int64(held) > age+age/100+10_000 }

// micros is the sender's clock in microseconds; it never runs behind a stamp.
func (s *Sender) micros(t moment) int64 { return max(micro(t), s.stamp) }
