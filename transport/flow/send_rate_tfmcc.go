package flow

import (
	"math"
	"time"
)

// The TFMCC law: the group goes at the pace that TCP would keep to its worst
// member, by the equation of RFC 5348 3.1 and the rules of RFC 4654. There a
// member works out its own rate and few may tell it; here STATUS brings every
// member's counts, so the sender does it for each and takes the least. That
// member is the limiting one (CLR).
//
// A STATUS says how many packets were lost, not which. What was lost within a
// round trip is one event; lost over k round trips, the packets are taken as
// spread evenly, which says more events, and so a lower rate, than bursts
// would. Receivers keep no loss history of their own, and history is not
// discounted (RFC 5348 5.5, optional).
type tfmccRate struct {
	rate    float64 // bytes a second
	packet  float64
	slow    bool // slow start: no member has lost anything
	clr     int  // -1: none
	grtt    moment
	asked   moment // the first packet sent since any member spoke; never: none
	heardAt moment // the last report of any member; 0: none yet
	halved  moment
	doubled moment // slow start: when it doubled
	round   moment // when the round of growth began
	bytes   float64
	members []tfmccMember
}

type tfmccMember struct {
	here    bool
	heardAt moment
	rtt     moment
	open    float64    // packets since the last loss event
	closed  [8]float64 // loss intervals, newest first
	events  int        // how many of them there are
	eventAt moment
	rate    float64 // what the equation allows; +Inf without loss
	recv    float64 // bytes a second that arrived, the more of two measurements
	before  float64
	came    float64
	cameAt  moment // since when came counts
}

const (
	tfmccRTT    = 500 * time.Millisecond // before any was measured
	tfmccWindow = 4380.0                 // bytes of the first round trip (RFC 5348 4.2)
	tfmccFloor  = 4.0                    // packets a second: below it, BEATs would eat what is left
	tfmccRecv   = 100 * time.Millisecond // two STATUS at least
	tfmccSilent = 2 * time.Second
)

// tfmccWeights are those of RFC 5348 5.4 for 8 intervals, newest first.
var tfmccWeights = [8]float64{1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2}

func (l *tfmccRate) init(packet int) {
	*l = tfmccRate{packet: float64(packet), slow: true, clr: -1, asked: never}
	l.rate = l.first(tfmccRTT)
}

// first is the first rate at round trip r.
func (l *tfmccRate) first(r moment) float64 {
	return min(4*l.packet, max(2*l.packet, tfmccWindow)) / r.Seconds()
}

// throughput is the rate, in bytes a second, of a TCP with packets of s bytes,
// round trip r in seconds and loss event rate p (RFC 5348 3.1 with b = 1 and
// t_RTO = 4 R):
//
//	X = s / (R (sqrt(2p/3) + 12 sqrt(3p/8) p (1 + 32 p^2)))
func throughput(s, r, p float64) float64 {
	return s / (r * (math.Sqrt(2*p/3) + 12*math.Sqrt(3*p/8)*p*(1+32*p*p)))
}

// lossRate is the p at which throughput is x.
func lossRate(s, r, x float64) float64 {
	low, high := 1e-9, 1.0
	for range 50 {
		if p := math.Sqrt(low * high); throughput(s, r, p) > x {
			low = p
		} else {
			high = p
		}
	}
	return high
}

func (l *tfmccRate) sent(t moment, bytes int) {
	l.bytes += float64(bytes)
	if l.asked == never {
		l.asked = t
	}
}

// advance halves the rate when something was sent and nobody answers.
func (l *tfmccRate) advance(t moment) {
	if l.asked == never {
		return
	}
	r := max(l.grtt, tfmccRTT/5)
	if l.heardAt == 0 {
		r = tfmccRTT
	}
	wait := max(4*r, moment(2*l.packet/l.rate*1e9))
	if t-max(l.asked, l.halved) >= wait {
		l.halved = t
		l.set(l.rate / 2)
	}
}

func (l *tfmccRate) set(x float64) { l.rate = max(tfmccFloor*l.packet, min(x, largestRate)) }

func (l *tfmccRate) gone(i int) {
	if i < len(l.members) {
		l.members[i] = tfmccMember{}
	}
	if l.clr == i {
		l.clr = -1
	}
}

