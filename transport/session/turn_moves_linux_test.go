package session

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

func TestTurn_TwoThatReceiveGetEverythingOnce(t *testing.T) {
	const messages, readers = 3000, 3
	h := newOnLo(t, flow.Reliable)
	var mu sync.Mutex
	seen := make(map[uint64]int)
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			p := make([]byte, 64<<10)
			for {
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if i == 0 {
					ctx, cancel = context.WithTimeout(ctx, 300*time.Microsecond) // done often while it waits
				}
				_, err := h.recv.Recv(ctx, p)
				cancel()
				switch {
				case err == io.EOF:
					return
				case errors.Is(err, context.DeadlineExceeded):
					continue
				case err != nil:
					t.Error(err)
					return
				}
				mu.Lock()
				seen[binary.BigEndian.Uint64(p)]++
				mu.Unlock()
			}
		})
	}
	for n := range uint64(messages) {
		h.say(t, n, 8)
		if n%5 == 0 {
			runtime.Gosched()
		}
	}
	if err := h.send.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	h.recv.EndReceive(io.EOF)
	wg.Wait()
	for n := range uint64(messages) {
		if seen[n] != 1 {
			t.Fatalf("message %d came %d times", n, seen[n])
		}
	}
}

// counting counts how often the turn moves.
type counting struct {
	transport.TurnConn
	lent, home, detached atomic.Int64
}

type countingBell struct {
	transport.Bell
	c *counting
}

func (c *counting) NewBell() (transport.Bell, error) {
	b, err := c.TurnConn.NewBell()
	return countingBell{b, c}, err
}

func (b countingBell) Detach() { b.c.detached.Add(1); b.Bell.Detach() }
func (b countingBell) Set()    { b.c.home.Add(1); b.Bell.Set() }
func (b countingBell) Unset()  { b.c.lent.Add(1); b.Bell.Unset() }

// One application asks at all kinds of moments, messages come alone and in
// company: the turn moves thousands of times, and nothing is lost or comes twice.
func TestTurn_MovesThousandsOfTimesAndNothingIsLost(t *testing.T) {
	const messages = 6000
	c := &counting{}
	h := newOnLo(t, flow.Reliable, func(_, recv *Config) {
		c.TurnConn = recv.Group.(transport.TurnConn)
		recv.Group = c
	})
	go func() {
		seed := uint64(1)
		for n := uint64(0); n < messages; {
			seed = seed*6364136223846793005 + 1442695040888963407
			company := min(1+seed>>60, messages-n)
			for range company {
				if err := h.send.Send(context.Background(), 0, binary.BigEndian.AppendUint64(make([]byte, 0, 700), n)[:700]); err != nil {
					t.Error(err)
					return
				}
				n++
			}
			h.send.Flush()
			if seed>>32&3 == 0 {
				time.Sleep(time.Duration(seed>>40&1023) * time.Microsecond)
			}
		}
	}()
	for n := range uint64(messages) {
		if n%7 == 0 {
			time.Sleep(time.Duration(n%300) * time.Microsecond)
		}
		h.expect(t, n)
	}
	t.Logf("lent %d times, given back %d times", c.lent.Load(), c.home.Load())
	for n := range uint64(2000) {
		done := h.quick()
		h.say(t, n, 8)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := c.lent.Load(); n < 1000 {
		t.Errorf("the turn moved %d times only", n)
	}
}

func (h *onLo) quick() <-chan error {
	done := make(chan error, 1)
	go func() { _, err := h.recv.Recv(context.Background(), make([]byte, 4096)); done <- err }()
	return done
}

func TestTurn_AllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := newOnLo(t, flow.Reliable)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, q := make([]byte, 64), make([]byte, 4096)
	trip := func() {
		if err := h.send.Send(ctx, 0, p); err != nil {
			t.Fatal(err)
		}
		h.send.Flush()
		if _, err := h.recv.Recv(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	for range 2000 {
		trip()
	}
	if n := testing.AllocsPerRun(2000, trip); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

// What waited at the socket leaves nothing running behind.
func TestTurn_CloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newOnLo(t, flow.Reliable)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for n := range uint64(4) {
		done := h.waiting(t, ctx)
		h.say(t, n, 8)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	done := h.waiting(t, ctx)
	h.recv.Close()
	if err := <-done; !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
		t.Error(err)
	}
	h.send.Close()
	until(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	if h.recv.Stats().BuffersHeld != 0 {
		t.Error("buffers are held after Close")
	}
}

// Where there is an order the socket stays its reader's.
func TestTurn_OrderedSessionsKeepTheirReader(t *testing.T) {
	h := newOnLo(t, flow.Reliable, func(send, recv *Config) { send.Sequencer, recv.Sequencer = 1, 1; recv.ReceiveOnly = false })
	if u, _ := h.turn(); u != nil {
		t.Error("Recv reads the socket of an ordered session")
	}
	h.say(t, 1, 8)
	h.expect(t, 1)
}

// Where packets come in company the reader's goroutine reads, and no other bell
// is on the socket.
func TestTurn_CompanyIsTheReaders(t *testing.T) {
	c := &counting{}
	h := newOnLo(t, flow.Reliable, func(_, recv *Config) {
		c.TurnConn = recv.Group.(transport.TurnConn)
		recv.Group = c
	})
	until(t, "the bell of who waits in Recv is detached", func() bool {
		done := h.quick()
		for range 200 {
			if err := h.send.Send(t.Context(), 0, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		h.send.Flush()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for range 199 {
			h.expect(t, 0)
		}
		return c.detached.Load() > 0
	})
	until(t, "who waits in Recv has the turn again when they come alone", func() bool {
		was := c.lent.Load()
		done := h.quick()
		time.Sleep(time.Millisecond)
		h.say(t, 1, 8)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return c.lent.Load() > was
	})
}
