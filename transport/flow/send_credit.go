package flow

import (
	"math"
	"slices"
)

// refresh works out anew, from the table, what the members allow: never by
// increments, so that nothing stays behind when one goes (U20).
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
		if st.class.asks() && s.counted > 0 {
			to = min(to, st.floor)
		}
		if to == st.next {
			st.closeBlock() // all of it is delivered
		}
		if s.keep > 0 && st.class.asks() {
			to = min(to, st.next-min(st.next, s.keep))
		}
		if to = st.floorOf(to); to > st.oldest {
			s.release(st, to)
		}
	}
}

// recount sets one stream's credit, what holds its ring, and who holds it down.
func (s *Sender) recount(k int) {
	st := &s.streams[k]
	st.credit, st.second, st.holder = math.MaxUint64, math.MaxUint64, -1
	st.floor, st.leader = math.MaxUint64, math.MaxUint64
	s.limits, s.takes = s.limits[:0], s.takes[:0]
	for i := range s.members {
		m := &s.members[i]
		if m.id == 0 {
			continue
		}
		ms := &m.streams[k]
		st.floor = min(st.floor, ms.delivered)
		if m.standing == catchingUp { // holds the ring, not the others
			st.leader = min(st.leader, ms.delivered)
		}
		if !s.waitsFor(m) || st.class != Reliable && m.quiet {
			continue
		}
		l := ms.limit
		if st.class == Reliable {
			l = min(l, ms.delivered+s.window)
			st.leader = min(st.leader, ms.delivered)
		}
		switch {
		case l < st.credit:
			st.second, st.credit, st.holder = st.credit, l, i
		case l < st.second:
			st.second = l
		}
		if s.c.Policy == Quorum || s.c.Policy == Fastest {
			s.limits, s.takes = append(s.limits, l), append(s.takes, ms.delivered)
		}
	}
	if n := len(s.limits); n > 0 {
		s.reach(st, n)
	}
}

// reach is recount where not everybody is waited for: credit is what the k best
// allow.
func (s *Sender) reach(st *sendStream, n int) {
	k := 1
	if s.c.Policy == Quorum {
		k = min(s.c.Quorum, n)
	}
	slices.Sort(s.limits)
	slices.Sort(s.takes)
	st.credit, st.second, st.holder = s.limits[n-k], math.MaxUint64, -1
	st.leader = s.takes[n-k]
}

// waitsFor reports whether m has a say in the pace.
func (s *Sender) waitsFor(m *member) bool {
	switch {
	case m.standing != inStep:
		return false
	case s.c.Policy == Tagged:
		return m.tagged
	}
	return s.c.Policy != FixedRate
}

// expire lets go of what no member of a Deadline stream can use any more.
func (s *Sender) expire(t moment) {
	for i := range s.streams {
		st := &s.streams[i]
		if st.class != Deadline {
			continue
		}
		for q := &st.blocks; q.low < q.high; {
			b := q.at(q.low)
			if to := min(b.end(), st.sent); t-b.begun >= st.span()+s.c.Latency+s.grtt && to > st.oldest {
				s.release(st, to)
				continue
			}
			break
		}
	}
}
