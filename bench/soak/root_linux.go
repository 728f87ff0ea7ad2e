package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// What a sender does.
const (
	running int32 = iota
	waiting       // the reliable stream is silent, the other ticks
	silent        // both are
)

// sender sends one of the root's streams, message after message.
type sender struct {
	s      *soak
	stream flow.Stream
	begun  atomic.Uint64 // messages whose Send was called
	done   atomic.Uint64 // whose Send returned
	bytes  atomic.Uint64
	mode   atomic.Int32
	parked atomic.Bool
	more   atomic.Bool // one message, though it is to be silent
}

const (
	smallEvery = 2 * time.Millisecond  // best effort
	tickEvery  = 50 * time.Millisecond // while the reliable stream waits
	burst      = 100 * time.Millisecond
)

func (x *sender) run() {
	buf := make([]byte, 0, longest)
	due := time.Now()
	for n := uint64(0); x.turn(&due); n++ {
		buf = x.s.script.write(buf[:0], x.stream, n)
		x.begun.Store(n + 1)
		if err := x.s.root.SendStream(x.s.ctx, x.stream, buf); err != nil {
			x.s.fail("send message %d of stream %d: %v", n, x.stream, err)
			return
		}
		x.done.Store(n + 1)
		x.bytes.Add(uint64(len(buf)))
		switch {
		case x.stream == reliable:
			due = due.Add(time.Duration(len(buf)) * time.Second / time.Duration(x.s.o.Rate))
		case x.mode.Load() == running:
			due = due.Add(smallEvery)
		default:
			due = due.Add(tickEvery)
		}
	}
}

// turn waits until the next message is to go. A stream that was held up does
// not make good for more than a burst.
func (x *sender) turn(due *time.Time) bool {
	for {
		m := x.mode.Load()
		if m == running || m == waiting && x.stream == bestEffort || x.more.Swap(false) {
			break
		}
		x.parked.Store(true)
		if !x.s.sleep(2 * time.Millisecond) {
			return false
		}
	}
	x.parked.Store(false)
	now := time.Now()
	if due.Before(now.Add(-burst)) {
		*due = now.Add(-burst)
	}
	if d := due.Sub(now); d > time.Millisecond {
		return x.s.sleep(d)
	}
	return x.s.ctx.Err() == nil
}

// sent counts the messages whose Send was called, or has returned.
func (s *soak) sentBegun() [2]uint64 {
	return [2]uint64{s.sends[0].begun.Load(), s.sends[1].begun.Load()}
}
func (s *soak) sentDone() [2]uint64 { return [2]uint64{s.sends[0].done.Load(), s.sends[1].done.Load()} }

// hold sets what the senders do and waits until who is to be silent is.
func (s *soak) hold(mode int32) bool {
	for _, x := range s.sends {
		x.mode.Store(mode)
	}
	if mode == running {
		return true
	}
	ok := s.until(wedged, func() bool {
		return s.sends[reliable].parked.Load() && (mode == waiting || s.sends[bestEffort].parked.Load())
	})
	if !ok {
		s.fail("a Send of the root has not returned for %v, with no loss and nobody held up: %s", wedged, s.blame())
	}
	return ok
}

// arrival is a leaf as Accept or Invite gave it.
type arrival struct {
	member *rooted.Member
	high   [2]uint64 // messages begun when the call had returned
}

// expect prepares for a join with that caller data.
func (s *soak) expect(label string) chan arrival {
	c := make(chan arrival, 1)
	s.waitMu.Lock()
	s.waiting[label] = c
	s.waitMu.Unlock()
	return c
}

// arrived hands a member to who waits for it; who gave up does not.
func (s *soak) arrived(m *rooted.Member) {
	a := arrival{m, s.sentBegun()}
	s.waitMu.Lock()
	c := s.waiting[string(m.CallerData())]
	delete(s.waiting, string(m.CallerData()))
	s.waitMu.Unlock()
	if c != nil {
		c <- a
	}
}

func (s *soak) accept() {
	for {
		m, err := s.root.Accept(s.ctx)
		if err == nil {
			s.arrived(m)
			continue
		}
		if s.ending.Load() || s.ctx.Err() != nil {
			return
		}
		s.waitMu.Lock()
		hasty := time.Now().Before(s.hasty)
		s.waitMu.Unlock()
		switch code := transport.CodeOf(err); {
		case code == transport.WSAECONNREFUSED: // the condition's, counted by who was refused
		case hasty && (code == transport.WSAECONNRESET || code == transport.WSAEACCES || code == transport.WSAECONNABORTED || code == transport.WSA_OPERATION_ABORTED):
		default:
			s.fail("accept: %v", err)
		}
	}
}

