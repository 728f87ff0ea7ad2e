package flow

import "time"

// Room reports whether Write would take a message of n bytes now.
func (s *Sender) Room(now time.Time, id Stream, n int) bool {
	if int(id) >= len(s.streams) || n > s.c.MaxMessage {
		return true // Write says what is wrong with it
	}
	st := &s.streams[id]
	s.wrote = s.now(now)
	if !s.begun {
		return false
	}
	record := varintSize(uint64(n)) + n
	return st.open != nil && st.used+record <= s.payload || s.fits(st, uint64(record/s.payload)+2)
}
