package session

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// reports holds feedback frames until whoever holds the sending mutex takes
// them. A reader never waits for that mutex: it is held through sealing and the
// system call, and in a loop of Sends nearly always.
type reports struct {
	pending atomic.Bool

	mu   sync.Mutex
	list []report
	buf  []byte
	took []report // the list that is being worked on
	back []byte
}

type report struct {
	kind     uint8 // of the packet: feedback is data's, questions a manifest's
	from     uint32
	addr     netip.AddrPort
	off, end int
}

// reportRoom bounds what waits, in bytes; more is dropped, as the network might
// have: feedback repeats itself.
const reportRoom = 1 << 18

func (q *reports) add(kind uint8, from uint32, addr netip.AddrPort, frame []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.buf)+len(frame) > reportRoom {
		return false
	}
	off := len(q.buf)
	q.buf = append(q.buf, frame...)
	q.list = append(q.list, report{kind, from, addr, off, len(q.buf)})
	q.pending.Store(true)
	return true
}

// swap takes the list; the caller holds the sending mutex.
func (q *reports) swap() ([]report, []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list, q.took = q.took[:0], q.list
	q.buf, q.back = q.back[:0], q.buf
	q.pending.Store(false)
	return q.took, q.back
}

// unlock lets go of the sending mutex, after what came to be done meanwhile:
// feedback, and what the timer found due. What comes between the last look and
// the letting go is seen after it: either by who brought it, and finds the
// mutex free, or here.
func (t *transmitter) unlock() {
	for {
		if t.reports.pending.Load() {
			t.takeReports()
		}
		if t.due.Load() {
			t.due.Store(false)
			t.advance(t.tick())
		}
		told, stamped := t.noticed(), t.stamped
		t.stamped = false
		t.mu.Unlock()
		if stamped {
			t.s.rx.wakeOrder()
		}
		for _, e := range told {
			t.s.c.Notice(e)
		}
		if !t.reports.pending.Load() && !t.due.Load() || !t.mu.TryLock() {
			return
		}
	}
}

// nudge has what was reported taken up, now or by who holds the mutex.
func (t *transmitter) nudge() {
	if t.sender != nil && t.mu.TryLock() {
		t.unlock()
	}
}

// noticed takes what the machine has to tell, which is rarely anything.
func (t *transmitter) noticed() (told []flow.Event) {
	if t.sender == nil || t.s.c.Notice == nil {
		return nil
	}
	for {
		e, ok := t.sender.Event()
		if !ok {
			return told
		}
		told = append(told, e)
	}
}

// takeReports gives the machine its feedback and sends what it asks for.
func (t *transmitter) takeReports() {
	list, buf := t.reports.swap()
	now := t.tick()
	for _, r := range list {
		if old, ok := t.addrs[r.from]; ok && r.addr.IsValid() && old != r.addr {
			t.addrs[r.from] = r.addr // it opened: the member moved, or sits behind a NAT
		}
		var d Drop
		if frame := buf[r.off:r.end:r.end]; r.kind == kindManifest {
			d = t.question(now, r.from, frame)
		} else {
			d = FlowDrop(t.sender.Handle(now, r.from, frame))
		}
		if d != DropNone {
			t.drops[d]++
		}
	}
	t.restamp(now)
	t.push(now)
	t.full = t.full && t.sender.Due(now) >= queueLimit
	t.room.ring()
	t.armSender()
}

// tick reads the clock. The difference to a fixed time is half as dear as
// time.Now.
func (t *transmitter) tick() time.Time {
	t.now = t.s.origin.Add(time.Since(t.s.origin))
	return t.now
}
