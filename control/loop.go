package control

import (
	"context"
	"time"
)

// Machine is what Run drives. Root and Leaf are the two.
type Machine interface {
	// Handle takes one whole frame from a connection; a leaf has only RootID.
	// The frame is read during the call and not kept.
	Handle(now time.Time, from uint32, frame []byte)
	// Advance lets time-outs happen.
	Advance(now time.Time)
	// NextTimeout is when Advance is next needed. Zero: nothing is armed.
	NextTimeout() time.Time
	// Poll returns what to do next, until false. Call it to the end after
	// every input: outputs are kept for nobody else to bound.
	Poll() (Output, bool)
}

// Run is the one loop that drives a machine, in the caller's goroutine, until
// ctx ends; it returns the cause. The machine belongs to it meanwhile: others
// send a func through in. out gets every output in order and must not block;
// it appends to a connection's bounded buffer or sets a bit.
func Run[M Machine](ctx context.Context, m M, in <-chan func(time.Time, M), out func(Output)) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for o, ok := m.Poll(); ok; o, ok = m.Poll() {
			out(o)
		}
		var expired <-chan time.Time
		if t := m.NextTimeout(); !t.IsZero() {
			timer.Reset(time.Until(t))
			expired = timer.C
		}
		select {
		case f := <-in:
			f(time.Now(), m)
		case <-expired:
			m.Advance(time.Now())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
