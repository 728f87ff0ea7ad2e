package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// The constants of when a message leaves.
const (
	// idleGap is the pause between two Sends that shows a caller who is not in a
	// loop: the message leaves at once. Shorter than this, messages gather.
	idleGap = 10 * time.Microsecond
	// flushAfter bounds how long a gathered message waits for company;
	// flushBusy while full batches leave anyway, when waking more often would
	// cost more than it gives.
	flushAfter = 200 * time.Microsecond
	flushBusy  = time.Millisecond
	// queueLimit is how many packets may wait unsent before Send waits: the
	// ring is kept for repairs, not for delay.
	queueLimit = 4 * flow.MaxSegments
	// lookEvery is how many bytes are gathered between two looks at how many
	// packets are due.
	lookEvery = 8 << 10
	// retryAfter is the pause after the system refused to send.
	retryAfter = 10 * time.Millisecond
	// brokenAfter is how long it may refuse before Send says so.
	brokenAfter = time.Second
)

// transmitter is the sending half: one mutex, held through sealing and the
// system call, or the hand-over to who makes it, so that packets leave in the
// order of their numbers.
type transmitter struct {
	mu       sync.Mutex  // see unlock
	due      atomic.Bool // the timer has work for whoever holds the mutex
	s        *Session
	sender   *flow.Sender // nil: receive only
	batch    flow.Batch
	addrs    map[uint32]netip.AddrPort // members, by id
	left     time.Time                 // when the last Send or system call ended
	flushAt  time.Time                 // when the open packet leaves; zero: nothing gathered
	keyless  bool                      // there is no key to seal with yet
	failing  time.Time                 // since when the system refuses; zero: it does not
	retryAt  time.Time
	cause    error
	now      time.Time     // see clock
	gathered int           // bytes written since the last look at what is due
	filled   int           // batches that were full since the last look at flushAt
	full     bool          // too much waits to be sent
	reports  reports       // feedback that came while the mutex was held
	room     bell          // Sends and Drains that wait
	waited   atomic.Bool   // one has, since the reader of feedback looked
	back     chan struct{} // calls that one
	counts   sendCounts
	drops    [NumDrops]uint64 // of feedback

	stamped   bool // stamps were written: this member's Recv may go on
	prover    prover
	greetings map[uint32]*greeting // members that have not confirmed their start
	greetAt   time.Time
}

type sendCounts struct{ packets, bytes, batches, failed, manifests uint64 }

func (t *transmitter) init(s *Session) error {
	t.s, t.addrs, t.back = s, make(map[uint32]netip.AddrPort), make(chan struct{}, 1)
	if s.c.ReceiveOnly {
		return nil
	}
	t.keyless = s.c.Keyless
	f, err := flow.NewSender(flow.SenderConfig{
		Self: s.c.Self, Symbol: s.c.Symbol, Streams: s.streams, MaxMessage: s.c.MaxMessage,
		History: s.c.History, Window: s.c.Window, Rate: s.c.Rate, Law: s.c.Law, Policy: s.c.Policy, Quorum: s.c.Quorum, WaitFor: s.c.WaitFor,
		NoQuarantine: s.c.NoQuarantine, NoParity: s.c.NoParity, Replay: s.c.Replay, Latency: s.c.Latency,
		UnicastRepair: s.c.To == 0, Overhead: s.c.Sealer.Overhead(), Start: s.origin,
	})
	if err != nil {
		return fail("start data plane", transport.WSAEINVAL, err)
	}
	t.sender = f
	return nil
}

// Send gives one message to every member that is owed it. It waits while the
// credit of the slowest counted member, or the rate, allows no more; a done ctx
// ends only that wait. A message too long for the session fails with
// WSAEMSGSIZE and nothing is sent.
func (s *Session) Send(ctx context.Context, st flow.Stream, p []byte) error {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	for retried := false; ; {
		if err := t.refuse(st); err != nil {
			return err
		}
		err := flow.ErrFull
		if !t.full && t.roomForCopy(len(p)) {
			err = t.sender.Write(t.clock(), st, p)
		}
		switch {
		case err == nil:
			if s.ord != nil {
				t.copied(st, p)
			}
			t.leave(len(p))
			return nil
		case errors.Is(err, flow.ErrTooLong):
			return fail("send", transport.WSAEMSGSIZE, fmt.Errorf("%d bytes: %w", len(p), err))
		case !errors.Is(err, flow.ErrFull):
			return fail("send", transport.WSAEINVAL, err)
		}
		now := t.tick()
		t.push(now)
		if t.full = t.sender.Due(now) >= queueLimit; !t.full && !retried {
			retried = true
			continue
		}
		retried = false
		if err := t.wait(ctx, "send"); err != nil {
			return err
		}
		t.full = false
	}
}

