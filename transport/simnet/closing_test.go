package simnet_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// Streams that end in good order give their ports back: there are 16384 of
// them, and here are more streams.
func TestStream_GivesItsPortBack(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		l, addr := listener(t, n.Host("b"))
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				io.Copy(io.Discard, c)
				c.Close()
			}
		}()
		for i := range 20000 {
			c, err := n.Host("a").Dial(t.Context(), netip.AddrPort{}, addr)
			if err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
			c.Close()
		}
	})
}

func TestPorts_OfStreamsAreTakenAndFree(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		a, local := n.Host("a"), netip.MustParseAddrPort("10.0.0.1:8000")
		l, addr := listener(t, n.Host("b"))
		c, err := a.Dial(t.Context(), local, addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.LocalAddr().(*net.TCPAddr).AddrPort(); got != local {
			t.Errorf("dialed from %v; want %v", got, local)
		}
		_, err = a.Listen(t.Context(), local)
		wantCode(t, "Listen on a port that a stream has", err, transport.WSAEADDRINUSE)
		_, err = a.Dial(t.Context(), local, addr)
		wantCode(t, "Dial from a port that a stream has", err, transport.WSAEADDRINUSE)
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		accepted.Close()
		time.Sleep(time.Second)
		if _, err = a.Dial(t.Context(), local, addr); err != nil {
			t.Errorf("Dial from a port that is free again: %v", err)
		}
		// A listener may come back while a stream that it accepted lives on.
		if _, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err = n.Host("b").Listen(t.Context(), addr); err != nil {
			t.Errorf("Listen again beside an accepted stream: %v", err)
		}
	})
}

// A reset finds the other side also when a partition swallowed the first.
func TestKill_BehindAPartitionIsLearntOfLater(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		_, b := streams(t, n)
		n.Partition([]string{"a"})
		n.Kill("a")
		after(20 * time.Second)
		b.SetDeadline(time.Now().Add(time.Second))
		if _, err := b.Read(make([]byte, 1)); err == nil || transport.CodeOf(err) == transport.WSAECONNRESET {
			t.Errorf("Read through a partition: %v; want a timeout", err)
		}
		b.SetDeadline(time.Time{})
		n.Heal()
		io.WriteString(b, "still there?")
		_, err := b.Read(make([]byte, 1))
		wantCode(t, "Read after the partition", err, transport.WSAECONNRESET)
	})
}

// What was sent in time is acknowledged, however long the stream is idle
// before and after: only silence ends it.
func TestStreamTimeout_CountsFromTheLastProgress(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		var got bytes.Buffer
		go io.Copy(&got, b)
		for range 10 {
			n.Partition([]string{"a"})
			io.WriteString(a, "x")
			time.Sleep(50 * time.Second)
			n.Heal()
			time.Sleep(10 * time.Second)
		}
		after(time.Hour)
		if got.Len() != 10 {
			t.Errorf("%d bytes arrived; want 10", got.Len())
		}
		if _, err := a.Write([]byte("x")); err != nil {
			t.Errorf("Write after an hour of silence: %v", err)
		}
	})
}
