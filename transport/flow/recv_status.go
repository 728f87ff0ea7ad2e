package flow

import "time"

const (
	statusEvery  = 50 * time.Millisecond
	statusCaught = 5 * time.Millisecond // after everything known was taken
)

// limit is the first sequence that the sender must not send yet: delivered +
// window, and heard + what the socket holds, whichever is less. Best effort
// holds nothing back for the application. What a BEAT says was sent has left
// the socket or was lost, so a lost tail cannot hold the limit down.
func (r *Receiver) limit(st *stream) uint64 {
	l := st.known + r.share
	if st.class == Reliable {
		l = min(l, st.base+r.window)
	}
	return min(max(l, st.told.limit), seqMax)
}

func (r *Receiver) quarter(st *stream) uint64 { return max(1, min(r.share, r.window)/4) }

// scheduleStatus sets the time of the next STATUS: at once when a quarter of a
// window was freed, soon when everything was taken, else every 50 ms while
// there is news; every n ms in groups above 50.
func (r *Receiver) scheduleStatus(t moment) {
	if r.c.NoFeedback || !r.started {
		return
	}
	due := never
	for _, st := range r.streams {
		if st == nil {
			continue
		}
		l := limits{delivered: st.base, highest: st.known, limit: r.limit(st)}
		switch {
		case l == st.told:
		case l.limit-st.told.limit >= r.quarter(st):
			r.reportCredit(t)
		case st.base == st.known:
			due = min(due, max(t, r.told+max(statusCaught, r.statusGap())))
		default:
			due = min(due, r.told+max(statusEvery, moment(r.beat.leaves)*time.Millisecond))
		}
	}
	r.statusAt = min(r.statusAt, due)
	r.urgent = r.statusAt <= t
}

// statusGap is the time in which each member may speak once, at 4,000 a second
// in all.
func (r *Receiver) statusGap() moment { return moment(r.beat.leaves) * time.Second / naksInAll }

// Poll appends the next NAK or STATUS to dst; false: none is due. The frame is
// for the sender alone, at most Symbol + 16 bytes.
func (r *Receiver) Poll(now time.Time, dst []byte) ([]byte, bool) {
	if !r.started || r.closed || r.c.NoFeedback {
		return dst, false
	}
	t := r.now(now)
	if dst, ok := r.pollNak(t, dst); ok {
		return dst, true
	}
	if r.urgent {
		r.scheduleStatus(t)
	}
	if r.statusAt > t {
		r.urgent = false
		return dst, false
	}
	return r.appendStatus(t, dst), true
}

func (r *Receiver) appendStatus(t moment, dst []byte) []byte {
	f := status{expected: uint32(r.heard.expected), heard: uint32(r.heard.heard),
		rebuilt: r.stats.Rebuilt, host: r.heard.host, late: r.stats.Drops[DropLate]}
	f.echoed, f.echo, f.held = r.echoOf(t)
	for i, st := range r.streams {
		e := statusStream{sender: r.c.Sender, stream: Stream(i)}
		if st == nil {
			start := r.edges[i].Seq
			e.delivered, e.highest, e.limit = start, start, min(start+r.firstLimit(), seqMax)
		} else {
			st.told = limits{delivered: st.base, highest: st.known, limit: r.limit(st)}
			e.delivered, e.highest, e.limit = st.told.delivered, st.told.highest, st.told.limit
			f.lost += st.lostSymbols
		}
		f.streams[i] = e
	}
	f.n = len(r.streams)
	r.told, r.statusAt, r.urgent = t, never, false
	r.stats.Statuses++
	return appendStatus(dst, &f)
}

// echoOf is the newest stamp heard and how long ago that was, unless that is
// too long for 32 bits.
func (r *Receiver) echoOf(t moment) (ok bool, echo, held uint32) {
	us := micro(t - r.echoAt)
	if !r.echoed || us < 0 || us > 1<<30 {
		return false, 0, 0
	}
	return true, r.echo, uint32(us)
}

// NextTimeout is when Advance and Poll will next have something to do; the
// zero time means not before the next frame or Read.
func (r *Receiver) NextTimeout() time.Time {
	if !r.started || r.closed {
		return time.Time{}
	}
	t := r.statusAt
	for _, st := range r.streams {
		if st != nil && st.waitAt != never {
			t = min(t, st.waitAt+st.patience())
		}
		if st == nil || len(st.sections) == 0 {
			continue
		}
		t = min(t, st.givesUp(&st.sections[0]))
		if due := st.nakDue(); due != never && !r.c.NoFeedback {
			t = min(t, max(due, r.nakOK))
		}
	}
	return at(r.c.Start, t)
}

// pathCount counts what came to the group against what must have been sent.
// Two epochs are open at a time, each with numbers of its own.
type pathCount struct {
	expected, heard, host uint64
	epoch, top            uint64 // the newest epoch and its highest number
	before, beforeTop     uint64 // the one before
	first                 uint64 // lowest number that counts in the first epoch
	alone, beforeAlone    uint8  // as the packet of the highest number said
	overflow              uint32
	begun                 bool
}

// packet counts one packet. A gap in the numbers before a packet whose buffer
// shows a risen overflow count is what the host dropped: the count is of
// buffers, the gap of packets.
func (p *pathCount) packet(m *Meta) {
	if m.Pairwise {
		return
	}
	var step uint64
	switch {
	case !p.begun:
		*p = pathCount{begun: true, epoch: m.Epoch, top: m.Number, before: m.Epoch, first: m.Number, alone: m.Alone, overflow: m.Overflow}
		step = 1
	case m.Epoch > p.epoch:
		p.before, p.beforeTop, p.beforeAlone = p.epoch, p.top, p.alone
		p.epoch, p.top, p.first = m.Epoch, m.Number, 0
		step = among(m.Number+1, &p.alone, m)
	case m.Epoch == p.epoch && m.Number < p.first || m.Epoch < p.before:
		return // sent before the first that was heard
	case m.Epoch == p.epoch && m.Number > p.top:
		step, p.top = among(m.Number-p.top, &p.alone, m), m.Number
	case m.Epoch == p.before && m.Epoch < p.epoch && m.Number > p.beforeTop:
		step, p.beforeTop = among(m.Number-p.beforeTop, &p.beforeAlone, m), m.Number
	}
	p.heard++
	p.expected += step
	if m.Overflow != p.overflow {
		if step > 0 {
			p.host += step - 1
		}
		p.overflow = m.Overflow
	}
}

// among is how many of the last numbers, up to m's own, were the group's: feedback
// and repairs for one member take numbers as well where there is one key for all,
// and are no loss to the others. Where an epoch begins, those of the end of the one
// before are among them.
func among(numbers uint64, was *uint8, m *Meta) uint64 {
	alone := (uint64(m.Alone) + AloneCycle - uint64(*was)) % AloneCycle
	*was = m.Alone
	return numbers - min(numbers-1, alone)
}
