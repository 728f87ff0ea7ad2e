package joinleaf

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// callbacks knows which goroutines are inside a condition function, so that
// their calls are WSAEINPROGRESS and nobody else's are (R50, R105, A21).
type callbacks struct {
	running atomic.Int32
	mu      sync.Mutex
	in      map[uint64]int
}

// run calls f as a callback.
func (c *callbacks) run(f func()) {
	id := goroutine()
	c.mu.Lock()
	if c.in == nil {
		c.in = make(map[uint64]int)
	}
	c.in[id]++
	c.running.Add(1)
	c.mu.Unlock()
	defer func() { // whatever ends f, a panic too
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running.Add(-1)
		if c.in[id]--; c.in[id] == 0 {
			delete(c.in, id)
		}
	}()
	f()
}

// here reports whether the caller runs inside a callback. It costs one load
// where there is none.
func (c *callbacks) here() bool {
	if c.running.Load() == 0 {
		return false
	}
	id := goroutine()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in[id] > 0
}

// goroutine is the number of the caller's goroutine, as a stack trace has it:
// the runtime tells it in no other way.
func goroutine() uint64 {
	var b [64]byte
	s := bytes.TrimPrefix(b[:runtime.Stack(b[:], false)], []byte("goroutine "))
	digits, _, _ := bytes.Cut(s, []byte(" "))
	n, _ := strconv.ParseUint(string(digits), 10, 64)
	return n
}
