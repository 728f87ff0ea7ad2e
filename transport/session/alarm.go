package session

import (
	"sync"
	"time"
)

// alarm is the session's one timer. Anybody may ask for an earlier wake-up;
// the goroutine then runs what is due in both directions.
type alarm struct {
	s *Session

	mu    sync.Mutex
	timer *time.Timer
	at    time.Time // zero: not armed
	ended bool
	busy  sync.WaitGroup
}

func (a *alarm) init(s *Session) { a.s = s }

// arm asks for a wake-up at t, unless an earlier one is set. The zero time
// asks for nothing.
func (a *alarm) arm(t time.Time) {
	if t.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || (!a.at.IsZero() && !t.Before(a.at)) {
		return
	}
	a.at = t
	d := max(0, time.Until(t))
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.ring)
		return
	}
	a.timer.Reset(d)
}

// ring runs in the timer's own goroutine.
func (a *alarm) ring() {
	a.mu.Lock()
	if a.ended {
		a.mu.Unlock()
		return
	}
	a.at = time.Time{}
	a.busy.Add(1)
	a.mu.Unlock()
	defer a.busy.Done()
	now := time.Now()
	a.s.tx.timeout()
	a.arm(a.s.advanceReceivers(now))
}

// stop ends the timer and waits for a ring that is running.
func (a *alarm) stop() {
	a.mu.Lock()
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.busy.Wait()
}
