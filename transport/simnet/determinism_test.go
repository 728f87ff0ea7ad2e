package simnet_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// chaos is a network with everything wrong, and hosts that all send to all at
// the same instants. It returns a hash of all that happened and the books.
func chaos(t *testing.T, seed uint64) (trace string, s simnet.Stats) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(seed, simnet.Link{Delay: 200 * time.Microsecond, Jitter: time.Millisecond, Loss: 0.03,
			Burst: simnet.Burst{GoodToBad: 0.01, BadToGood: 0.2, LossInBad: 0.7}, Duplicate: 0.05, Reorder: 0.05, BatchLoss: 0.01})
		hash := sha256.New()
		n.Trace(func(e simnet.Event) { fmt.Fprintln(hash, e) })
		const hosts = 6
		for i := range hosts {
			n.Host(fmt.Sprint("h", i))
		}
		n.SetSharedLoss("h1", 0.05)
		n.SetUplink("h2", simnet.Link{Bandwidth: 50e6})
		n.SetDownlink("h3", simnet.Link{Bandwidth: 20e6, Queue: 30000})
		n.SetLink("h4", "h5", simnet.Link{Every: 7})
		var ears []*ear
		var wg sync.WaitGroup
		for i := range hosts {
			h := n.Host(fmt.Sprint("h", i))
			o := transport.SocketOptions{ReadBuffer: 20 << 10}
			ears = append(ears, listen(member(t, h, group, o)))
			s := speaker(t, h, o)
			ears = append(ears, listen(s))
			l, err := h.Listen(t.Context(), netip.AddrPortFrom(h.Addr(), 7000))
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { gossip(t, n, i, hosts, s) })
			wg.Go(func() { echo(l) })
		}
		time.Sleep(20 * time.Millisecond)
		n.Partition([]string{"h0", "h1"})
		time.Sleep(10*time.Millisecond + 1)
		n.Heal()
		time.Sleep(time.Minute)
		check(t, n)
		s = n.Stats()
		n.Close()
		wg.Wait()
		check(t, n)
		trace = fmt.Sprintf("%x", hash.Sum(nil))
		synctest.Wait()
		var read uint64
		for _, e := range ears {
			read += uint64(len(e.packets))
		}
		if read != s.Delivered {
			t.Errorf("sockets read %d packets; the books say %d were delivered", read, s.Delivered)
		}
	})
	return trace, s
}

// gossip sends to the group and to one neighbour, by datagrams and by stream.
func gossip(t *testing.T, n *simnet.Net, i, hosts int, s transport.PacketConn) {
	h, next := n.Host(fmt.Sprint("h", i)), n.Host(fmt.Sprint("h", (i+1)%hosts))
	c, err := h.Dial(t.Context(), netip.AddrPort{}, netip.AddrPortFrom(next.Addr(), 7000))
	if err != nil {
		t.Errorf("Dial: %v", err)
		return
	}
	go io.Copy(io.Discard, c)
	own := rand.New(rand.NewPCG(1, uint64(i)))
	for range 30 {
		count := 1 + own.IntN(45)
		s.WriteBatch([]transport.Datagram{
			{B: numbered(0, count, 1000), Segment: 1000, Addr: group},
			{B: numbered(0, 1, 300), Addr: netip.AddrPortFrom(next.Addr(), 49152)},
			{B: numbered(0, 1, 300), Addr: group},
		})
		c.Write(make([]byte, own.IntN(5000)))
		time.Sleep(time.Millisecond)
	}
	c.Close()
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			io.Copy(c, c)
			c.Close()
		}()
	}
}

// One seed, one history: however goroutines are scheduled, everything happens
// at the same times in the same order. And the books balance.
func TestSeed_DecidesEverything(t *testing.T) {
	first, s := chaos(t, seed)
	t.Logf("seed %d: %v", uint64(seed), s)
	for d := simnet.DropLoss; d < simnet.DropFilter; d++ {
		if s.Dropped[d] == 0 {
			t.Errorf("nothing was dropped by %v: the scenario does not test it", d)
		}
	}
	for range 4 {
		if again, other := chaos(t, seed); again != first {
			t.Errorf("seed %d: another history, %v; the first was %v", uint64(seed), other, s)
		}
	}
	if other, _ := chaos(t, seed+1); other == first {
		t.Error("two seeds had the same history")
	}
}

// Hosts that write at the same instant, over links without delay: they arrive
// in the order of hosts, whoever came first.
func TestSameInstant_IsOrderedByHost(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		const hosts = 20
		e := listen(member(t, n.Host("receiver"), group, transport.SocketOptions{}))
		var speakers []transport.PacketConn
		for i := range hosts {
			speakers = append(speakers, speaker(t, n.Host(fmt.Sprint("h", i)), transport.SocketOptions{}))
		}
		for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(hosts) {
			say(t, speakers[i], group, i, 1, 64)
			synctest.Wait() // everything goes on that can, but no time passes
		}
		after(time.Second)
		if got := e.numbers(); !slices.Equal(got, upTo(0, hosts)) {
			t.Errorf("arrived as %v; want the order of hosts", got)
		}
	})
}
