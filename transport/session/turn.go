package session

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// turn says who reads a socket: its reader's goroutine or, where packets come one
// by one, whoever waits in Recv. The latter saves waking a second thread for each
// message, which takes longer than all that is done with it; where packets come
// in company the two share the work. Both wait at bells of their own, so that the
// turn moves without waking anybody. The receive lock guards it.
//
//	          Recv finds nothing (Unset)
//	background ------------------------> lent
//	    ^                                 |
//	    '------- something came (Set) ----'
type turn struct {
	r     *reader
	guest transport.Bell // of who waits in Recv
	lent  bool
	idle  bool          // the reader's goroutine waits at its bell
	aside bool          // the guest's bell is detached
	over  bool          // the socket is closed
	out   chan struct{} // then: closed by the guest who was still in
	watch watch

	called atomic.Bool // the guest is, while it polls
	alone  bool        // there is one processor for all goroutines
}

// looks is how many times a guest that polls looks at the socket between two looks at
// the clock.
const looks = 8

// newTurn makes a turn for the one socket that Recv reads itself, if it is of
// the kind and there is no order; nil leaves it to the reader.
func (s *Session) newTurn(r *reader) *turn {
	if r.own == nil || s.ord != nil || s.c.SendOnly {
		return nil
	}
	guest, err := r.turns.NewBell()
	if err != nil {
		return nil // closing the socket closes the one that was made
	}
	r.single, r.sparse = true, true // until more is known
	return &turn{r: r, guest: guest, alone: runtime.GOMAXPROCS(0) == 1}
}

// lead makes r's socket the one that Recv reads; the caller holds the lock.
func (x *receiver) lead(r *reader) {
	if r.turn = x.s.newTurn(r); r.turn == nil {
		return
	}
	old := x.turn
	x.turn = r.turn
	if old != nil {
		old.call() // who waits there may wait here
	}
}

// take takes the turn for who waits in Recv, if it is to be had.
func (t *turn) take() bool {
	if t == nil || t.over || t.lent || !t.idle || !t.r.sparse {
		return false
	}
	t.r.own.Unset()
	t.lent, t.aside = true, false
	t.called.Store(false)
	return true
}

// call has the guest look elsewhere.
func (t *turn) call() {
	t.called.Store(true)
	t.guest.Wake()
}

// leave ends a guest's turn.
func (t *turn) leave() {
	t.lent = false
	if t.over {
		close(t.out)
		return
	}
	t.r.own.Set()
}

// wait is the reader's goroutine's: until there is something to read, and it is
// its turn to.
func (t *turn) wait() error {
	x := &t.r.s.rx
	x.mu.Lock()
	t.idle = true
	if t.r.own.Set(); !t.r.sparse {
		t.detach() // many packets come, and each would look at that bell
	}
	if t == x.turn {
		x.bell.ring() // who came while this goroutine read may have the turn now
	}
	x.mu.Unlock()
	for {
		_, err := t.r.own.Wait(false)
		x.mu.Lock()
		if err != nil || !t.lent {
			t.idle = false
			x.mu.Unlock()
			return err
		}
		x.mu.Unlock()
	}
}

// detach takes the guest's bell off the socket; the caller holds the lock.
func (t *turn) detach() {
	if !t.aside {
		t.aside = true
		t.guest.Detach()
	}
}

// retire is the end: the reader's goroutine waits for a guest to be out.
func (t *turn) retire() {
	x := &t.r.s.rx
	x.mu.Lock()
	t.over = true
	if x.turn == t {
		x.turn = nil
	}
	if t.lent {
		t.out = make(chan struct{})
		x.mu.Unlock()
		<-t.out
		x.mu.Lock()
	}
	t.watch.end()
	x.mu.Unlock()
}

// await waits until there may be something to read: at the socket, if its turn is
// to be had, else for who has it. The caller holds the lock, which is let go
// meanwhile.
func (x *receiver) await(ctx context.Context) error {
	t := x.turn
	if !t.take() {
		return x.sleep(ctx)
	}
	x.mu.Unlock()
	failed := t.pull(ctx)
	x.mu.Lock()
	t.leave()
	switch {
	case ctx.Err() != nil:
		return waitOver(ctx)
	case failed == nil || t != x.turn:
		return nil
	}
	return x.sleep(ctx) // whose turn it is now finds out what ails the socket
}

// pull waits for the socket, and reads it once. Whatever else may end Recv's wait
// ends it early; a done ctx leaves a look at what is there.
func (t *turn) pull(ctx context.Context) error {
	if ctx.Err() != nil {
		return t.read()
	}
	if n, err := t.poll(ctx); n > 0 || err != nil || t.called.Load() {
		return err
	}
	t.watch.begin(ctx, t.guest)
	rung, err := t.guest.Wait(true)
	t.watch.pause()
	if rung {
		err = t.read()
	}
	return err
}

// read is a guest's reading.
func (t *turn) read() error {
	_, err := t.look()
	return err
}

func (t *turn) look() (int, error) {
	r := t.r
	r.offer()
	n, err := r.turns.ReadNow(r.ds)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		r.s.readFailed(r, err)
	}
	if n > 0 {
		r.work(time.Now(), n) // who reads one packet at a time rests at the bell
	}
	return n, err
}

// poll looks again and again, as long as Config.BusyPoll says: until something was
// there, or Recv is wanted elsewhere.
func (t *turn) poll(ctx context.Context) (n int, err error) {
	d := t.r.s.c.BusyPoll
	if d <= 0 {
		return 0, nil
	}
	for began := time.Now(); ; {
		for range looks {
			if n, err = t.look(); n > 0 || err != nil || t.called.Load() {
				return n, err
			}
			yield()
		}
		if ctx.Err() != nil || time.Since(began) >= d {
			return 0, nil
		}
		if t.alone {
			runtime.Gosched() // elsewhere it only has another thread wake, and look for work
		}
	}
}

// watch has a done ctx ring for who waits at a bell. To say so costs more than
// the wait, so where the same ctx comes again and again that stands.
type watch struct {
	done  <-chan struct{}
	again bool
	stop  func() bool
}

func (w *watch) begin(ctx context.Context, b transport.Bell) {
	done := ctx.Done()
	if w.again = done == w.done; !w.again {
		w.end()
		w.done = done
	}
	if done != nil && w.stop == nil {
		w.stop = context.AfterFunc(ctx, b.Wake)
	}
}

func (w *watch) pause() {
	if !w.again {
		w.end()
	}
}

func (w *watch) end() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}