func (l *tfmccRate) report(t moment, i int, expected, came uint64, rtt moment) {
	for len(l.members) <= i {
		l.members = append(l.members, tfmccMember{})
	}
	m := &l.members[i]
	if !m.here {
		*m = tfmccMember{here: true, heardAt: t, cameAt: t, rate: math.Inf(1)}
	}
	m.rtt = max(rtt, leastRTT)
	if l.heardAt == 0 {
		l.set(max(l.rate, l.first(m.rtt)))
		l.round, l.bytes = t, 0
	}
	m.arrived(t, float64(came)*l.packet)
	lost := float64(expected) - float64(came)
	m.count(t, float64(expected), lost, l)
	if m.events > 0 {
		m.rate = throughput(l.packet, m.rtt.Seconds(), m.lossEvents())
	}
	m.heardAt, l.heardAt, l.asked = t, t, never
	l.follow(t)
}

// arrived measures what comes to the member.
func (m *tfmccMember) arrived(t moment, bytes float64) {
	m.came += bytes
	if d := t - m.cameAt; d >= max(tfmccRecv, min(m.rtt, tfmccRTT)) {
		now := m.came / d.Seconds()
		m.recv, m.before = max(now, m.before), now
		m.came, m.cameAt = 0, t
	}
}

// count takes n packets, lost of which did not come, into the loss intervals.
func (m *tfmccMember) count(t moment, n, lost float64, l *tfmccRate) {
	m.open += n
	if lost < 1 || n < 1 || m.events > 0 && t-m.eventAt < m.rtt {
		return
	}
	trips := max(1, float64(t-m.heardAt)/float64(m.rtt))
	k := max(1, min(8, math.Round(trips*(1-math.Pow(1-1/trips, lost)))))
	m.eventAt = t
	first := m.events == 0
	for j := range int(k) {
		interval := n / k
		if j == 0 {
			interval = m.open - n + n/k/2
		}
		if j == 0 && first {
			// What the slow start sent before says nothing: the interval is the
			// one that gives what arrived (RFC 5348 6.3.1).
			x := m.recv
			if x == 0 {
				x = l.rate / 2
			}
			interval = 1 / lossRate(l.packet, m.rtt.Seconds(), x)
		}
		m.push(max(1, interval))
	}
	m.open = n / k / 2
}

func (m *tfmccMember) push(interval float64) {
	copy(m.closed[1:], m.closed[:])
	m.closed[0] = interval
	m.events = min(m.events+1, len(m.closed))
}

// lossEvents is the loss event rate: one in the weighted mean of the last 8
// intervals, the open one counted if that makes it longer (RFC 5348 5.4).
func (m *tfmccMember) lossEvents() float64 {
	closed, open, w, wOpen := 0.0, m.open, 0.0, 1.0
	for i, v := range m.closed[:m.events] {
		closed += v * tfmccWeights[i]
		w += tfmccWeights[i]
		if i+1 < len(tfmccWeights) {
			open += v * tfmccWeights[i+1]
			wOpen += tfmccWeights[i+1]
		}
	}
	return min(1, 1/max(1, closed/w, open/wOpen))
}

// follow finds the limiting member and goes after it: down at once, up by one
// packet a round trip in each round trip, and never above twice what arrives.
func (l *tfmccRate) follow(t moment) {
	least, recv := math.Inf(1), math.Inf(1)
	l.clr, l.grtt = -1, leastRTT
	for i := range l.members {
		m := &l.members[i]
		if !m.here || t-m.heardAt > max(tfmccSilent, 10*m.rtt) {
			continue
		}
		l.grtt = max(l.grtt, m.rtt)
		if m.recv > 0 {
			recv = min(recv, m.recv)
		}
		if m.rate < least {
			least, l.clr = m.rate, i
		}
	}
	if l.clr >= 0 {
		l.slow = false
	}
	if least < l.rate {
		l.set(least)
	}
	d := t - l.round
	if d < max(10*time.Millisecond, min(l.grtt, 2*tfmccRecv)) {
		return
	}
	actual := l.bytes / d.Seconds()
	l.round, l.bytes = t, 0
	if actual < 0.85*l.rate || math.IsInf(recv, 1) {
		return // the application asks for less: nothing is learned (RFC 5348 4.3)
	}
	x := l.rate
	switch {
	case !l.slow:
		r := float64(l.members[max(0, l.clr)].rtt)
		if l.clr < 0 {
			r = float64(l.grtt)
		}
		x += l.packet / r * 1e9 * min(float64(d)/r, 8)
	case t-l.doubled >= max(tfmccRecv, l.grtt):
		x, l.doubled = 2*x, t
	}
	l.set(min(x, least, 2*recv))
}