// clock is the time, read only when nothing is gathered: in a loop of Sends a
// time that is at most flushAfter old will do.
func (t *transmitter) clock() time.Time {
	if t.flushAt.IsZero() {
		return t.tick()
	}
	return t.now
}

func (t *transmitter) refuse(st flow.Stream) error {
	switch {
	case t.s.closed():
		return errClosed("send")
	case t.sender == nil:
		return fail("send", transport.WSAEOPNOTSUPP, errors.New("this member is receive only"))
	case int(st) >= len(t.s.c.Streams):
		return fail("send", transport.WSAEINVAL, fmt.Errorf("stream %d: the session has %d", st, len(t.s.c.Streams)))
	case !t.failing.IsZero() && time.Since(t.failing) > brokenAfter:
		return fail("send", transport.WSAENETDOWN, fmt.Errorf("the system has refused to send for a second: %w", t.cause))
	}
	return nil
}

// leave decides when what was just written goes out: at once when the caller
// is not in a loop, with its successors when it is, flushAfter at the latest.
func (t *transmitter) leave(n int) {
	if t.flushAt.IsZero() {
		if t.now.Sub(t.left) >= idleGap {
			t.stamp(t.now, false)
			t.sender.Flush(t.now)
			t.push(t.now)
			t.left = t.tick()
			t.armSender()
			return
		}
		t.left, t.gathered = t.now, 0
		t.flushAt = t.now.Add(flushAfter)
		t.s.wake.arm(t.flushAt)
	}
	if t.gathered += n; t.gathered < lookEvery {
		return
	}
	t.gathered = 0
	if t.sender.Due(t.now) >= t.sender.MostOfBatch() {
		t.filled++
		t.push(t.tick())
		t.left = t.tick()
		t.full = t.sender.Due(t.now) >= queueLimit
	}
}

// wait lets go of the lock until there may be room.
func (t *transmitter) wait(ctx context.Context, op string) error {
	t.armSender()
	rung := t.room.enter()
	t.callBack()
	t.unlock()
	var err error
	select {
	case <-rung:
	case <-ctx.Done():
		err = transport.Explain(op, transport.Group{}, context.Cause(ctx))
	case <-t.s.done:
		err = errClosed(op)
	}
	t.mu.Lock()
	t.room.leave(rung)
	return err
}

// push sends what may go: batch by batch, each sealed and handed to the system.
func (t *transmitter) push(now time.Time) {
	if !t.retryAt.IsZero() {
		if now.Before(t.retryAt) {
			return
		}
		t.retryAt = time.Time{}
	}
	if t.keyless {
		t.retryAt = now.Add(retryAfter)
		return
	}
	// The scheduler takes a goroutine that has run for 10 ms off its thread, and any
	// other may go on with it, on another processor: with cold caches, and in the way
	// of who receives there. Locked it goes on where it was.
	if !t.s.wr.pipe.open.Load() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	for t.sender.Poll(now, &t.batch) {
		if err := t.transmit(now); err != nil {
			t.sender.Failed(now, &t.batch)
			t.refused(now, err)
			return
		}
		t.failing = time.Time{}
		t.prove(now)
	}
	t.prove(now)
}

