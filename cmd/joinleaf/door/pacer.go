package door

import "time"

// Pacer says when a datagram that came in at the sender at some moment is to
// leave here, so that gaps between datagrams stay what they were although a
// repair held some of them up (E-10). It is a machine: the clock is the
// caller's.
//
// It keeps one number, the delay between the sender's clock and the moment of
// leaving. Whoever comes later than that delay allows pushes it up, so the burst
// that waited behind a hole leaves spaced out as it was made. In quiet times the
// delay shrinks by 1 part in 1000, which catches up with a sender's clock that
// runs fast and is slow enough for a decoder to follow.
type Pacer struct {
	begun bool
	base  time.Time     // when microsecond 0 of the sender leaves
	last  time.Duration // the sender's time of the datagram before
}

// maxDelay is the longest a datagram is held. Beyond it the two clocks have
// parted (a sender that was suspended), and the pacer begins anew.
const maxDelay = time.Second

// Due tells when the datagram stamped micros leaves; never before now.
func (p *Pacer) Due(now time.Time, micros uint64) time.Time {
	at := time.Duration(min(micros, 1<<53)) * time.Microsecond
	if p.begun {
		p.base = p.base.Add(-max(0, at-p.last) / 1000)
	}
	due := p.base.Add(at)
	if !p.begun || due.Before(now) || due.Sub(now) > maxDelay {
		p.begun, p.base, due = true, now.Add(-at), now
	}
	p.last = at
	return due
}
