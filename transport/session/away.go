package session

import "time"

// A bell on a socket costs something with each packet that comes, even while
// nobody waits at it, and with each that goes: the kernel looks for who waits for
// room when it frees a packet that has left. With single packets at full speed
// that is a twentieth of what sending them takes. So who will look again soon
// anyway takes the bells off: a reader whose packets gather, and one who reads
// feedback while this member sends as fast as it can.
const (
	awayNaps = 4                      // rests in a row until the bells are taken off
	awayLook = 500 * time.Microsecond // a timer may take a millisecond for it
	awayCalm = 10 * time.Millisecond  // not while a Send has waited within: feedback may be what it waits for
	awayOver = 2 * time.Millisecond   // the speed is judged over this long at least
)

// away is a reader's part of that.
type away struct {
	off   bool // the bells are off the socket
	naps  int  // since the last wait at a bell
	timer *time.Timer

	fast  bool // this member sends at speed
	at    time.Time
	sent  uint64    // by then
	until time.Time // somebody waits for feedback
}

// gather lets packets come together.
func (r *reader) gather(d time.Duration) {
	if r.away.naps++; r.away.naps == awayNaps {
		r.detach()
	}
	nap(d)
}

func (r *reader) detach() {
	if r.away.off || r.own == nil {
		return
	}
	r.away.off = true
	r.own.Detach()
	if r.turn != nil {
		x := &r.s.rx
		x.mu.Lock()
		r.turn.detach()
		x.mu.Unlock()
	}
}

// wait waits until there may be something to read.
func (r *reader) wait() error {
	if r.sending(time.Now()) {
		r.detach()
		return r.lookLater()
	}
	r.away.off, r.away.naps = false, 0
	if r.turn != nil {
		return r.turn.wait()
	}
	_, err := r.own.Wait(true)
	return err
}

// sending reports whether this is the socket that packets leave by, many of
// them, and nobody waits for what comes back.
func (r *reader) sending(now time.Time) bool {
	a, t := &r.away, &r.s.tx
	if r.group.IsValid() || t.sender == nil {
		return false
	}
	if t.waited.Swap(false) {
		a.until = now.Add(awayCalm)
	}
	if d := now.Sub(a.at); d >= awayOver {
		sent := r.s.wr.sent.Load()
		a.fast = time.Duration(sent-a.sent) > d/restGap
		a.at, a.sent = now, sent
	}
	return a.fast && now.After(a.until)
}

// lookLater waits for a moment, or until a Send waits.
func (r *reader) lookLater() error {
	a := &r.away
	if a.timer == nil {
		a.timer = time.NewTimer(awayLook)
	} else {
		a.timer.Reset(awayLook)
	}
	select {
	case <-a.timer.C:
	case <-r.s.tx.back:
		a.timer.Stop()
	case <-r.s.done:
		a.timer.Stop()
	}
	return nil
}

// callBack wants feedback as soon as it comes.
func (t *transmitter) callBack() {
	if t.waited.Swap(true) {
		return
	}
	select {
	case t.back <- struct{}{}:
	default:
	}
}
