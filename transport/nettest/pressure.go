package nettest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// within takes a value from a channel, or gives up when patience ends.
func within[T any](c <-chan T) (v T, ok bool) {
	select {
	case v = <-c:
		return v, true
	case <-time.After(patience):
		return v, false
	}
}

// fullBufferDrops: a socket that nobody reads drops, keeps what came first,
// and counts the rest where it can; it does not stop the sender.
func fullBufferDrops(t *testing.T, k link) {
	g := k.at(0)
	from := k.speaker(t, 0, transport.SocketOptions{})
	c := k.member(t, 1, g, transport.SocketOptions{ReadBuffer: 16 << 10})
	const sent = 400
	for i := range sent {
		say(t, from, g, fmt.Sprintf("%03d", i)+string(make([]byte, 1000)))
	}
	e := hear(t, c)
	time.Sleep(20 * time.Millisecond) // let it make room, or the first mark is dropped too
	heard := reach(t, func() { say(t, from, g, "mark") }, "mark", e)[0]
	mark := heard[len(heard)-1]
	kept := 0
	for _, p := range heard {
		if bytes.HasSuffix(p.b, make([]byte, 1000)) {
			kept++
		}
	}
	if kept == 0 || kept >= sent {
		t.Errorf("%d of %d packets were kept; want some, and not all, in a buffer of %d bytes", kept, sent, c.Info().ReadBuffer)
	}
	if !bytes.HasPrefix(heard[0].b, []byte("000")) {
		t.Errorf("the first packet kept is %q; a full buffer drops what comes, not what it has", short(heard[0].b))
	}
	if seen := c.Info().OverflowSeen; seen && (mark.overflow == 0 || int(mark.overflow) > sent-kept+tries) {
		t.Errorf("Overflow = %d with %d of %d kept", mark.overflow, kept, sent)
	} else if !seen && mark.overflow != 0 {
		t.Errorf("Overflow = %d though OverflowSeen is false", mark.overflow)
	}
}

// closeUnblocks: Close ends a waiting ReadBatch; afterwards every call says
// net.ErrClosed, and a second Close is harmless.
func closeUnblocks(t *testing.T, k link) {
	for name, c := range map[string]transport.PacketConn{
		"group":             k.member(t, 1, k.at(0), transport.SocketOptions{}),
		"unicast":           k.speaker(t, 1, transport.SocketOptions{}),
		"group, no batch":   k.member(t, 1, k.at(0), transport.SocketOptions{NoBatch: true}),
		"unicast, no batch": k.speaker(t, 1, transport.SocketOptions{NoBatch: true}),
	} {
		ended := make(chan error, 1)
		go func() {
			_, err := c.ReadBatch([]transport.Datagram{{B: make([]byte, 100)}})
			ended <- err
		}()
		time.Sleep(10 * time.Millisecond) // most likely it waits by now; it must not matter
		if err := c.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if err, ok := within(ended); !ok || !errors.Is(err, net.ErrClosed) {
			t.Fatalf("%s: ReadBatch ended: %v, with %v; want net.ErrClosed", name, ok, err)
		}
		n, err := c.ReadBatch([]transport.Datagram{{B: make([]byte, 100)}})
		if n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: ReadBatch after Close = %d, %v; want net.ErrClosed", name, n, err)
		}
		n, err = c.WriteBatch([]transport.Datagram{{B: []byte("late"), Addr: k.at(0)}})
		if n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: WriteBatch after Close = %d, %v; want net.ErrClosed", name, n, err)
		}
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: second Close: %v", name, err)
		}
		c.Info()
		c.LocalAddr()
	}
}

// everybodyTalks: three hosts send to one group at once, each from several
// sockets, and everybody hears everything.
func everybodyTalks(t *testing.T, k link) {
	g := k.at(0)
	const speakers, each = 2, 40
	var ears []*ear
	var voices []transport.PacketConn
	for h := range 3 {
		ears = append(ears, hear(t, k.member(t, h, g, transport.SocketOptions{})))
		for range speakers {
			voices = append(voices, k.speaker(t, h, transport.SocketOptions{}))
		}
	}
	heard := make([]map[string]bool, len(ears))
	for i := range heard {
		heard[i] = map[string]bool{}
	}
	want := len(voices) * each
	for try := 0; try < tries; try++ {
		talkAtOnce(t, voices, g.Addr().String(), func(v int, ds []transport.Datagram) {
			for i := range ds {
				ds[i] = transport.Datagram{B: fmt.Appendf(nil, "%d says %d", v, i), Addr: g}
			}
		}, each)
		complete := 0
		for i, e := range ears {
			if len(heard[i]) < want {
				e.until(again(), func(p packet) bool {
					heard[i][string(p.b)] = true
					return len(heard[i]) >= want
				})
			}
			if len(heard[i]) == want {
				complete++
			}
		}
		if complete == len(ears) {
			return
		}
	}
	for i := range ears {
		t.Errorf("host %d heard %d different packets of %d", i, len(heard[i]), want)
	}
}

// talkAtOnce lets every voice write two batches while others ask for Info.
func talkAtOnce(t *testing.T, voices []transport.PacketConn, what string, fill func(v int, ds []transport.Datagram), each int) {
	t.Helper()
	ended := make(chan error, len(voices))
	for v, c := range voices {
		go func() {
			ds := make([]transport.Datagram, each)
			fill(v, ds)
			for _, part := range [][]transport.Datagram{ds[:each/2], ds[each/2:]} {
				if n, err := c.WriteBatch(part); n != len(part) || err != nil {
					ended <- fmt.Errorf("voice %d to %s: WriteBatch = %d, %w", v, what, n, err)
					return
				}
				c.Info()
			}
			ended <- nil
		}()
	}
	for range voices {
		if err, ok := within(ended); !ok || err != nil {
			t.Fatalf("talking ended: %v, with %v", ok, err)
		}
	}
}
