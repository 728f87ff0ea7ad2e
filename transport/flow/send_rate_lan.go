package flow

import (
	"math"
	"time"
)

// The LAN law. Its clock is credit: what the members' windows and sockets hold
// bounds what is in flight, so most senders need no rate at all and end in
// free. Only a link or switch that is slower than credit shows as loss, and
// not all loss is that:
//
//	        +------------ clean, and no longer a limit ------------+
//	        v                                                      |
//	start ----> free --- loss ---> test --- it fell with the ---> found
//	  |                           ^  | ^        rate              | ^ |
//	  +--- a quarter was lost ----+  | +--------- loss -----------+ | grows
//	                                 +--> it did not: as before     +-+
//
// Loss counts when it is 3 points above the member's least of the last 10 s,
// beyond chance, for two rounds. Even then it is only a suspicion: the rate
// goes to nine tenths of what arrives, and if the loss does not fall it has
// another cause, such as a bad cable. Then the old rate is restored and that
// much loss of that member is accepted for 250 ms, the next time for 500, up to
// 16 s. So a member's own loss costs its group a few tests, never the rate.
//
// Round trips are not used. On the machines this runs on they jump from 0.1 to
// 20 ms when a core is busy, with no queue anywhere, so a margin wide enough to
// be right would say nothing; and a queue so long that it never overflows is
// bounded by credit. Their least only sets the pace of the start.
type lanRate struct {
	rate   float64 // bytes a second; 0: none
	packet float64
	mode   lanMode

	begun  moment // when the round began
	bytes  float64
	sentAt moment
	credit bool // held data back in this round
	voices int  // members that spoke of late
	ready  int  // of these, have said enough in this round

	double  moment // start: the next doubling; never: when something was sent
	doubled moment // start: the last one
	unheard int    // start: doublings since a member was judged

	back    float64 // test: what is restored if the loss does not fall
	backTo  lanMode
	arrived float64 // test: what came through before it
	tests   int     // test: rounds that told nothing
	proving bool    // test: whether the usual loss goes with the rate too

	top  float64 // found: the rate at which loss was met
	step float64 // found: the next growth, as a share of the rate; 0: linear
	used moment  // found: when the rate was last a limit
	met  moment  // found: when loss was last met that went with the rate

	turn    moment // when the least loss was last put aside
	members []lanMember
}

type lanMode uint8

const (
	lanStart lanMode = iota
	lanFree
	lanTest
	lanFound
)

const (
	lanFirst    = 25_000_000.0          // 200 Mbit/s
	lanFloor    = 125_000.0             // 1 Mbit/s
	lanInterval = 10 * time.Millisecond // between doublings of the start
	lanHeard    = 1 * time.Millisecond  // the same, where reports come as fast
	lanUnheard  = 3                     // doublings that need no report
	lanLeast    = 5 * time.Second
	lanPause    = 200 * time.Millisecond
	lanSlope    = 1250.0      // times the root of the rate, a second: a quarter at 200 Mbit/s
	lanPatience = time.Second // without loss, until growth speeds up
	lanStep     = 0.02
	lanUnused   = 10 * time.Second
)

func (l *lanRate) init(packet int) {
	*l = lanRate{packet: float64(packet), rate: lanFirst, double: never}
}

// sent counts. A pause ends the round, or the pause would count as slowness.
func (l *lanRate) sent(t moment, bytes int) {
	if t-l.sentAt > lanPause {
		l.begin(t)
	}
	if l.double == never {
		l.double = t + l.interval()
	}
	l.sentAt = t
	l.bytes += float64(bytes)
}

// advance doubles the rate of the start. Three doublings are made unheard,
// because a member that lacks a packet speaks only every 50 ms; credit bounds
// what is lost if they were wrong.
func (l *lanRate) advance(t moment) {
	if t-l.turn >= lanLeast {
		l.turn = t
		for i := range l.members {
			l.members[i].forget()
		}
	}
	switch {
	case l.mode == lanStart && t >= l.double && l.unheard < lanUnheard:
		l.unheard++
		l.stepUp(t)
	case l.mode == lanFound && t-l.used > lanUnused:
		l.goFree(t)
	}
}

