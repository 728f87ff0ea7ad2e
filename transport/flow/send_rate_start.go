package flow

// The start of the LAN law: it doubles until a doubling is lost.

// interval is that of the start: a step is seen four round trips later.
func (l *lanRate) interval() moment {
	d := lanInterval
	for i := range l.members {
		if m := &l.members[i]; m.here {
			d = max(d, 4*m.rtt)
		}
	}
	return min(d, 20*lanInterval)
}

// stepUp is a doubling of the start.
func (l *lanRate) stepUp(t moment) {
	l.double, l.doubled = never, t
	if l.rate *= 2; l.rate > largestRate {
		l.goFree(t)
	}
}

// judgeStart ends the start when a quarter was lost that was not before, half
// of what the last doubling added, twice in a row: the rate goes below what
// arrived. Else it doubles, at once.
func (l *lanRate) judgeStart(t moment, m *lanMember, rtt moment) {
	d := t - m.openAt
	// At least what leaves in 2 ms, or four batches where those are fewer: the loss
	// of one is no quarter of them.
	if float64(m.expected) < max(32, min(l.rate*0.002/l.packet, 4*MaxSegments)) || d < lanHeard {
		return
	}
	l.unheard = 0
	p, sure := m.loss()
	if m.excess(p-sure) > lanBad {
		if !m.again { // where batches are lost whole, chance takes two of four now and then
			m.again = true
			m.restart(t)
			return
		}
		m.suspect, m.seen = true, p
		l.test(t, l.rate, min(l.rate, float64(m.came)*l.packet/d.Seconds()))
		return
	}
	m.again = false
	m.learn()
	m.restart(t)
	if t-l.doubled >= max(lanHeard, 2*rtt) {
		l.stepUp(t)
	}
}
