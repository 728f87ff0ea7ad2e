package flow

// RateLaw says how a sender finds its rate.
type RateLaw uint8

// The laws.
const (
	// LAN lets credit be the clock and looks for a bottleneck only when loss
	// goes with the rate. It is the default, for groups that no router
	// forwards.
	LAN RateLaw = 0
	// TFMCC goes at the pace that TCP would keep to the worst member (RFC 4654,
	// RFC 5348), for groups that cross routers.
	TFMCC RateLaw = 1
	// Fixed keeps to the rate of the config, or to none.
	Fixed RateLaw = 2
)

var rateLawNames = [...]string{"LAN", "TFMCC", "fixed"}

// String names the law.
func (k RateLaw) String() string {
	if int(k) < len(rateLawNames) {
		return rateLawNames[k]
	}
	return "unknown"
}

// rateLaw is the rate of one sender. It hears what left and what the members'
// STATUS said of it, and needs no timer: whatever time brings is
// made up for in advance, which is called before rate is asked for.
//
//	sent, blocked --+
//	report, gone ---+--> law --> rate --> pacer
//	advance --------+
type rateLaw struct {
	kind    RateLaw
	ceiling float64 // 0: none
	lan     lanRate
	tfmcc   tfmccRate
	alarm   int // a member that loses too much, -1: none to be told
}

// init begins. fixed is the rate of Fixed and a ceiling to the other laws, in
// bytes a second on the wire; 0: none. packet is the bytes of a full packet on
// the wire.
func (r *rateLaw) init(kind RateLaw, fixed int64, packet int) {
	*r = rateLaw{kind: kind, ceiling: float64(fixed), alarm: -1}
	switch kind {
	case LAN:
		r.lan.init(packet)
	case TFMCC:
		r.tfmcc.init(packet)
	}
}

// rate is what may go now, in bytes a second; 0: no limit but credit.
func (r *rateLaw) rate() int64 {
	x := 0.0
	switch r.kind {
	case LAN:
		x = r.lan.rate
	case TFMCC:
		x = r.tfmcc.rate
	}
	if x == 0 || r.ceiling > 0 && r.ceiling < x {
		x = r.ceiling
	}
	return int64(x)
}

// sent: bytes left, to the group or to one member: what the pacer was charged
// with. By them a law sees whether it is the rate that holds data back.
func (r *rateLaw) sent(t moment, bytes int) {
	switch r.kind {
	case LAN:
		r.lan.sent(t, bytes)
	case TFMCC:
		r.tfmcc.sent(t, bytes)
	}
}

// report is what a member's counters grew by since its last report: packets to
// the group that it knows were sent, that came, and that its own host dropped.
// Only members that are waited for may speak. member is a small number.
// What the host dropped came over the network: it is that member's business,
// and is settled by its room, never by the group's rate.
func (r *rateLaw) report(t moment, member int, expected, heard, host uint64, rtt moment) {
	switch r.kind {
	case LAN:
		r.lan.report(t, member, expected, heard+host, rtt)
		if m := &r.lan.members[member]; m.tell {
			m.tell = false
			r.alarm = member
		}
	case TFMCC:
		r.tfmcc.report(t, member, expected, heard+host, rtt)
	}
}

// gone: the member is no longer counted; its number may be used again.
func (r *rateLaw) gone(member int) {
	if r.alarm == member {
		r.alarm = -1
	}
	switch r.kind {
	case LAN:
		r.lan.gone(member)
	case TFMCC:
		r.tfmcc.gone(member)
	}
}

// starting: it looks for a first rate, and every report lets it go faster.
func (r *rateLaw) starting() bool { return r.kind == LAN && r.lan.mode == lanStart }

// blocked: credit, not the rate, holds data back now.
func (r *rateLaw) blocked() { r.lan.credit = true }

// advance lets time pass.
func (r *rateLaw) advance(t moment) {
	switch r.kind {
	case LAN:
		r.lan.advance(t)
	case TFMCC:
		r.tfmcc.advance(t)
	}
}

// heavy tells, once, of a member that has lost more than a fifth for a second.
func (r *rateLaw) heavy() (member int, ok bool) {
	member, r.alarm = r.alarm, -1
	return member, member >= 0
}

// setRate changes the rate of a running pacer; 0: none. What was saved under
// one rate is not spent at once under another.
func (p *pacer) setRate(t moment, rate int64, most int) {
	if rate == p.rate {
		return
	}
	if p.rate > 0 {
		p.fill(t)
	}
	p.last, p.carry = max(p.last, t), 0
	if p.rate == 0 {
		p.tokens = 0
	}
	p.rate, p.most = rate, most
	if rate == 0 {
		return
	}
	p.most = int(max(1, min(int64(most), rate/1000/int64(p.packet))))
	p.deepen()
	p.tokens = min(p.tokens, p.bucket)
}
