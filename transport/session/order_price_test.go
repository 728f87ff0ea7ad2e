package session

import (
	"context"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// delays sends n messages from member 2 with pauses and gives what the slowest
// took to member 3.
func delays(t *testing.T, ordered bool, n int, pause time.Duration) (worst time.Duration, st Stats) {
	const way = 500 * time.Microsecond
	inRing(t, 1, simnet.Link{Delay: way}, func(c *Config) {
		if !ordered {
			c.Sequencer = 0
		}
	}, func(r *ring) {
		m := r.full(3)
		for _, who := range []int{0, 1} {
			go func() {
				for p := make([]byte, 64); ; {
					if _, err := m[who].Recv(r.ctx, p); err != nil {
						return
					}
				}
			}()
		}
		time.Sleep(10 * time.Millisecond)
		left := make([]time.Time, n)
		go func() {
			for i := range n {
				left[i] = time.Now()
				if err := m[1].say(r.ctx, i, 64); err != nil {
					r.Error(err)
				}
				time.Sleep(pause)
			}
		}()
		for i := range n {
			r.hear(m[2])
			worst = max(worst, time.Since(left[i])-way)
		}
		time.Sleep(10 * time.Millisecond)
		st = m[0].Stats()
		for _, who := range m { // the readers end
			who.EndReceive(context.Canceled)
		}
	})
	return worst, st
}

// The price of the order: one way more through the network and what stamps wait
// for company, some bytes a run.
func TestOrder_Price(t *testing.T) {
	for _, c := range []struct {
		name  string
		pause time.Duration
		wait  time.Duration // of a stamp at most
		bytes float64       // a message at most
	}{
		{"a message now and then", 5 * time.Millisecond, 10 * time.Microsecond, 16},
		{"20,000 a second", 50 * time.Microsecond, gatherFor + 10*time.Microsecond, 5},
		{"as fast as can be", 0, 2 * gatherFor, 1},
	} {
		const n = 400
		plain, _ := delays(t, false, n, c.pause)
		ordered, st := delays(t, true, n, c.pause)
		bytes := float64(st.Order.Bytes) / n
		t.Logf("%s: at most %v later, %.2f bytes a message in %d messages of the order", c.name, ordered-plain, bytes, st.Order.Messages)
		if more := ordered - plain; more > 500*time.Microsecond+c.wait || more < 0 {
			t.Errorf("%s: %v later", c.name, more)
		}
		if bytes > c.bytes {
			t.Errorf("%s: %.2f bytes a message", c.name, bytes)
		}
	}
}

// Neither half allocates per message, once the buffers have grown.
func TestNothingIsAllocatedPerOrderedMessage(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	send, recv := pairOf(t, true, Config{Streams: []flow.Class{flow.Reliable}, Sequencer: 1})
	ctx, p, q := context.Background(), make([]byte, 200), make([]byte, 4096)
	const messages = 256
	round := func() {
		for range messages {
			if err := send.Send(ctx, 0, p); err != nil {
				t.Fatal(err)
			}
		}
		send.Flush()
		for _, s := range []*Session{send, recv} {
			for range messages {
				if _, err := s.Recv(ctx, q); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for range 200 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n > messages/20 {
		t.Errorf("%.1f allocations for %d messages", n, messages)
	}
}

// BenchmarkOrder sends from the sequencer to one member over a network that
// loses nothing: the price in processor time, without and with an order.
func BenchmarkOrder(b *testing.B) {
	for _, c := range []struct {
		name      string
		sequencer uint32
		size      int
	}{
		{"own order, 64 bytes", 0, 64}, {"one order, 64 bytes", 1, 64},
		{"own order, 1 KiB", 0, 1024}, {"one order, 1 KiB", 1, 1024},
	} {
		b.Run(c.name, func(b *testing.B) {
			send, recv := pairOf(b, true, Config{Streams: []flow.Class{flow.Reliable}, Sequencer: c.sequencer})
			ctx, p := context.Background(), make([]byte, c.size)
			readers := []*Session{recv}
			if c.sequencer != 0 {
				readers = append(readers, send)
			}
			done := make(chan bool)
			for _, s := range readers {
				go func() {
					q := make([]byte, 4096)
					for range b.N {
						if _, err := s.Recv(ctx, q); err != nil {
							b.Error(err)
							break
						}
					}
					done <- true
				}()
			}
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if err := send.Send(ctx, 0, p); err != nil {
					b.Fatal(err)
				}
			}
			send.Flush()
			for range readers {
				<-done
			}
			if c.sequencer != 0 {
				b.ReportMetric(float64(send.Stats().Order.Bytes)/float64(b.N), "order-B/op")
			}
		})
	}
}