// hear reads what the leaves say and checks it as they check the root's.
func (s *soak) hear() {
	buf := make([]byte, longest)
	for {
		m, err := s.root.Recv(s.ctx, buf)
		if err != nil {
			if !s.ending.Load() {
				s.fail("the root's receive: %v", err)
			}
			return
		}
		a, _ := s.heard.LoadOrStore(m.From, &account{script: s.script, stream: upward, anchored: true})
		if err := a.(*account).take(buf[:m.N], m.Missed); err != nil {
			s.fail("from member %d: %v", m.From, err)
		}
		s.tally.heard.Add(1)
	}
}

// follow reads the root's events: who joined leaves once, and none is skipped.
func (s *soak) follow() {
	in := make(map[uint32]bool)
	for {
		e, err := s.root.NextEvent(context.Background())
		if err != nil {
			return
		}
		s.log.tell("root: %v, member %d, epoch %d, code %d %s", e.Kind, e.Member, e.Epoch, int(e.Code), e.Text)
		if e.Skipped != 0 {
			s.fail("%d events were skipped", e.Skipped)
		}
		switch e.Kind {
		case rooted.Joined:
			s.tally.joined.Add(1)
			if in[e.Member] {
				s.fail("member %d joined twice", e.Member)
			}
			in[e.Member] = true
		case rooted.Left:
			s.tally.left.Add(1)
			if !in[e.Member] {
				s.fail("member %d left and was not in", e.Member)
			}
			delete(in, e.Member)
		case rooted.Rekeyed:
			s.tally.rekeyed.Add(1)
		case rooted.Quarantined: // U24: who is told so may miss what others do not
			s.quarantined.Store(e.Member, true)
			s.tally.quarantined.Add(1)
		case rooted.Returned:
			s.tally.returned.Add(1)
		}
	}
}

const (
	watchEvery   = 20 * time.Millisecond
	worthTelling = 400 * time.Millisecond // a pause that somebody may want to look into
)

// watch looks for a reliable stream that stands still and nobody holds it up. Its
// own lateness tells how long a busy machine let this program wait: that time
// counts for no limit.
func (s *soak) watch() {
	x := s.sends[reliable]
	last, since, tick := uint64(0), time.Now(), time.Now()
	var still time.Duration // whoever is to blame
	for s.sleep(watchEvery) {
		now, done := time.Now(), x.done.Load()
		if late := now.Sub(tick) - watchEvery; late > watchEvery { // the machine had no time for this program
			s.frozen.Store(max(s.frozen.Load(), int64(late)))
			if late > worthTelling {
				s.log.tell("this program did not run for %v", late)
			}
			since = since.Add(late)
		}
		ran := min(now.Sub(tick), 2*watchEvery)
		s.awake.Add(int64(ran))
		tick = now
		if still += ran; done != last || x.parked.Load() {
			still = 0
		}
		s.still.Store(max(s.still.Load(), int64(still)))
		d := now.Sub(since)
		if done != last || s.blocks.Load() > 0 || x.parked.Load() {
			if d > worthTelling {
				s.log.tell("the reliable stream stood still for %v, and nobody held it up", d)
			}
			last, since = done, now
			continue
		}
		s.pause.Store(max(s.pause.Load(), int64(d)))
		if d > wedged {
			s.fail("wedged: message %d of the reliable stream has waited for %v, and no leaf is stopped or cut off: %s", last, d.Round(time.Millisecond), s.blame())
		}
	}
}

// blame tells what the root knows of each member.
func (s *soak) blame() (text string) {
	st := s.root.Stats().Data
	text = fmt.Sprintf("sender %+v; refused %d", st.Sender, st.Refused)
	for _, m := range s.root.Members() {
		text += fmt.Sprintf("\n  member %d at %v: %+v", m.ID, m.Addr, m.Sending)
	}
	for _, p := range s.slots {
		if l := p.current(); l != nil {
			text += fmt.Sprintf("\n  %s is member %d: %+v", l.name, l.leaf.ID(), l.leaf.Stats().Data.Receivers)
		}
	}
	return text
}
