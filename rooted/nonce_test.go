package rooted

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// numbers holds every packet that was sent against the one rule of counter
// nonces: session, key, sender and number together are never used for two
// different packets. Copies of one packet are one.
type numbers struct {
	t       *testing.T
	mu      sync.Mutex
	seen    map[string][32]byte
	senders map[string]bool // session, key and sender
	twice   int
}

func (n *numbers) tap(p simnet.Packet) {
	if p.From == "outside" || len(p.B) < 24 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k, sum := string(p.B[4:24]), sha256.Sum256(p.B)
	n.senders[k[:12]] = true
	if before, ok := n.seen[k]; ok && before != sum {
		n.twice++
		n.t.Errorf("session %x, key %x, sender %x: number %x for two packets", k[:4], k[4:8], k[8:12], k[12:])
	}
	n.seen[k] = sum
}

// Repairs, rekeys, members that come and go and come back, and a root that starts
// again with the same group, code and addresses: no number is used twice under a
// key, by anybody.
func TestP7_NoNumberIsUsedTwiceUnderAKey(t *testing.T) {
	inRoom(t, 94, simnet.Link{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.03}, func(r *room) {
		n := &numbers{t: r.T, seen: map[string][32]byte{}, senders: map[string]bool{}}
		r.net.Tap(n.tap)
		defer r.net.Tap(nil)
		repaired := uint64(0)
		for start := range 3 {
			root := r.listen(func(c *Config) {
				c.Data = []DataPlane{RootedData, NonrootedData, RootedData}[start]
				c.Control = netip.AddrPortFrom(testRoot.Addr(), uint16(7001+start))
			})
			root.do(func(time.Time, *control.Root) { root.keep.most = 700 }) // timers too
			stays := r.leaves(2)
			for i := range 6 {
				guest, m := r.join("guest", nil, nil) // from the same host again and again
				for _, l := range append(stays, guest) {
					go l.Send(r.ctx, []byte(fmt.Sprint("from ", l.ID())))
				}
				go r.say(200*i, 200)
				for range 200 {
					if _, err := stays[0].Recv(r.ctx, make([]byte, 64<<10)); err != nil {
						r.Fatal(err)
					}
					stays[1].Recv(r.ctx, make([]byte, 64<<10))
				}
				if i%2 == 0 {
					m.Evict(transport.WSAEACCES, "out")
				}
				guest.Close()
			}
			repaired += root.Stats().Data.Sender.Repaired
			for _, l := range stays {
				l.Close()
			}
			root.Close()
			r.in = nil
		}
		r.net.Tap(nil)
		n.mu.Lock()
		defer n.mu.Unlock()
		t.Logf("%d packets of %d senders under their keys, %d repairs", len(n.seen), len(n.senders), repaired)
		if len(n.seen) < 3000 || len(n.senders) < 60 || repaired == 0 {
			r.Error("too little happened")
		}
	})
}

// All that an evicted leaf still has besides the group's keys: the pair's own,
// under which nobody but the root listens, and its name as a sender.
func TestK1_K2_AnEvictedLeafsOwnKeysOpenNoDoor(t *testing.T) {
	for _, plane := range []DataPlane{RootedData, NonrootedData} {
		inRoom(t, 95, quick, func(r *room) {
			root := r.listen(func(c *Config) { c.Data = plane })
			stay := r.leaves(3)
			eve, m := r.join("eve", nil, nil)
			third, _ := r.join("third", nil, nil) // an overlap runs
			unicast := &recording{}
			r.net.Tap(func(p simnet.Packet) {
				if p.To == "eve" && p.Dst != testGroup.Addr && len(p.B) > 24 {
					unicast.mu.Lock()
					unicast.packets = append(unicast.packets, p)
					unicast.mu.Unlock()
				}
			})
			m.Evict(transport.WSAEACCES, "out")
			seal := func(to uint32, body []byte) []byte {
				p, err := eve.ring.Seal(nil, to, crypto.KindData, 0, body)
				if err != nil {
					r.Fatal(err)
				}
				return p
			}
			frame := dataFrame(r, eve.params, eve.id)
			inject := func(to netip.AddrPort, p []byte) {
				if err := r.net.Inject(eve.s.LocalAddr(), to, p); err != nil {
					r.Fatal(err)
				}
			}
			before := root.Stats()
			heard := func() (n uint64) {
				for _, l := range stay {
					for _, d := range l.Stats().Data.Drops {
						n += d
					}
				}
				return n
			}
			dropped := heard()
			for range 50 {
				inject(root.data.LocalAddr(), seal(control.RootID, frame))        // data to the root alone
				inject(root.data.LocalAddr(), seal(control.RootID, nakOf(0, 10))) // a question
				inject(stay[0].s.LocalAddr(), seal(control.RootID, frame))        // to a leaf, as if from the root
				inject(testGroup.Addr, seal(0, frame))                            // to the group, in her own name
			}
			time.Sleep(100 * time.Millisecond)
			after := root.Stats()
			if after.Data.Receivers.Messages != before.Data.Receivers.Messages || after.Data.Sender.Naks != before.Data.Sender.Naks {
				r.Errorf("plane %d: the root took %d messages and %d NAKs of hers", plane,
					after.Data.Receivers.Messages-before.Data.Receivers.Messages, after.Data.Sender.Naks-before.Data.Sender.Naks)
			}
			// The root drops what came to it alone, and the group's where it listens to it.
			want := uint64(100)
			if plane == NonrootedData {
				want = 150
			}
			got := uint64(0)
			for d := range after.Data.Drops {
				got += after.Data.Drops[d] - before.Data.Drops[d]
			}
			if got < want || got > want && plane == RootedData { // with the other plane she says more, by herself
				r.Errorf("plane %d: the root dropped %d of %d", plane, got, want)
			}
			if got := heard() - dropped; got < 50+3*50 {
				r.Errorf("plane %d: the leaves dropped %d of %d", plane, got, 50+3*50)
			}
			for _, l := range stay {
				r.hearsNothing(l)
			}
			// Nothing goes to her any more: no repair, no word to go on.
			unicast.mu.Lock()
			unicast.packets = nil
			unicast.mu.Unlock()
			go r.say(0, 50)
			r.hear(stay[0], 0, 50)
			if late := unicast.stop(r); len(late) != 0 {
				r.Errorf("plane %d: %d packets still go to her", plane, len(late))
			}
			// Her control connection is over: what she writes is read by nobody.
			eve.link.ch.Write(control.Join{Suites: []uint8{1}}.Append(nil))
			time.Sleep(time.Second)
			if st := root.Stats().Control; st.Requested != after.Control.Requested || st.Leaves != 4 {
				r.Errorf("plane %d: %d requests, %d leaves", plane, st.Requested-after.Control.Requested, st.Leaves)
			}
			third.Close()
			eve.Close()
		})
	}
}
