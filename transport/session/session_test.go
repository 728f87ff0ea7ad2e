package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

func TestNothingIsAllocatedPerPacket(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, c := range []struct {
		name  string
		merge bool
		class flow.Class
		size  int
	}{
		{"reliable, merged reads", true, flow.Reliable, 1398},
		{"reliable, single reads", false, flow.Reliable, 1398},
		{"best effort, merged reads", true, flow.BestEffort, 1398},
		{"small messages", true, flow.Reliable, 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			send, recv := pair(t, c.merge, c.class)
			ctx, p, q := context.Background(), make([]byte, c.size), make([]byte, 4096)
			const messages = 256
			round := func() {
				for range messages {
					if err := send.Send(ctx, 0, p); err != nil {
						t.Fatal(err)
					}
				}
				send.Flush()
				for range messages {
					if _, err := recv.Recv(ctx, q); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 200 { // rings and pools grow to their size
				round()
			}
			// A timer's callback runs in a goroutine of its own, which the runtime
			// may have to make: that is per wake-up, not per packet.
			if n := testing.AllocsPerRun(100, round); n > messages/20 {
				t.Errorf("%.1f allocations for %d messages", n, messages)
			}
		})
	}
}

func TestMessageLongerThanTheBufferStays(t *testing.T) {
	send, recv := pair(t, true, flow.Reliable)
	ctx, want := context.Background(), bytes.Repeat([]byte("long"), 5000)
	if err := send.Send(ctx, 0, want); err != nil {
		t.Fatal(err)
	}
	m, err := recv.Recv(ctx, make([]byte, 10))
	if !errors.Is(err, transport.WSAEMSGSIZE) || m.N != len(want) {
		t.Fatalf("%d, %v", m.N, err)
	}
	p := make([]byte, m.N)
	if m, err = recv.Recv(ctx, p); err != nil || !bytes.Equal(p[:m.N], want) {
		t.Fatalf("the message is gone: %d, %v", m.N, err)
	}
	if err := send.Send(ctx, 0, make([]byte, 2<<20)); !errors.Is(err, transport.WSAEMSGSIZE) { // R246
		t.Errorf("a message above the maximum: %v", err)
	}
}

func TestRecvGivesWhatIsThereBeforeTheEnd(t *testing.T) {
	send, recv := pair(t, true, flow.Reliable)
	ctx := context.Background()
	send.Send(ctx, 0, []byte("last words"))
	if err := send.Drain(waitFor(t, recv)); err == nil {
		t.Log("drained") // only if the receiver's machine was read meanwhile
	}
	recv.EndReceive(io.EOF)
	p := make([]byte, 100)
	if m, err := recv.Recv(ctx, p); err != nil || string(p[:m.N]) != "last words" {
		t.Fatalf("%q, %v", p[:m.N], err)
	}
	if _, err := recv.Recv(ctx, p); err != io.EOF {
		t.Fatalf("after the end: %v", err)
	}
}

// waitFor gives a context that ends once recv has something to read.
func waitFor(t *testing.T, recv *Session) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		readable := func() bool { // a symbol that came is read only when its reader has settled
			recv.rx.mu.Lock()
			defer recv.rx.mu.Unlock()
			return recv.rx.first < len(recv.rx.ready)
		}
		for ctx.Err() == nil && !readable() {
		}
		cancel()
	}()
	return ctx
}

func TestClosedSessionMatchesErrClosed(t *testing.T) {
	send, recv := pair(t, true, flow.Reliable)
	send.Close()
	send.Close()
	recv.Close()
	if err := send.Send(context.Background(), 0, []byte("x")); !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
		t.Errorf("Send: %v", err)
	}
	if _, err := recv.Recv(context.Background(), nil); !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
		t.Errorf("Recv: %v", err)
	}
	if err := send.Drain(context.Background()); err != nil && !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
		t.Errorf("Drain: %v", err)
	}
}

func TestDoneContextEndsOnlyAWait(t *testing.T) {
	send, recv := pair(t, true, flow.Reliable)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if err := send.Send(done, 0, []byte("x")); err != nil {
		t.Errorf("Send that need not wait: %v", err)
	}
	p := make([]byte, 10)
	if _, err := recv.Recv(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := recv.Recv(done, p); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv with nothing there: %v", err)
	}
}

func FuzzStart(f *testing.F) {
	f.Add(AppendStart(nil, []flow.Edge{{Stream: 0, Seq: 7, Message: 9}}))
	f.Add(AppendStart(nil, nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		edges, ok := ParseStart(frame)
		if ok && !bytes.Equal(AppendStart(nil, edges), frame) {
			t.Fatalf("%x parses and encodes differently", frame)
		}
	})
}

// In a bubble time passes only while everybody waits: waiters that wake each
// other in turn would stop it, and the test would hang.
func TestSeveralThatWaitDoNotWakeEachOtherForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, recv := pair(t, true, flow.Reliable) // nobody reads: the window fills
		defer recv.Close()
		defer send.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan error, 4)
		for range 3 {
			go func() {
				for {
					if err := send.Send(ctx, 0, make([]byte, 64<<10)); err != nil {
						done <- err
						return
					}
				}
			}()
		}
		time.Sleep(10 * time.Millisecond) // the three wait
		go func() { done <- send.Drain(ctx) }()
		for range cap(done) {
			if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if send.Stats().Sender.Messages == 0 {
			t.Error("nothing was sent")
		}
	})
}
