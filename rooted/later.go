package rooted

import (
	"sync"
	"time"
)

// later is what a session means to do after a while. A timer by itself would
// keep a closed session and its buffers for as long as it runs.
type later struct {
	mu     sync.Mutex
	timers map[*time.Timer]struct{} // nil: nothing yet, or over
	over   bool
}

// do calls f after d, in a goroutine of its own, unless the session ends before.
func (l *later) do(d time.Duration, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	if l.timers == nil {
		l.timers = make(map[*time.Timer]struct{})
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		l.mu.Lock()
		_, due := l.timers[t]
		delete(l.timers, t)
		l.mu.Unlock()
		if due {
			f()
		}
	})
	l.timers[t] = struct{}{}
}

// end lets go of what has not begun.
func (l *later) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.timers {
		t.Stop()
	}
	l.timers, l.over = nil, true
}
