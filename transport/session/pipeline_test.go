package session

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// watched is a socket that sees the numbers of all that is written to it.
type watched struct {
	transport.PacketConn
	t       *testing.T
	next    uint64 // written by one goroutine at a time, or the race detector says so
	packets atomic.Int64
	fail    atomic.Int32  // so many calls fail
	stuck   chan struct{} // calls wait for it, where there is one
}

func (w *watched) WriteBatch(ds []transport.Datagram) (int, error) {
	if w.stuck != nil {
		<-w.stuck
		return 0, errors.New("closed")
	}
	for _, d := range ds {
		for b := d.B; len(b) > 0; {
			n := len(b)
			if d.Segment > 0 {
				n = min(n, d.Segment)
			}
			if number := binary.BigEndian.Uint64(b[4:]); number < w.next {
				w.t.Errorf("packet %d after %d", number, w.next-1)
			} else {
				w.next = number + 1
			}
			w.packets.Add(1)
			b = b[n:]
		}
	}
	if w.fail.Load() > 0 {
		w.fail.Add(-1)
		return 0, errors.New("no buffers")
	}
	return w.PacketConn.WriteBatch(ds)
}

// piped is a pair whose sender's pipe is open.
func piped(t *testing.T, class flow.Class) (send, recv *Session, w *watched) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Cleanup(func(n int) func() { return func() { runtime.GOMAXPROCS(n) } }(runtime.GOMAXPROCS(2)))
	}
	send, recv = pair(t, true, class)
	send.tx.mu.Lock() // nobody writes
	w = &watched{PacketConn: send.c.Unicast, t: t}
	send.c.Unicast = w
	openPipe(send)
	send.tx.unlock()
	if !send.wr.pipe.open.Load() {
		t.Fatal("the pipe is closed")
	}
	return send, recv, w
}

// openPipe tells the writer of batches that left one after the other.
func openPipe(s *Session) {
	s.wr.mu.Lock()
	defer s.wr.mu.Unlock()
	at := time.Now()
	s.wr.pipe.ended = at
	for range pipeAfter {
		began := at.Add(30 * time.Microsecond)
		at = began.Add(100 * time.Microsecond)
		s.wr.judge(began, at, true)
	}
}

// exchange sends n messages of 8 KiB and checks that they come, in order.
func exchange(t *testing.T, send, recv *Session, n uint64) {
	t.Helper()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		p := make([]byte, 8<<10)
		for i := range n {
			binary.BigEndian.PutUint64(p, i)
			if err := send.Send(t.Context(), 0, p); err != nil {
				t.Errorf("send %d: %v", i, err)
				return
			}
		}
		send.Flush()
	})
	buf := make([]byte, 64<<10)
	for i := range n {
		m, err := recv.Recv(t.Context(), buf)
		if err != nil || m.Missed != 0 || m.N != 8<<10 || binary.BigEndian.Uint64(buf) != i {
			t.Fatalf("message %d: %+v, %v", i, m, err)
		}
	}
}

func TestPipeline_OpensForWhoWaitsForNothing(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct {
		name        string
		pause, took time.Duration
		full, open  bool
	}{
		{"most of the time in calls", 30 * us, 100 * us, true, true},
		{"the rate holds it up", 200 * us, 100 * us, true, false},
		{"calls are nearly all", 5 * us, 100 * us, true, false},
		{"short calls", 8 * us, 12 * us, true, false},
		{"small batches", 30 * us, 100 * us, false, false},
	} {
		send, _ := pair(t, true, flow.Reliable)
		w := &send.wr
		w.mu.Lock()
		at := time.Now()
		w.pipe.ended = at
		for range pipeAfter {
			began := at.Add(c.pause)
			at = began.Add(c.took)
			w.judge(began, at, c.full)
		}
		w.mu.Unlock()
		if open := w.pipe.open.Load(); open != (c.open && runtime.GOMAXPROCS(0) > 1) {
			t.Errorf("%s: open: %t", c.name, open)
		}
	}
}

func TestPipeline_KeepsTheOrderAndClosesWhenThereIsLittleToDo(t *testing.T) {
	send, recv, w := piped(t, flow.Reliable)
	exchange(t, send, recv, 2000)
	buf := make([]byte, 64<<10)
	for i := 0; send.wr.pipe.open.Load(); i++ {
		if i == 2000 {
			t.Fatal("the pipe stays open for single messages")
		}
		if err := send.Send(t.Context(), 0, buf[:10]); err != nil {
			t.Fatal(err)
		}
		send.Flush()
		time.Sleep(time.Millisecond)
	}
	if got := send.Stats(); w.packets.Load() == 0 || got.Refused != 0 {
		t.Errorf("%d packets, %d failures", w.packets.Load(), got.Refused)
	}
	send.tx.mu.Lock()
	openPipe(send) // again, whether its goroutine has ended or not
	send.tx.unlock()
	if err := send.Send(t.Context(), 0, []byte("again")); err != nil {
		t.Fatal(err)
	}
	send.Flush()
	for {
		m, err := recv.Recv(t.Context(), buf)
		if err != nil || m.Missed != 0 {
			t.Fatalf("%+v, %v", m, err)
		}
		if string(buf[:m.N]) == "again" {
			break
		}
	}
}

func TestPipeline_WhatTheSystemRefusesIsCountedAndSentAgain(t *testing.T) {
	send, recv, w := piped(t, flow.Reliable)
	w.fail.Store(5)
	exchange(t, send, recv, 500)
	if send.Stats().Refused < 5 {
		t.Errorf("%d batches were refused, 5 at least", send.Stats().Refused)
	}
}

func TestPipeline_ClosesWhenTheSystemRefuses(t *testing.T) {
	send, _, w := piped(t, flow.BestEffort)
	w.fail.Store(1)
	for i := 0; send.Stats().Refused == 0; i++ {
		if i == 1000 {
			t.Fatal("nothing was refused")
		}
		if err := send.Send(t.Context(), 0, []byte("lost")); err != nil {
			t.Fatal(err)
		}
		send.Flush()
		time.Sleep(time.Millisecond)
	}
	if err := send.Send(t.Context(), 0, []byte("tried again")); err != nil {
		t.Fatal(err)
	}
	send.Flush()
	if send.wr.pipe.open.Load() {
		t.Error("the pipe is open still, though the system refused what was in it")
	}
}

func TestPipeline_CloseSendsWhatIsInItAndWaitsForNobodyWhoIsStuck(t *testing.T) {
	send, _, w := piped(t, flow.BestEffort)
	for range 100 {
		if err := send.Send(t.Context(), 0, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		send.Flush()
	}
	sent := send.wr.sent.Load()
	send.Close()
	if n := w.packets.Load(); n < int64(sent) {
		t.Errorf("%d of %d packets were written", n, sent)
	}

	send, _, w = piped(t, flow.BestEffort)
	send.tx.mu.Lock()
	stuck := make(chan struct{})
	w.stuck = stuck
	send.tx.unlock()
	done := make(chan error, 1)
	go func() {
		for p := make([]byte, 8<<10); ; {
			if err := send.Send(context.Background(), 0, p); err != nil {
				done <- err
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	time.AfterFunc(settleMax+50*time.Millisecond, func() { close(stuck) }) // as the closed socket would
	send.Close()
	select {
	case err := <-done:
		if transport.CodeOf(err) != transport.WSA_OPERATION_ABORTED {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Send is stuck")
	}
}
