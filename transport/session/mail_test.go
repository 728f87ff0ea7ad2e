package session

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// counted counts what is written.
type counted struct {
	transport.PacketConn
	n atomic.Uint64
}

func (c *counted) WriteBatch(ds []transport.Datagram) (int, error) {
	c.n.Add(uint64(len(ds)))
	return c.PacketConn.WriteBatch(ds)
}

// Feedback is made with the lock held and sent without it: by readers, by the
// timer, and by Recv when reading opens credit. None of it gets lost between.
func TestFeedbackThatIsMadeIsSent(t *testing.T) {
	out := new(counted)
	send, recv := pair(t, false, flow.Reliable, func(recv *Config) {
		out.PacketConn, recv.Unicast = recv.Unicast, out
		recv.Window, recv.MaxMessage = 256<<10, 64<<10
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const messages = 2000
	go func() {
		for range messages {
			if err := send.Send(ctx, 0, make([]byte, 1000)); err != nil {
				t.Error(err)
				return
			}
		}
		send.Flush()
	}()
	p := make([]byte, 1000)
	for n := range messages {
		if n%100 == 0 {
			time.Sleep(time.Millisecond) // the window fills
		}
		if _, err := recv.Recv(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond) // for the timer
	recv.Close()
	s := recv.Stats()
	if made := s.Receivers.Statuses + s.Receivers.Naks; made != out.n.Load() || s.FeedbackUnsent != 0 {
		t.Errorf("%d frames were made, %d sent and %d refused", made, out.n.Load(), s.FeedbackUnsent)
	}
}