func (l *lanRate) goFree(t moment) {
	l.rate, l.mode = 0, lanFree
	l.begin(t)
}

// begin opens a round. What a member counted before the rate changed is not
// of this round.
func (l *lanRate) begin(t moment) {
	l.begun, l.bytes, l.credit = t, 0, false
	l.voices, l.ready = 0, 0
	for i := range l.members {
		m := &l.members[i]
		m.open, m.ready = false, false
		if m.here && t-m.heardAt < time.Second {
			l.voices++
		}
	}
}

// goOn opens the next round at much the same rate: no report is wasted.
func (l *lanRate) goOn(t moment) {
	l.begin(t)
	for i := range l.members {
		if m := &l.members[i]; m.here {
			m.restart(m.heardAt)
		}
	}
}

func (l *lanRate) gone(i int) {
	if i >= len(l.members) || !l.members[i].here {
		return
	}
	if l.members[i].ready {
		l.ready--
	}
	l.voices = max(0, l.voices-1)
	l.members[i] = lanMember{}
}

// report takes a member's counts. Its first of a round only opens it: it
// speaks in part of what left at another rate.
func (l *lanRate) report(t moment, i int, expected, came uint64, rtt moment) {
	for len(l.members) <= i {
		l.members = append(l.members, lanMember{})
	}
	m := &l.members[i]
	if !m.here {
		*m = newLANMember()
		l.voices++
	}
	m.heardAt, m.rtt = t, min(m.rtt, rtt)
	if !m.open {
		if t >= l.begun+rtt || l.mode == lanStart {
			m.restart(t)
		}
		return
	}
	m.expected += expected
	m.came += came
	if l.mode == lanStart {
		l.judgeStart(t, m, rtt)
		return
	}
	if !m.ready && l.enough(m.expected, t-m.openAt) {
		m.ready = true
		l.ready++
	}
	switch {
	case l.ready == 0 || l.ready < l.voices && t < l.begun+10*l.span():
	case l.mode == lanTest:
		l.judgeTest(t)
	default:
		l.judge(t)
	}
}

// span is how long a round is at least. In free nothing presses, and batches of
// 45 that are lost whole make a rate of loss only where there are many.
func (l *lanRate) span() moment {
	if l.mode == lanFree {
		return 100 * time.Millisecond
	}
	return max(40*time.Millisecond, 2*l.interval())
}

func (l *lanRate) enough(n uint64, d moment) bool {
	span := l.span()
	if l.mode == lanTest && l.proving { // once a member, so it may take long
		return d >= 4*span && n >= lanPool || d >= 8*span && n >= 64 || d >= 2*time.Second && n >= 16
	}
	return d >= span && n >= 512 || d >= 2*span && n >= 64 || d >= time.Second && n >= 16
}

// test puts the rate below what arrived, to see whether the loss goes with it.
func (l *lanRate) test(t moment, was, arrived float64) {
	if l.step = 0; l.mode != lanFound {
		l.step = lanStep // where the bottleneck is, is not known yet
	}
	l.top, l.proving = was, false
	l.lower(t, arrived)
}

func (l *lanRate) lower(t moment, arrived float64) {
	l.back, l.backTo = l.rate, l.mode
	l.arrived, l.rate = arrived, max(lanFloor, 0.9*arrived)
	l.mode, l.tests, l.used = lanTest, 0, t
	for i := range l.members {
		l.members[i].pool = lossCount{}
	}
	l.begin(t)
}

