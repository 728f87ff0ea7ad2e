package flow

// blocked keeps the clock of a stream whose waiting symbols credit holds back.
// A best-effort stream waits 200 ms for a silent member and no longer; then it
// reports that data may go after all.
func (s *Sender) blocked(t moment, st *sendStream) bool {
	if st.blockedAt == never {
		st.blockedAt, st.told = t, false
		st.quietAt = never
		if st.class != Reliable {
			st.quietAt = t
		}
	}
	if !st.told && t-st.blockedAt >= blocksAfter {
		st.told = true
		s.events.add(Event{Kind: MemberBlocks, Member: s.slowest(st), Stream: st.id})
	}
	if t < st.quietAt {
		return false
	}
	s.quieten(t, st)
	return st.ready() > 0
}

// quieten stops counting members for best effort that hold st back and have
// said nothing for 200 ms of that.
func (s *Sender) quieten(t moment, st *sendStream) {
	st.quietAt = never
	for i := range s.members {
		m := &s.members[i]
		if m.id == 0 || m.quiet || m.streams[st.id].limit > st.sent {
			continue
		}
		if until := max(st.blockedAt, m.heardAt) + quietAfter; t < until {
			st.quietAt = min(st.quietAt, until)
			continue
		}
		m.quiet = true
		s.dirty = true
	}
	s.refresh()
}

// slowest is the counted member that allows st least; the first of several.
func (s *Sender) slowest(st *sendStream) (who Member) {
	least := uint64(seqMax)
	for i := range s.members {
		m := &s.members[i]
		if m.id == 0 {
			continue
		}
		ms := &m.streams[st.id]
		if l := min(ms.limit, ms.delivered+s.window); who == 0 || l < least {
			who, least = m.id, l
		}
	}
	return who
}
