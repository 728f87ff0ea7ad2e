package flow

import "time"

// Limit holds what leaves of data, with its headers, repairs and parity, to burst +
// rate*t bytes on the wire in any time t, beside what the law allows. What the sender
// says about itself, its BEATs and NOTEs, is not data. A burst is a full packet at
// least; rate 0 is no limit. The first burst may go at once.
func (s *Sender) Limit(now time.Time, rate int64, burst int) {
	t, l := s.now(now), &s.limit
	rate = max(0, min(rate, largestRate))
	switch {
	case rate == 0:
		l.rate = 0
		return
	case l.rate == 0:
		*l = pacer{tokens: max(s.pace.packet, burst)}
	default:
		l.fill(t)
	}
	l.rate, l.packet, l.most, l.carry, l.last = rate, s.pace.packet, s.most, 0, max(l.last, t)
	l.bucket = max(l.packet, burst)
	l.tokens = min(l.tokens, l.bucket)
}

// rateRoom is how many packets the law and the limit let go.
func (s *Sender) rateRoom(t moment) int {
	s.steer(t)
	n := s.pace.room(t)
	if s.limit.rate > 0 {
		n = min(n, s.limit.room(t))
	}
	return n
}

// rateReady is when they let one go.
func (s *Sender) rateReady() moment {
	if s.limit.rate == 0 {
		return s.pace.ready()
	}
	return max(s.pace.ready(), s.limit.ready())
}
