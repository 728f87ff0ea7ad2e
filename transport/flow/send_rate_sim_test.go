package flow

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// rateSim is a network of packets that are only counted: senders with their
// law, pacer and credit; queues that drop their tail; members that report as a
// Receiver does. One seed, one trace.
type rateSim struct {
	t     testing.TB
	rng   *rand.Rand
	at    moment
	queue rateEvents
	order int
}

type rateEvent struct {
	at    moment
	order int
	do    func()
}

type rateEvents []rateEvent

func (h rateEvents) Len() int { return len(h) }
func (h rateEvents) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h rateEvents) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *rateEvents) Push(x any)   { *h = append(*h, x.(rateEvent)) }
func (h *rateEvents) Pop() any {
	n := len(*h) - 1
	e := (*h)[n]
	*h = (*h)[:n]
	return e
}

func newRateSim(t testing.TB, seed uint64) *rateSim {
	return &rateSim{t: t, rng: rand.New(rand.NewPCG(seed, 0x5afe))}
}

func (s *rateSim) when(at moment, do func()) {
	s.order++
	heap.Push(&s.queue, rateEvent{at: max(at, s.at), order: s.order, do: do})
}

func (s *rateSim) run(until moment) {
	for len(s.queue) > 0 && s.queue[0].at <= until {
		e := heap.Pop(&s.queue).(rateEvent)
		s.at = e.at
		e.do()
	}
	s.at = until
}

// bottleneck is a queue of so many packets, at bytes a second; 0: endless.
type bottleneck struct {
	rate          float64
	packets       int
	busy          moment
	taken, tailed uint64
}

func (q *bottleneck) pass(t moment) (out moment, ok bool) {
	if q == nil || q.rate == 0 {
		return t, true
	}
	each := moment(simPacket / q.rate * 1e9)
	if q.busy < t {
		q.busy = t
	}
	if int((q.busy-t)/each) >= q.packets {
		q.tailed++
		return 0, false
	}
	q.taken++
	q.busy += each
	return q.busy, true
}

// drained is when all that waits now is through: nothing overtakes.
func (q *bottleneck) drained() moment {
	if q == nil {
		return 0
	}
	return q.busy
}

const simPacket = 1496 // a full packet on the wire

type rateMember struct {
	id               int
	loss, batch      float64 // random, of packets and of whole batches
	host             float64 // of what its own socket drops
	link             *bottleneck
	rtt              moment
	cost             moment  // to take a packet
	stall            float64 // chance that a batch waits for a core
	stallFor         moment
	silent, gone     bool
	room             uint64
	known, heard     uint64 // highest, all that came
	expected, hosted uint64
	lostAt           moment
	busy             moment
	toldAt, dueAt    moment
	told             uint64 // limit told
	last             [3]uint64
	smooth           moment
	echo             moment // what the newest batch took
	limit            uint64 // at the sender
}

type rateSender struct {
	s       *rateSim
	law     rateLaw
	pace    pacer
	path    *bottleneck
	shared  float64 // random loss before the switch
	members []*rateMember
	next    uint64
	cost    moment  // to send a packet
	app     float64 // bytes a second that are written, 0: as fast as they go
	begun   moment
	pollAt  moment
	stopped bool
	each    func() // after every report
}

func (s *rateSim) sender(kind RateLaw, fixed int64, path *bottleneck, members ...*rateMember) *rateSender {
	a := &rateSender{s: s, path: path, members: members, cost: 400, begun: s.at, pollAt: never}
	a.law.init(kind, fixed, simPacket)
	a.pace = pacer{packet: simPacket, most: MaxSegments}
	for i, m := range members {
		m.id, m.toldAt, m.dueAt, m.lostAt = i, s.at, never, -time.Second
		m.smooth = max(m.smooth, m.rtt)
		m.limit, m.told = 32, 32
	}
	s.when(s.at, a.poll)
	s.when(s.at+beatLoad, a.beat)
	return a
}

func members(n int, with rateMember) []*rateMember {
	var ms []*rateMember
	for range n {
		m := with
		ms = append(ms, &m)
	}
	return ms
}

// wake polls at that time, or earlier if that is asked for.
func (a *rateSender) wake(at moment) {
	if at >= a.pollAt {
		return
	}
	a.pollAt = at
	a.s.when(at, func() {
		if a.pollAt == at {
			a.pollAt = never
			a.poll()
		}
	})
}

