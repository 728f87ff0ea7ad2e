package flow

import "time"

const (
	defaultGRTT = 5 * time.Millisecond // before anything was measured
	leastRTT    = 50 * time.Microsecond
	quietAfter  = 200 * time.Millisecond // a silent member holds back best effort no longer
	silentAfter = 5 * time.Second
	blocksAfter = time.Second
	outage      = 8       // of so many packets none came: not a bottleneck
	beyondSane  = 1 << 16 // symbols of credit that no honest member grants
)

// member is the sender's view of one counted member. A free place has id 0.
type member struct {
	id       Member
	rtt      moment
	heardAt  moment // last STATUS or NAK
	nakTat   moment // rate limit of its NAKs
	standing standing
	tagged   bool
	needed   bool
	conduct  conduct
	quiet    bool // does not hold back best effort until it speaks
	silent   bool // MemberSilent was raised
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
	s.law.gone(i)
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
	s.tellLaw(t, i, &f)
	m.count(&f)
	for k := range f.n {
		e := &f.streams[k]
		if e.sender != s.c.Self {
			continue
		}
		ms, st := &m.streams[e.stream], &s.streams[e.stream]
		// Only the member that holds a bound can move it.
		s.dirty = s.dirty || ms.limit <= st.second || s.c.Policy != Slowest ||
			st.class.asks() && (ms.delivered <= st.floor || ms.delivered <= st.leader || ms.delivered+s.window <= st.second)
		ms.delivered, ms.highest, ms.limit, ms.spoken = e.delivered, e.highest, e.limit, true
	}
	s.catchUp(t, m)
	return DropNone
}

// tellLaw gives the rate law what a member's counters grew by. Who is not
// waited for has no say in the rate either, and what an outage took says nothing
// of a rate: a queue that overflows still lets its share through.
func (s *Sender) tellLaw(t moment, i int, f *status) {
	m := &s.members[i]
	expected, heard := f.expected-m.expected, f.heard-m.heard
	if expected >= 1<<31 || heard >= 1<<31 || f.host < m.host || !s.waitsFor(m) || uint64(heard)*outage < uint64(expected) {
		return
	}
	s.law.report(t, i, uint64(expected), uint64(heard), f.host-m.host, m.rtt)
	if i, ok := s.law.heavy(); ok {
		s.events.add(Event{Kind: MemberLoses, Member: s.members[i].id})
	}
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