// judge ends a round in free or found.
func (l *lanRate) judge(t moment) {
	actual := l.bytes / max(t-l.begun, time.Millisecond).Seconds()
	worst, doubt := 0.0, false
	for i := range l.members {
		m := &l.members[i]
		if m.suspect = false; !m.ready {
			continue
		}
		p, _ := m.loss()
		m.watch(t, p)
		some, sunk := m.doubt(t, l.mode == lanFound)
		doubt = doubt || some
		worst = max(worst, sunk)
		m.learn()
	}
	switch {
	case worst > 0:
		l.test(t, actual, actual*(1-worst))
	case l.mode == lanFound && doubt:
		l.hesitate(actual)
		l.goOn(t)
	case l.mode == lanFound && l.grow(t, actual):
		l.goFree(t)
	default:
		l.goOn(t)
	}
}

// hesitate: one round of doubt may be chance, and slows the growth; with the
// next it ends, and begins anew from here.
func (l *lanRate) hesitate(actual float64) {
	for i := range l.members {
		if m := &l.members[i]; m.doubts >= 2 {
			l.step, l.top = 0, max(l.top, actual)
			return
		}
	}
	l.step /= 4
}

// judgeTest: the loss fell, so the rate was its cause; or it did not. A suspect
// that says nothing more proves nothing.
//
// What is lost still may be this sender's doing too, if it never went slower
// than this: then the test goes on, down to where loss falls no more. Or who
// came to a full bottleneck would take the loss that it made for usual.
func (l *lanRate) judgeTest(t moment) {
	fell, waits, worst := false, false, 0.0
	still := max(0, 1-l.arrived/l.rate)
	for i := range l.members {
		m := &l.members[i]
		if !m.ready {
			waits = waits || m.suspect
			continue
		}
		p, sure := m.loss()
		m.watch(t, p)
		m.learn()
		if !m.suspect {
			continue
		}
		if m.suspect = m.fell(p, sure, still, l.proving); !m.suspect {
			m.failed(t, l.proving)
			continue
		}
		fell = true
		m.hold, m.seen = lanAccept, p
		if m.suspect = !m.proved && p-sure > lanMargin; m.suspect {
			worst = max(worst, p-sure)
		}
	}
	actual := l.bytes / max(t-l.begun, time.Millisecond).Seconds()
	switch {
	case worst > 0 && l.rate > lanFloor:
		l.mode, l.proving = lanFound, true
		l.lower(t, actual*(1-worst))
	case fell:
		l.mode, l.used, l.met = lanFound, t, t
		l.goOn(t)
	case waits && l.tests < 2:
		l.tests++
		l.goOn(t)
	default:
		l.rate, l.mode, l.used = l.back, l.backTo, t
		l.begin(t)
	}
}

// grow raises the rate after a clean round; done says that it is no longer a
// limit. Up to where loss was met it grows with the root of the rate, while a
// test takes a share of it, which favours the slower of two senders on one
// bottleneck (the binomial laws with k + l > 0 of Bansal and Balakrishnan,
// 2001). The longer no loss is met, the faster it grows, for those who took the
// rest of the bottleneck may have gone: by time alone, which favours nobody (as
// H-TCP does, Leith and Shorten, 2004). Beyond, every step is twice the last: the
// bottleneck is gone.
func (l *lanRate) grow(t moment, actual float64) (done bool) {
	binding := actual >= 0.85*l.rate
	if binding {
		l.used = t
	}
	if !binding && !l.credit && actual <= 1.05*l.top {
		return false // the application asks for less: nothing is learned
	}
	if l.rate >= 2*actual || l.rate > largestRate {
		return true
	}
	if l.rate > 1.05*l.top {
		l.step = max(l.step, lanStep)
	}
	if l.step == 0 {
		d := min(t-l.begun, time.Second).Seconds()
		l.rate += min(lanSlope*math.Sqrt(l.rate), 0.5*l.rate) * d * haste(t-l.met)
		return false
	}
	l.rate *= 1 + l.step
	l.step = min(1, 2*l.step)
	return false
}

// haste is how much faster than at first the rate grows, that long after loss.
func haste(d moment) float64 {
	s := max(0, d-lanPatience).Seconds()
	return 1 + 10*s + s*s/4
}