func (a *rateSender) poll() {
	t := a.s.at
	if a.stopped {
		return
	}
	a.law.advance(t)
	a.pace.setRate(t, a.law.rate(), MaxSegments)
	limit := ^uint64(0)
	for _, m := range a.members {
		if !m.gone && !m.silent {
			limit = min(limit, m.limit)
		}
	}
	room := a.pace.room(t)
	n := min(uint64(room), limit-min(limit, a.next))
	if a.app > 0 {
		written := uint64(a.app * (t - a.begun).Seconds() / simPacket)
		if written <= a.next {
			a.wake(t + time.Millisecond)
			return
		}
		n = min(n, written-a.next)
	}
	switch {
	case room == 0:
		a.wake(a.pace.ready() + moment(a.s.rng.IntN(60_000)))
	case n == 0:
		a.law.blocked()
	default:
		a.transmit(t, n)
		a.wake(t + moment(n)*a.cost)
	}
}

func (a *rateSender) transmit(t moment, n uint64) {
	a.pace.spend(int(n) * simPacket)
	a.law.sent(t, int(n)*simPacket)
	outs := make([]moment, n)
	for i := range outs {
		out, ok := a.path.pass(t + moment(i)*1200)
		if !ok || a.s.rng.Float64() < a.shared {
			out = never
		}
		outs[i] = out
	}
	first := a.next
	a.next += n
	for _, m := range a.members {
		if !m.gone {
			a.deliver(m, t, first, outs)
		}
	}
}

func (a *rateSender) deliver(m *rateMember, sentAt moment, first uint64, outs []moment) {
	s := a.s
	if s.rng.Float64() < m.batch {
		return
	}
	heard, upTo, arrive := uint64(0), uint64(0), moment(0)
	for i, out := range outs {
		if out == never || s.rng.Float64() < m.loss {
			continue
		}
		if out, ok := m.link.pass(out); ok {
			heard, upTo, arrive = heard+1, first+uint64(i)+1, out
		}
	}
	if heard == 0 {
		return
	}
	arrive += m.rtt / 2
	done := max(m.busy, arrive) + moment(heard)*m.cost
	if s.rng.Float64() < m.stall {
		done += moment(s.rng.Float64() * float64(m.stallFor))
	}
	m.busy = done
	s.when(done, func() {
		if heard < uint64(len(outs)) {
			m.lostAt = s.at
		}
		m.echo = s.at - sentAt
		m.take(s, heard, upTo)
		a.status(m)
	})
}

func (m *rateMember) take(s *rateSim, heard, upTo uint64) {
	for range heard {
		if s.rng.Float64() < m.host {
			heard--
			m.hosted++
		}
	}
	m.heard += heard
	m.known = max(m.known, upTo)
	m.expected = m.known
}

// beat tells every 20 ms what was sent, as a BEAT does.
func (a *rateSender) beat() {
	for _, m := range a.members {
		n, out := a.next, max(a.s.at, a.path.drained(), m.link.drained())
		a.s.when(max(m.busy, out+m.rtt/2), func() {
			m.known = max(m.known, n)
			m.expected = m.known
			a.status(m)
		})
	}
	if !a.stopped {
		a.s.when(a.s.at+beatLoad, a.beat)
	}
}

// status follows scheduleStatus: at once when a quarter of the room moved, 5 ms
// after everything was taken, else every 50 ms.
func (a *rateSender) status(m *rateMember) {
	t := a.s.at
	limit := m.known + m.room
	if m.silent || m.gone || limit == m.told {
		return
	}
	due := max(t, m.toldAt+statusEvery)
	switch {
	case limit-m.told >= m.room/4:
		a.say(m)
		return
	case t-m.lostAt > 3*time.Millisecond: // repaired by then
		due = max(t, m.toldAt+statusCaught)
	}
	if due < m.dueAt {
		m.dueAt = due
		a.s.when(due, func() {
			if m.dueAt == due {
				a.say(m)
			}
		})
	}
}

func (a *rateSender) say(m *rateMember) {
	m.dueAt, m.toldAt, m.told = never, a.s.at, m.known+m.room
	now, limit, sample := [3]uint64{m.expected, m.heard, m.hosted}, m.told, m.echo+m.rtt/2
	a.s.when(a.s.at+m.rtt/2, func() {
		if m.gone || a.stopped {
			return
		}
		m.limit = max(m.limit, limit)
		m.smooth = (7*m.smooth + sample) / 8
		a.law.report(a.s.at, m.id, now[0]-m.last[0], now[1]-m.last[1], now[2]-m.last[2], m.smooth)
		m.last = now
		if a.each != nil {
			a.each()
		}
		a.wake(a.s.at)
	})
}

func (a *rateSender) leaves(i int) {
	a.members[i].gone = true
	a.law.gone(i)
	a.wake(a.s.at)
}

// least is what the member that has least has heard, in bytes.
func (a *rateSender) least() float64 {
	n := ^uint64(0)
	for _, m := range a.members {
		if !m.gone && !m.silent {
			n = min(n, m.heard)
		}
	}
	return float64(n) * simPacket
}