// transmit seals the batch in hand into one buffer of equal segments.
func (t *transmitter) transmit(now time.Time) error {
	to := t.batch.To
	if to == 0 {
		to = t.s.c.To
	}
	dst := t.s.c.GroupAddr
	if to != 0 {
		var ok bool
		if dst, ok = t.addrs[to]; !ok {
			return fmt.Errorf("member %d has no address", to)
		}
	}
	key := to
	if to != 0 {
		key = t.s.keyFor(to)
	}
	var hashes []Hash
	if t.s.c.Signer != nil && t.batch.New() {
		hashes = t.prover.hashes[:len(t.batch.Frames)]
	}
	n, size, err := t.s.wr.sendAs(kindData, dst, key, t.batch.To != 0, t.batch.Frames, hashes)
	if err != nil {
		t.counts.failed++
		return err
	}
	if hashes != nil {
		t.sent(now, size)
	}
	t.counts.packets += uint64(n)
	t.counts.bytes += uint64(size)
	t.counts.batches++
	return nil
}

func (t *transmitter) refused(now time.Time, err error) {
	if t.failing.IsZero() {
		t.failing = now
		if !t.s.closed() {
			t.s.log.Warn("sending fails; trying again", "group", t.s.c.GroupAddr, "cause", err)
		}
	}
	t.cause, t.retryAt = err, now.Add(retryAfter)
	t.s.wake.arm(t.retryAt)
}

func (t *transmitter) armSender() { t.s.wake.arm(t.next()) }

// next is when the machine wants to be looked at, but not before the system is
// to be tried again.
func (t *transmitter) next() time.Time {
	next := earliest(t.sender.NextTimeout(), t.proveAt())
	if t.s.seq != nil {
		next = earliest(next, t.s.seq.due())
	}
	if !next.IsZero() && next.Before(t.retryAt) {
		return t.retryAt
	}
	return next
}

// timeout runs what is due on the sending side, now or, while somebody holds
// the mutex, when that one lets go of it.
func (t *transmitter) timeout() {
	if t.sender == nil {
		return
	}
	t.due.Store(true)
	if t.mu.TryLock() {
		t.unlock()
	}
}

// advance runs what is due and asks for the next look.
func (t *transmitter) advance(now time.Time) {
	switch {
	case t.flushAt.IsZero() || now.Before(t.flushAt):
	case t.filled > 1: // a loop that fills batches: the next one takes what waits
		t.filled, t.flushAt = 0, now.Add(flushBusy)
	default:
		t.filled, t.flushAt = 0, time.Time{}
		t.sender.Flush(now)
	}
	t.sender.Advance(now)
	t.restamp(now)
	t.push(now)
	t.room.ring()
	if !t.greetAt.IsZero() && !now.Before(t.greetAt) {
		t.greet(now)
	}
	t.s.wake.arm(earliest(earliest(t.flushAt, t.retryAt), earliest(t.greetAt, t.next())))
}

// Flush sends what was gathered without waiting for company.
func (s *Session) Flush() {
	t := &s.tx
	if t.sender == nil {
		return
	}
	t.mu.Lock()
	defer t.unlock()
	t.flush(time.Now())
}

// Finish is Flush where nothing more is sent and the session ends soon: what is
// still to leave then, for want of credit or by the rate, is told as missed.
func (s *Session) Finish() {
	t := &s.tx
	if t.sender == nil {
		return
	}
	t.mu.Lock()
	defer t.unlock()
	now := time.Now()
	t.sender.Finish(now)
	t.flush(now)
}

func (t *transmitter) flush(now time.Time) {
	t.flushAt = time.Time{}
	t.stamp(now, true)
	if t.s.c.Signer != nil && !t.s.c.Eager {
		t.s.c.Signer.Hurry()
	}
	t.sender.Flush(now)
	t.push(now)
	t.armSender()
}

// Drain waits until everything sent so far was delivered by every counted
// member, as far as its class promises that.
func (s *Session) Drain(ctx context.Context) error {
	t := &s.tx
	if t.sender == nil {
		return nil
	}
	if s.seq != nil {
		s.seq.wantFence() // who has read it has read what was before it
	}
	t.mu.Lock()
	defer t.unlock()
	var behind []flow.Edge
	for {
		now := time.Now()
		t.flush(now)
		t.conclude(now)
		if t.drained(&behind) {
			return nil
		}
		if s.closed() {
			return errClosed("drain")
		}
		if err := t.wait(ctx, "drain"); err != nil {
			return err
		}
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
