package nonrooted

import "sync/atomic"

// once is sync.Once for what takes a while: who comes second waits at a
// channel, where a synctest bubble's clock goes on.
type once struct {
	begun atomic.Bool
	over  chan struct{}
}

func (o *once) init() { o.over = make(chan struct{}) }

// do runs f for the first caller. All return when f has.
func (o *once) do(f func()) {
	if o.begun.CompareAndSwap(false, true) {
		defer close(o.over)
		f()
		return
	}
	<-o.over
}
