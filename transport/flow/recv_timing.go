package flow

import (
	"math"
	"time"
)

// draw spreads the NAKs of a large group: most members draw late, and what the
// first ones asked for fills the others' holes as well. L = ln n + 1, T = 6
// GRTT; the distribution is that of RFC 5740. Who lacks most in a column, by
// what was lacking of late, speaks first.
func (r *Receiver) draw(st *stream, lacking int) moment {
	n := r.beat.leaves
	if n <= fewLeaves || st.class == BestEffort || r.c.NoFeedback {
		return 0
	}
	t := min(max(6*r.beat.grtt, 200*time.Microsecond), 500*time.Millisecond).Seconds()
	l := math.Log(float64(n)) + 1
	u := float64(r.random.Uint64()>>11) / (1 << 53)
	x := u*l/t + l/(t*(math.Exp(l)-1))
	d := t / l * math.Log(x*(math.Exp(l)-1)*t/l)
	if r.beat.peak > 0 {
		d *= 1 - float64(min(lacking, r.beat.peak))/float64(2*r.beat.peak)
	}
	return moment(max(0, min(d, t)) * float64(time.Second))
}

// transit is how long packets take, by two clocks that differ: only how much
// longer one took than the fastest of late means something.
type transit struct {
	least, now uint32 // arrival less stamp, in microseconds, mod 2^32
	known      bool
	since      moment
}

// learn takes a packet's time. The least is forgotten slowly, as clocks drift
// apart by 100 us a second at most.
func (x *transit) learn(t moment, sent uint32) {
	x.now = uint32(micro(t)) - sent
	if !x.known {
		x.least, x.known, x.since = x.now, true, t
	}
	if t-x.since >= time.Second {
		x.least += 100
		x.since = t
	}
	if int32(x.now-x.least) < 0 {
		x.least = x.now
	}
}

// behind is how much longer than the fastest the last packet took.
func (x *transit) behind() moment { return moment(x.now-x.least) * time.Microsecond }

// lateness is how far behind later packets one came lately, by the sender's
// own stamps. It halves every second, so that false NAKs die out and the guard
// comes back.
type lateness struct {
	worst moment
	since moment
}

func (l *lateness) learn(t, d moment) {
	l.decay(t)
	if d > l.worst && d < time.Second {
		l.worst = d
	}
}

func (l *lateness) decay(t moment) {
	for l.worst > 0 && t-l.since >= time.Second {
		l.worst /= 2
		l.since += time.Second
	}
	if l.worst == 0 {
		l.since = t
	}
}
