package flow

import (
	"math"
	"time"
)

// lanMember is one member's word in this round of the LAN law, and its loss of
// late.
type lanMember struct {
	here, open, ready bool // counted; counts in this round; has said enough
	heardAt, openAt   moment
	rtt               moment // the least seen
	lossCount                // of this round

	least      [2]float64 // least loss in these 5 s, and in the 5 s before
	pool       lossCount  // rounds that are judged together
	doubts     int        // rounds in a row with more loss than usual
	doubtful   lossCount  // of those
	suspect    bool       // its loss is being tested
	seen       float64    // its loss when the test began
	proved     bool       // what is usual does not go with the rate
	again      bool       // start: its last count was bad as well
	accept     float64    // loss that was tested and is not the rate's
	acceptTill moment
	hold       moment // for how long the next is accepted

	heavyAt    moment // since when it loses more than a fifth; never: it does not
	tell, told bool
}

const (
	lanMargin = 0.03 // above the usual
	lanBad    = 0.25 // half of what a doubling adds; too much where nothing is usual yet
	lanHeavy  = 0.2
	lanPool   = 2048 // packets: 5 % is then 4 to 6
	lanAccept = 250 * time.Millisecond
)

func newLANMember() lanMember {
	return lanMember{here: true, rtt: never, hold: lanAccept, heavyAt: never, least: [2]float64{math.Inf(1), math.Inf(1)}}
}

// restart begins to count anew.
func (m *lanMember) restart(t moment) {
	m.open, m.openAt, m.lossCount = true, t, lossCount{}
}

// lossCount is how many packets should have come, and how many did.
type lossCount struct{ expected, came uint64 }

// loss is the share that was lost, and two standard deviations of it.
func (c lossCount) loss() (p, sure float64) {
	n := float64(c.expected)
	p = max(0, (n-float64(c.came))/n)
	return p, 2 * math.Sqrt((p*(1-p)+0.25/n)/n)
}

// usual is the least loss of the last 10 s; before any is known, it is 0.
func (m *lanMember) usual() (p float64, known bool) {
	if p = min(m.least[0], m.least[1]); math.IsInf(p, 1) {
		return 0, false
	}
	return p, true
}

// learn keeps the least. It takes the upper end of what a loss may be, for the
// least of many rounds would else be their luckiest; and rounds are put
// together until that is near, or who came last, and knows few, would bear
// more loss than others.
func (m *lanMember) learn() {
	m.least[0] = min(m.least[0], m.atMost(3))
	m.pool.expected += m.expected
	m.pool.came += m.came
	if m.pool.expected >= lanPool {
		m.least[0] = min(m.least[0], m.pool.atMost(2))
		m.pool = lossCount{}
	}
}

// atMost is the upper end of what the loss may be, z standard deviations up, by
// E. B. Wilson's interval (1927): it holds for few packets too, and where none
// was lost.
func (c lossCount) atMost(z float64) float64 {
	n := float64(c.expected)
	p, _ := c.loss()
	w := z * z / n
	return (p + w/2 + z*math.Sqrt(p*(1-p)/n+w/(4*n))) / (1 + w)
}

// forget puts aside the 5 s that are over.
func (m *lanMember) forget() {
	was, _ := m.usual()
	m.least = [2]float64{math.Inf(1), m.least[0]}
	if now, known := m.usual(); !known || now > was+lanMargin {
		m.proved = false
	}
}

// above is by how much p is more than usual.
func (m *lanMember) above(p float64) float64 {
	usual, _ := m.usual()
	return max(0, p-usual)
}

// excess is the share that is lost of what usually comes.
func (m *lanMember) excess(p float64) float64 {
	usual, _ := m.usual()
	return m.above(p) / (1 - min(usual, 0.99))
}

// doubt judges a round. Rounds in a row with more loss than usual are taken
// together: the longer it lasts, the less chance explains it. some says that it
// may be more than usual; sunk is what share of what usually comes is surely
// lost, if that is enough to act upon: two such rounds, or one of a fifth when
// quick is set.
func (m *lanMember) doubt(t moment, quick bool) (some bool, sunk float64) {
	usual, known := m.usual()
	limit := usual + lanMargin
	if !known {
		limit = lanBad
	}
	p, _ := m.loss()
	some = p > limit
	if t < m.acceptTill {
		limit = max(limit, m.accept+lanMargin)
	}
	if p <= limit {
		m.doubts, m.doubtful = 0, lossCount{}
		return some, 0
	}
	m.doubts++
	m.doubtful.expected += m.expected
	m.doubtful.came += m.came
	p, sure := m.doubtful.loss()
	if sunk = m.excess(p - sure); p-sure <= limit || m.doubts < 2 && !(quick && sunk > lanHeavy) {
		return true, 0
	}
	m.suspect, m.seen = true, p
	m.doubts, m.doubtful = 0, lossCount{}
	return true, sunk
}

// fell reports whether the loss p of a test says that the rate was its cause. A
// lone sender's loss goes altogether; at the floor a bottleneck may still lose,
// but then it is known how much. With other senders on the bottleneck it falls
// by less: a quarter, beyond chance.
func (m *lanMember) fell(p, sure, still float64, proving bool) bool {
	if proving { // by more packets, so that less of a fall is beyond chance
		return p < (m.seen+still)/2 || p+sure < 0.85*m.seen
	}
	was := m.above(m.seen)
	return m.above(p) < (was+still)/2 || m.above(p+sure) < 0.75*was
}

// failed: the loss did not move. It is accepted, longer each time; or, when
// what is usual was tested, it has been proved.
func (m *lanMember) failed(t moment, proving bool) {
	if proving {
		m.proved = true
		return
	}
	m.accept, m.acceptTill = m.seen, t+m.hold
	m.hold = min(2*m.hold, 64*lanAccept)
}

// watch tells, once, of more than a fifth lost for a second.
func (m *lanMember) watch(t moment, p float64) {
	switch {
	case p <= lanHeavy:
		m.heavyAt = never
		m.told = m.told && p > lanHeavy/2
	case m.heavyAt == never:
		m.heavyAt = t
	case t-m.heavyAt >= time.Second && !m.told:
		m.tell, m.told = true, true
	}
}
