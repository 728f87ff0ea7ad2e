package rooted

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// recording is what somebody who listens at the wire has.
type recording struct {
	mu      sync.Mutex
	packets []simnet.Packet
}

// record keeps the packets for the session's group that reached a host.
func (r *room) record(host string) *recording {
	rec := new(recording)
	r.net.Tap(func(p simnet.Packet) {
		if p.From == "outside" || p.To != host || p.Fate != 0 || p.Dst != testGroup.Addr {
			return
		}
		p.B = bytes.Clone(p.B)
		rec.mu.Lock()
		rec.packets = append(rec.packets, p)
		rec.mu.Unlock()
	})
	return rec
}

// stop ends the recording and gives it.
func (rec *recording) stop(r *room) []simnet.Packet {
	time.Sleep(100 * time.Millisecond) // what is on its way arrives
	r.net.Tap(nil)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.packets
}

// say sends numbered messages, as fast as a program might that has more to do.
func (r *room) say(first, n int) {
	r.Helper()
	for i := range n {
		if err := r.root.Send(r.ctx, numbered(first+i)); err != nil {
			r.Error(err)
			return
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// hear reads numbered messages and nothing else.
func (r *room) hear(l *Leaf, first, n int) {
	r.Helper()
	p := make([]byte, 64<<10)
	for i := range n {
		m, err := l.Recv(r.ctx, p)
		if err != nil || m.Missed != 0 || !bytes.Equal(p[:m.N], numbered(first+i)) {
			r.Fatalf("message %d: %d bytes, %d missed, %v", first+i, m.N, m.Missed, err)
		}
	}
}

// hearsNothing checks that no message waits to be read.
func (r *room) hearsNothing(l *Leaf) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, time.Second)
	defer cancel()
	if m, err := l.Recv(ctx, make([]byte, 64<<10)); err == nil {
		r.Errorf("a message of %d bytes came from nowhere", m.N)
	}
}

func (l *Leaf) dropped(d session.Drop) uint64 { return l.Stats().Data.Drops[d] }

func TestP1_ReplaysAreCountedAndDeliverNothing(t *testing.T) {
	inRoom(t, 21, quick, func(r *room) {
		root := r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		rec := r.record("leaf")
		go r.say(0, 300)
		r.hear(l, 0, 300)
		packets := rec.stop(r)
		replay := func(to netip.AddrPort) uint64 {
			for range 3 {
				for _, p := range packets {
					if err := r.net.Inject(p.Src, to, p.B); err != nil {
						r.Fatal(err)
					}
				}
				time.Sleep(10 * time.Millisecond)
			}
			return uint64(3 * len(packets))
		}
		before := l.dropped(session.DropReplay)
		if n, got := replay(testGroup.Addr), l.dropped(session.DropReplay)-before; len(packets) < 100 || got != n {
			r.Errorf("%d replays of %d packets, %d counted", n, len(packets), got)
		}
		r.hearsNothing(l)

		late, _ := r.join("late", nil, nil) // the next epoch
		before, earlier := l.dropped(session.DropReplay), late.dropped(session.DropKey)
		n := replay(testGroup.Addr)
		if got := l.dropped(session.DropReplay) - before; got != n {
			r.Errorf("in the next epoch: %d replays, %d counted", n, got)
		}
		if got := late.dropped(session.DropKey) - earlier; got != n {
			r.Errorf("at who joined later: %d replays, %d counted as of an unknown key", n, got)
		}
		time.Sleep(2 * crypto.EpochOverlap) // the epoch is over
		root.Flush()
		before = l.dropped(session.DropClosed)
		if n, got := replay(testGroup.Addr), l.dropped(session.DropClosed)-before; got != n {
			r.Errorf("after the epoch: %d replays, %d counted", n, got)
		}
		replay(l.s.LocalAddr()) // by unicast
		r.hearsNothing(l)
		r.hearsNothing(late)
		l.Close()
		late.Close()
	})
}

func TestP1_ReplaysIntoAnotherSessionOpenNowhere(t *testing.T) {
	inRoom(t, 22, quick, func(r *room) {
		r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		rec := r.record("leaf")
		go r.say(0, 50)
		r.hear(l, 0, 50)
		packets := rec.stop(r)
		first := r.root
		defer first.Close()
		c := r.config("other root")
		c.Control = netip.MustParseAddrPort("0.0.0.0:7002")
		group := testGroup
		group.Addr = netip.MustParseAddrPort("239.192.1.2:7000")
		other, err := Listen(r.ctx, group, c)
		if err != nil {
			r.Fatal(err)
		}
		r.root = other
		guest, _ := r.join("guest", nil, nil)
		before := guest.dropped(session.DropSession)
		for _, p := range packets {
			r.net.Inject(other.data.LocalAddr(), group.Addr, p.B)
		}
		time.Sleep(time.Second)
		if got := guest.dropped(session.DropSession) - before; got != uint64(len(packets)) || got == 0 {
			r.Errorf("%d packets of another session, %d counted", len(packets), got)
		}
		r.hearsNothing(guest)
		guest.Close()
		l.Close()
	})
}

func TestP3_P9_JunkFromTheRootsAddressStopsNothing(t *testing.T) {
	inRoom(t, 23, simnet.Link{Delay: time.Millisecond, Loss: 0.01}, func(r *room) {
		root := r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		rec := r.record("leaf")
		go r.say(0, 100)
		r.hear(l, 0, 100)
		packets := rec.stop(r)
		refused := func() (n uint64) {
			for d := session.DropShort; d <= session.DropGeneration; d++ {
				n += l.dropped(d)
			}
			return n
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		injected, before, forged := uint64(0), refused(), l.dropped(session.DropForged)
		wg.Go(func() {
			d := rand.New(rand.NewPCG(23, 0))
			for {
				select {
				case <-stop:
					return
				default:
				}
				b := spoil(d, packets[d.IntN(len(packets))].B)
				r.net.Inject(root.data.LocalAddr(), testGroup.Addr, b)
				r.net.Inject(root.data.LocalAddr(), l.s.LocalAddr(), b)
				injected += 2
				time.Sleep(200 * time.Microsecond) // 10,000 a second
			}
		})
		go func() {
			for i := range 2000 {
				root.Send(r.ctx, numbered(100+i))
				time.Sleep(500 * time.Microsecond)
			}
		}()
		r.hear(l, 100, 2000)
		close(stop)
		wg.Wait()
		time.Sleep(time.Second)
		if got := refused() - before; injected < 5000 || got != injected {
			r.Errorf("%d packets were injected, %d refused: %v", injected, got, l.Stats().Data.Drops)
		}
		for {
			e, err := l.NextEvent(r.ctx)
			if err != nil {
				r.Fatalf("no event tells of it: %v", err)
			}
			if e.Kind == Junk {
				break
			}
		}
		if got := l.dropped(session.DropForged) - forged; got < injected/10 {
			r.Errorf("of %d packets only %d were tried", injected, got)
		}
		r.hearsNothing(l)
		l.Close()
	})
}

// spoil makes junk: of random bytes, a packet with one bit flipped, a part of
// one, one with something behind it, one under a number that is still to come.
func spoil(d *rand.Rand, packet []byte) []byte {
	b := bytes.Clone(packet)
	switch d.IntN(5) {
	case 4:
		b[21] += byte(1 + d.IntN(3)) // 65,536 on
	case 0:
		b = b[:1+d.IntN(len(b))]
		for i := range b {
			b[i] = byte(d.Uint32())
		}
	case 1:
		b[d.IntN(len(b))] ^= 1 << d.IntN(8)
	case 2:
		b = b[:1+d.IntN(len(b)-1)]
	default:
		b = append(b, byte(d.Uint32()))
	}
	return b
}

// dataFrame is the first frame of a sender of that session.
func dataFrame(r *room, p control.Params, self uint32) []byte {
	r.Helper()
	f, err := flow.NewSender(flow.SenderConfig{
		Self: self, Symbol: int(p.Symbol), Streams: []flow.Class{flow.Reliable}, MaxMessage: int(p.MaxMessage), Window: int(p.Window),
		Overhead: 40, Start: time.Now(),
	})
	if err != nil {
		r.Fatal(err)
	}
	now := time.Now()
	f.Admit(now, control.RootID, flow.Admission{RTT: time.Millisecond})
	if err := f.Write(now, 0, []byte("i should not speak")); err != nil {
		r.Fatal(err)
	}
	f.Cut(now)
	var b flow.Batch
	for f.Poll(now, &b) {
		if len(b.Frames[0]) > 0 && b.Frames[0][0] == 1 {
			return bytes.Clone(b.Frames[0])
		}
	}
	r.Fatal("no data frame")
	return nil
}

func TestP6_WhoOnlyReceivesIsNotHeard(t *testing.T) {
	for _, plane := range []DataPlane{RootedData, NonrootedData} {
		for _, role := range []Role{Both, ReceiveOnly} {
			inRoom(t, 24, quick, func(r *room) {
				root := r.listen(func(c *Config) { c.Data = plane })
				witness, _ := r.join("witness", nil, nil)
				l, _ := r.join("leaf", nil, func(c *Config) { c.Role = role })
				time.Sleep(time.Second)
				to, at := uint32(control.RootID), root.data.LocalAddr()
				if plane == NonrootedData {
					to, at = 0, testGroup.Addr
				}
				packet, err := l.ring.Seal(nil, to, crypto.KindData, 0, dataFrame(r, l.params, l.id))
				if err != nil {
					r.Fatal(err)
				}
				r.net.Inject(l.s.LocalAddr(), at, packet)
				time.Sleep(time.Second)
				hears := func(who string, st session.Stats) {
					heard, dropped := st.Receivers.Messages, st.Drops[session.DropSender]
					if role == Both && heard != 1 || role == ReceiveOnly && (heard != 0 || dropped == 0) {
						r.Errorf("plane %d, role %v: %s heard %d messages, dropped %d", plane, role, who, heard, dropped)
					}
				}
				if role == Both { // it is read to be counted
					root.Recv(r.ctx, make([]byte, 100))
				}
				hears("the root", root.Stats().Data)
				if plane == NonrootedData {
					if role == Both {
						witness.Recv(r.ctx, make([]byte, 100))
					}
					hears("another leaf", witness.Stats().Data)
				}
				witness.Close()
				l.Close()
			})
		}
	}
}

func TestF4_OtherGroupsPacketsAreDroppedByDestination(t *testing.T) {
	inRoom(t, 25, quick, func(r *room) {
		r.net.CrossTalk(true)
		r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		first := r.root
		defer first.Close()
		c := r.config("other root")
		c.Control = netip.MustParseAddrPort("0.0.0.0:7002")
		group := testGroup
		group.Addr = netip.MustParseAddrPort("239.192.1.2:7000")
		other, err := Listen(r.ctx, group, c)
		if err != nil {
			r.Fatal(err)
		}
		r.root = other
		guest, _ := r.join("guest", nil, nil)
		go r.say(0, 100)
		r.hear(guest, 0, 100)
		if n := l.dropped(session.DropDestination); n == 0 {
			r.Error("no packet of the other group was dropped for its destination")
		}
		if st := l.Stats().Data; st.Drops[session.DropSession] != 0 || st.Receivers.Messages != 0 {
			r.Errorf("the other group's packets were looked into: %v", st.Drops)
		}
		r.hearsNothing(l)
		guest.Close()
		l.Close()
	})
}

func TestDrops_HaveOneNameInBothPackages(t *testing.T) {
	for d := 1; d < crypto.Drops; d++ {
		if a, b := crypto.Drop(d).String(), session.Drop(d).String(); a != b {
			t.Errorf("drop %d is %q to crypto and %q to session", d, a, b)
		}
	}
}
