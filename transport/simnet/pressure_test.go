package simnet_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// Measured on Linux: a socket holds 63 % of its size as single packets of
// 1,448 bytes, 78, 93 and 99 % as merged buffers of 2, 8 and 45.
func TestReadBuffer_HoldsWhatLinuxHolds(t *testing.T) {
	const size, mtu, asked = 1448, 1500, 4 << 20
	for _, c := range []struct {
		merged int
		want   float64
	}{{1, 0.63}, {2, 0.78}, {8, 0.93}, {45, 0.99}} {
		inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
			s := speaker(t, n.Host("a"), transport.SocketOptions{})
			r := member(t, n.Host("b"), group, transport.SocketOptions{ReadBuffer: asked})
			for i := 0; i*size < 2*2*asked; i += c.merged {
				write(t, s, transport.Datagram{B: numbered(i, c.merged, size), Segment: size, Addr: group})
			}
			after(time.Second)
			e := listen(r)
			synctest.Wait()
			near(t, "part of the buffer that is used", float64(len(e.packets)*size)/(2*asked), c.want, 0.01)
			if !slices.Equal(e.numbers(), upTo(0, len(e.packets))) {
				t.Error("a full buffer drops what comes, not what it has")
			}
			say(t, s, group, 0, 1, size) // the next one tells how many buffers were dropped
			after(time.Second)
			overflow := e.buffers[len(e.buffers)-1].Overflow
			if got := n.Stats().Dropped[simnet.DropBuffer]; got == 0 || uint64(overflow)*uint64(c.merged) != got {
				t.Errorf("Overflow = %d buffers of %d; the books say %d packets", overflow, c.merged, got)
			}
		})
	}
}

func TestReadBuffer_IsCutToTheHostsLimit(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		h := n.Host("a", simnet.HostConfig{MaxReadBuffer: 212992})
		for asked, want := range map[int]int{0: 212992, 100000: 100000, 1 << 30: 212992, -1: 106496} {
			i := speaker(t, h, transport.SocketOptions{ReadBuffer: asked}).Info()
			if i.ReadBuffer != want || (len(i.Warnings) > 0) != (asked == 0 || asked == 1<<30) {
				t.Errorf("asked for %d: got %d with %q; want %d", asked, i.ReadBuffer, i.Warnings, want)
			}
		}
	})
}

// A host that is paused reads nothing: small buffers overflow, and afterwards
// everything goes on.
func TestPause_FillsBuffersAndResumeDrainsThem(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		s := speaker(t, a, transport.SocketOptions{})
		e := listen(member(t, b, group, transport.SocketOptions{ReadBuffer: 8 << 10}))
		say(t, s, group, 0, 1, 1000)
		after(10 * time.Millisecond)
		b.Pause()
		say(t, s, group, 1, 20, 1000)
		after(10 * time.Millisecond)
		if len(e.packets) != 1 {
			t.Errorf("a paused host read %v", e.numbers())
		}
		b.Resume()
		say(t, s, group, 100, 1, 1000)
		after(10 * time.Millisecond)
		if want := append(upTo(0, 8), 100); !slices.Equal(e.numbers(), want) {
			t.Errorf("read %v; want %v: 16 KiB hold seven packets of 2304", e.numbers(), want)
		}
	})
}

func TestBandwidth_TakesItsTime(t *testing.T) {
	inBubble(t, simnet.Link{Bandwidth: 100e6, Queue: 1 << 20}, func(t *testing.T, n *simnet.Net) {
		s := speaker(t, n.Host("a"), transport.SocketOptions{})
		e := listen(member(t, n.Host("b"), group, transport.SocketOptions{}))
		write(t, s, transport.Datagram{B: numbered(0, 45, 1204), Segment: 1204, Addr: group})
		after(time.Second)
		// 1,204 bytes and 46 of headers are 10,000 bits: 100 us.
		for i, at := range e.at {
			if want := time.Duration(i+1) * 100 * time.Microsecond; at != want {
				t.Fatalf("packet %d after %v; want %v", i, at, want)
			}
		}
	})
}

func TestQueue_DropsWhatDoesNotFit(t *testing.T) {
	inBubble(t, simnet.Link{Bandwidth: 100e6, Queue: 64 * 1250}, func(t *testing.T, n *simnet.Net) {
		s := speaker(t, n.Host("a"), transport.SocketOptions{})
		e := listen(member(t, n.Host("b"), group, transport.SocketOptions{}))
		say(t, s, group, 0, 200, 1204)
		after(time.Second)
		if got := n.Stats().Dropped[simnet.DropQueue]; len(e.packets) != 64 || got != 136 {
			t.Errorf("%d arrived, %d dropped; want 64 and 136", len(e.packets), got)
		}
	})
}

// An uplink is a writer's own interface: it is slowed down, and loses nothing.
func TestUplink_MakesWritersWait(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		n.Host("a")
		n.SetUplink("a", simnet.Link{Bandwidth: 100e6})
		s := speaker(t, n.Host("a"), transport.SocketOptions{WriteBuffer: 10 * 1204})
		b, c := listen(member(t, n.Host("b"), group, transport.SocketOptions{})), listen(member(t, n.Host("c"), group, transport.SocketOptions{}))
		began := time.Now()
		say(t, s, group, 0, 1000, 1204)
		near(t, "seconds to write", time.Since(began).Seconds(), 0.099, 0.0001)
		after(time.Second)
		if len(b.packets) != 1000 || len(c.packets) != 1000 || c.at[999] != 100*time.Millisecond {
			t.Errorf("%d and %d arrived, the last after %v; want 1000, after 100ms", len(b.packets), len(c.packets), c.at[len(c.at)-1])
		}
	})
}

// Two senders share the way into one host.
func TestDownlink_IsSharedByItsSenders(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b, c := n.Host("a"), n.Host("b"), n.Host("c")
		n.SetDownlink("c", simnet.Link{Bandwidth: 100e6, Queue: 64 * 1250})
		e := listen(member(t, c, group, transport.SocketOptions{}))
		sa, sb := speaker(t, a, transport.SocketOptions{}), speaker(t, b, transport.SocketOptions{})
		for i := range 500 { // each at 100 Mbit/s: twice what there is
			say(t, sa, group, i, 1, 1204)
			say(t, sb, group, 1000+i, 1, 1204)
			time.Sleep(100 * time.Microsecond)
		}
		after(time.Second)
		near(t, "arrived", float64(len(e.packets)), 500+64, 3)
		if got := n.Stats().Dropped[simnet.DropQueue]; got != uint64(1000-len(e.packets)) {
			t.Errorf("%d dropped; want %d", got, 1000-len(e.packets))
		}
	})
}
