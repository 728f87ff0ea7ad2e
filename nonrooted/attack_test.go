package nonrooted

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/session"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// victim is an address of the local network that nobody has: what is sent there
// was made somebody's by a lie.
func victim(p *Peer) netip.AddrPort {
	a := p.LocalAddr().Addr().As4()
	a[3] = 250
	return netip.AddrPortFrom(netip.AddrFrom4(a), 99)
}

// toll counts what goes to an address.
func (r *room) toll(to netip.AddrPort) (bytes func() int) {
	var mu sync.Mutex
	n := 0
	r.net.Tap(func(p simnet.Packet) {
		mu.Lock()
		defer mu.Unlock()
		if p.Dst == to {
			n += len(p.B)
		}
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func TestN1_WhoLiesAboutItsAddressGetsAThirdSentThereAtMost(t *testing.T) {
	inRoom(t, 21, lan, func(r *room) {
		ps := r.joinAll(8, nil)
		r.settle(time.Second, ps...)
		from := victim(ps[0])
		out := r.toll(from)
		for size := 20; size <= 1500; size += 20 {
			b := control.Hello{Lot: 7}.Append(nil)
			if size < len(b) {
				b = b[:size]
			} else {
				b = append(b, make([]byte, size-len(b))...)
			}
			for _, to := range []netip.AddrPort{ps[0].wires.to, ps[0].LocalAddr(), ps[3].LocalAddr()} {
				before := out()
				if err := r.net.Inject(from, to, b); err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
				if n := out() - before; 3*n > len(b) {
					t.Errorf("%d bytes in, %d out", len(b), n)
				}
			}
		}
		if out() == 0 {
			t.Error("nothing was answered: the test shows nothing")
		}
	})
}

func TestN2_StrangersCostNoStateAndLittleWork(t *testing.T) {
	inRoom(t, 22, lan, func(r *room) {
		ps := r.joinAll(2, nil)
		at := ps[0].LocalAddr()
		var open []byte // the first OPEN of one that was let in, with its token
		var mu sync.Mutex
		r.net.Tap(func(p simnet.Packet) {
			mu.Lock()
			defer mu.Unlock()
			if p.Dst == at && p.B[0] == 22 && open == nil {
				open = bytes.Clone(p.B)
			}
		})
		r.join(nil)
		ps = r.in
		r.settle(time.Second, ps...)
		before := ps[0].Stats()
		out := r.toll(victim(ps[0]))
		in := 0
		hello := control.Hello{Lot: 9}.Append(nil)
		far := netip.MustParseAddrPort("192.0.2.77:5")
		for i := range 2000 {
			for from, b := range map[netip.AddrPort][]byte{victim(ps[0]): hello, far: hello} {
				if err := r.net.Inject(from, ps[0].wires.to, b); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.net.Inject(victim(ps[0]), ps[0].LocalAddr(), open); err != nil {
				t.Fatal(err)
			}
			in += len(hello) + len(open)
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		after := ps[0].Stats()
		if after.Channels.Associations != before.Channels.Associations || after.Channels.Drops[dtls.DropToken] < 2000 {
			t.Errorf("associations %d, before %d; %d tokens refused", after.Channels.Associations, before.Channels.Associations, after.Channels.Drops[dtls.DropToken])
		}
		if n := out(); n == 0 || n > 3*20*control.HereSize {
			t.Errorf("%d bytes in, %d out", in, n)
		}
		if after.Far < 2000 || after.Flood == 0 || after.Membership.Hellos-before.Membership.Hellos > 2*plainRate {
			t.Errorf("%d from far off, %d in a flood, %d reached the machine", after.Far, after.Flood, after.Membership.Hellos)
		}
		r.join(nil) // and who belongs here comes in all the same
	})
}

func TestN3_ASessionWithAnotherCodeTakesNobodyAway(t *testing.T) {
	inRoom(t, 23, lan, func(r *room) {
		ps := r.joinAll(2, nil)
		r.settle(time.Second, ps...)
		// False members, who begin while they cannot hear the true ones.
		r.net.Host("false0")
		r.net.Host("false1")
		r.net.Partition([]string{"false0", "false1"})
		code, err := crypto.NewCode()
		if err != nil {
			t.Fatal(err)
		}
		var false_ []*Peer
		for _, host := range []string{"false0", "false1"} {
			c := r.config(host)
			c.Identity = crypto.Identity{Code: code}
			p, err := Join(r.ctx, testGroup, c)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			false_ = append(false_, p)
		}
		r.net.Heal()
		time.Sleep(15 * time.Second) // they announce themselves, and are met
		ps = append(ps, r.join(nil), r.join(nil))
		r.settle(2*time.Second, ps...)
		if !agree(false_...) {
			t.Error("the false session lost its members")
		}
		exchangeNew(r, ps)
	})
}

func TestP6_WhoOnlyReceivesIsNotHeard(t *testing.T) {
	inRoom(t, 24, lan, func(r *room) {
		a := r.join(nil)
		b := r.join(func(c *Config) { c.Role = ReceiveOnly })
		r.settle(time.Second, a, b)
		pl := b.sending.Load()
		for range 5 {
			packet, err := pl.ring.Seal(nil, 0, 0, 0, append([]byte{1}, bytes.Repeat([]byte("x"), 64)...))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.net.Inject(b.LocalAddr(), testGroup.Addr, packet); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		if m, err := a.Recv(ctx, make([]byte, 100)); err == nil {
			t.Errorf("heard %d bytes of member %d", m.N, m.From)
		}
		if st, known := a.sending.Load().s.Heard(b.ID()); known {
			t.Errorf("its packets are a sender's: %+v", st)
		}
	})
}

func TestP1_ReplaysIntoTheSameAndTheNextKeysAreNotDelivered(t *testing.T) {
	inRoom(t, 25, lan, func(r *room) {
		ps := r.joinAll(3, nil)
		r.settle(time.Second, ps...)
		var mu sync.Mutex
		var taped [][]byte
		var from netip.AddrPort
		r.net.Tap(func(p simnet.Packet) {
			mu.Lock()
			defer mu.Unlock()
			if p.Dst == testGroup.Addr && p.To == "p1" {
				taped, from = append(taped, bytes.Clone(p.B)), p.Src
			}
		})
		hear := func(p *Peer, n int) {
			t.Helper()
			buf := make([]byte, 100)
			for i := range n {
				if m, err := p.Recv(r.ctx, buf); err != nil || m.Missed != 0 {
					t.Fatalf("message %d: %v, %d missed", i, err, m.Missed)
				}
			}
			ctx, cancel := context.WithTimeout(r.ctx, time.Second)
			defer cancel()
			if _, err := p.Recv(ctx, buf); err == nil {
				t.Error("a message came again")
			}
		}
		for i := range 20 {
			if err := ps[0].Send(r.ctx, numbered(0, i)); err != nil {
				t.Fatal(err)
			}
		}
		hear(ps[1], 20)
		r.net.Tap(nil)
		replay := func() {
			mu.Lock()
			defer mu.Unlock()
			for range 3 {
				for _, b := range taped {
					if err := r.net.Inject(from, testGroup.Addr, b); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		replay()
		hear(ps[1], 0)
		if ps[1].Stats().Data.Dropped(session.DropReplay) == 0 {
			t.Error("no replay was counted")
		}
		ps[2].Close() // the next keys
		r.settle(time.Second, ps[0], ps[1])
		replay()
		hear(ps[1], 0)
	})
}

func TestK1_WhoWasPutOutOpensNothingThatFollows(t *testing.T) {
	inRoom(t, 26, lan, func(r *room) {
		ps := r.joinAll(3, nil)
		r.settle(time.Second, ps...)
		out := ps[2].sending.Load()
		if err := ps[0].Evict(r.ctx, ps[2].ID()); err != nil {
			t.Fatal(err)
		}
		r.settle(time.Second, ps[0], ps[1])
		// It takes the step that a joiner would have been let in by.
		if err := out.ring.Add(out.epoch.Next(crypto.Roster([]uint32{ps[0].ID(), ps[1].ID()}))); err != nil {
			t.Fatal(err)
		}
		if err := out.ring.Admit(ps[0].ID()); err != nil {
			t.Fatal(err)
		}
		opened := 0
		var mu sync.Mutex
		seen := 0
		r.net.Tap(func(p simnet.Packet) {
			mu.Lock()
			defer mu.Unlock()
			if p.Dst != testGroup.Addr || p.To != "p1" {
				return
			}
			seen++
			if _, drop := out.ring.Open(bytes.Clone(p.B)); drop == 0 { // with all it ever had
				opened++
			}
		})
		for i := range 20 {
			if err := ps[0].Send(r.ctx, numbered(0, i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if seen == 0 || opened != 0 {
			t.Errorf("of %d packets the evicted one opens %d", seen, opened)
		}
		if err := ps[2].Send(r.ctx, []byte("x")); !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("it sends: %v", err)
		}
	})
}
