package rooted

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func kindOf(p simnet.Packet) int {
	if len(p.B) == 0 || p.Dst != testGroup.Addr || p.From == "outside" {
		return -1
	}
	return int(p.B[0] & 15)
}

// holds is the newest epoch that a leaf has the keys of.
func (l *Leaf) holds() (n uint64) {
	l.do(func(time.Time, *control.Leaf) { n = l.epoch.Number() })
	return n
}

// loses drops packets to the group by chance, each receiver's its own.
func (r *room) loses(seed uint64, part float64) {
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, 30))
	r.net.Filter(func(p simnet.Packet) bool {
		if kindOf(p) < 0 {
			return true
		}
		mu.Lock()
		defer mu.Unlock()
		return dice.Float64() >= part
	})
}

// converge waits until every leaf has the root's newest keys and seals under
// them, and tells how long that took.
func (r *room) converge(ls []*Leaf, within time.Duration) {
	r.Helper()
	start := time.Now()
	for {
		var newest uint64
		r.root.do(func(time.Time, *control.Root) { newest = r.root.epoch.Number() })
		late := slices.IndexFunc(ls, func(l *Leaf) bool { return l.holds() != newest || l.Epoch() != newest })
		if late < 0 {
			return
		}
		if time.Since(start) > within {
			l := ls[late]
			r.Fatalf("after %v leaf %d holds epoch %d and uses %d, the newest is %d; %+v", within, l.ID(), l.holds(), l.Epoch(), newest, l.Stats().Control)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestK5_ThirtyPercentLossDelaysNobodyByTwoSeconds(t *testing.T) {
	for seed := range uint64(4) {
		inRoom(t, seed, quick, func(r *room) {
			r.listen(nil)
			stay := r.leaves(12)
			time.Sleep(time.Second)
			r.loses(seed, 0.3)
			for i := range 12 {
				guest, m := r.join(fmt.Sprintf("guest%d", i), nil, nil)
				r.converge(append(stay, guest), 2*time.Second)
				m.Evict(transport.WSAEACCES, "out")
				r.converge(stay, 2*time.Second)
				guest.Close()
			}
			st := r.root.Stats().Control
			if st.Granted == 0 {
				r.Error("nobody lost a rekey: the test tests nothing")
			}
			if r.Logf("%d epochs, %d of 12 leaves' answers late, %d asked, %d granted", st.Epochs, st.Reminded, st.Resyncs, st.Granted); st.Granted > st.Epochs {
				r.Errorf("%d grants for %d epochs: copies on the group do not help", st.Granted, st.Epochs)
			}
		})
	}
}

// numbersOf counts packets of a kind as they were sent, not as they came.
type numbersOf struct {
	mu   sync.Mutex
	kind int
	seen map[string]int // its size, by key id, sender and number
}

func (n *numbersOf) tap(p simnet.Packet) {
	if kindOf(p) != n.kind {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[string(p.B[8:24])] = len(p.B)
}

func TestK6_ARemovalAmongManyIsOnePacketAndNoFrame(t *testing.T) {
	inRoom(t, 52, quick, func(r *room) {
		r.listen(nil)
		leaves := make([]*Leaf, 0, 60)
		members := make([]*Member, 0, 60)
		for i := range 60 {
			l, m := r.join(fmt.Sprintf("leaf%d", i), nil, nil)
			leaves, members = append(leaves, l), append(members, m)
		}
		time.Sleep(time.Second)
		rekeys := &numbersOf{kind: crypto.KindRekey, seen: map[string]int{}}
		before := r.root.Stats().Control
		r.net.Tap(rekeys.tap)
		members[17].Evict(transport.WSAEACCES, "out")
		r.converge(slices.Delete(slices.Clone(leaves), 17, 18), 100*time.Millisecond)
		time.Sleep(time.Second)
		r.net.Tap(nil)
		after := r.root.Stats().Control
		if len(rekeys.seen) != 1 {
			r.Errorf("%d packets for one removal among 60", len(rekeys.seen))
		}
		for _, size := range rekeys.seen {
			r.Logf("%d bytes", size)
		}
		if after.Granted != before.Granted || after.Resyncs != before.Resyncs || after.Reminded != before.Reminded {
			r.Errorf("frames for single leaves: %+v, before %+v", after, before)
		}
	})
}

// A rekey of many removals has several parts, and one of them never comes to
// one leaf.
func TestK5_APartThatIsLostIsAskedFor(t *testing.T) {
	inRoom(t, 53, quick, func(r *room) {
		r.listen(nil)
		var stay []*Leaf
		var go1 []*Member
		for i := range 64 {
			l, m := r.join(fmt.Sprintf("leaf%d", i), nil, nil)
			if i%2 == 0 {
				stay = append(stay, l)
			} else {
				go1 = append(go1, m)
			}
		}
		time.Sleep(time.Second)
		rekeys := &numbersOf{kind: crypto.KindRekey, seen: map[string]int{}}
		r.net.Tap(rekeys.tap)
		r.net.Filter(func(p simnet.Packet) bool {
			return kindOf(p) != crypto.KindRekey || p.To != "leaf4" || len(p.B) < 1000 // its last part comes
		})
		before := r.root.Stats().Control.Granted
		var all sync.WaitGroup
		for _, m := range go1 {
			all.Go(func() { m.Evict(transport.WSAEACCES, "out") })
		}
		all.Wait()
		r.converge(stay, 2*time.Second)
		st := r.root.Stats().Control
		r.Logf("%d rekey packets, %d epochs, %d granted", len(rekeys.seen), st.Epochs, st.Granted-before)
		if got := st.Granted - before; got != 1 {
			r.Errorf("%d grants; one leaf lacks a part", got)
		}
	})
}

func TestK5_WhoHearsNoMulticastRecoversOverTCP(t *testing.T) {
	inRoom(t, 54, quick, func(r *room) {
		patient := func(c *Config) { c.Silence = time.Minute } // a BEAT each 12 s is no help
		root := r.listen(patient)
		var stay []*Leaf
		for i := range 3 {
			l, _ := r.join(fmt.Sprintf("leaf%d", i), nil, patient)
			stay = append(stay, l)
		}
		dead, _ := r.join("dead", nil, patient)
		time.Sleep(time.Second)
		r.net.Filter(func(p simnet.Packet) bool { return kindOf(p) < 0 || p.To != "dead" })
		for i := range 3 {
			_, m := r.join(fmt.Sprintf("guest%d", i), nil, nil)
			m.Evict(transport.WSAEACCES, "out")
			start := time.Now()
			r.converge(stay, 2*time.Second)
			for dead.holds() != stay[0].holds() && time.Since(start) < 3*time.Second {
				time.Sleep(time.Millisecond)
			}
			if d := time.Since(start); d > 2*time.Second {
				r.Errorf("it took %v to have the keys", d)
			}
		}
		if asked := dead.Stats().Control.Asked; asked == 0 || asked > 6 {
			r.Errorf("it has asked %d times", asked)
		}
		sent := make(chan struct{})
		go func() { // what goes to it alone opens: keys and data are whole
			defer close(sent)
			dead.Send(r.ctx, []byte("I live"))
		}()
		p := make([]byte, 100)
		if m, err := root.Recv(r.ctx, p); err != nil || string(p[:m.N]) != "I live" {
			r.Errorf("%q, %v", p[:m.N], err)
		}
		<-sent
	})
}

// While one leaf does not answer the root goes on under the epoch before, and
// says all that changes meanwhile under that one.
func TestK5_MoreEpochsThanARingHoldsPassWhileOneLeafIsMute(t *testing.T) {
	inRoom(t, 55, quick, func(r *room) {
		r.listen(nil)
		stay := r.leaves(3)
		mute, _ := r.join("mute", nil, nil)
		var guests []*Member
		for i := range 8 {
			_, m := r.join(fmt.Sprintf("guest%d", i), nil, nil)
			guests = append(guests, m)
		}
		time.Sleep(time.Second)
		before := r.root.Stats().Control
		r.net.Partition([]string{"mute"})
		for _, m := range guests[:7] {
			m.Close()
			time.Sleep(60 * time.Millisecond)
		}
		r.converge(stay, 2*time.Second)
		st := r.root.Stats().Control
		if st.Epochs-before.Epochs < 6 || st.Granted != before.Granted {
			r.Errorf("%d epochs, %d leaves had to be granted one", st.Epochs-before.Epochs, st.Granted-before.Granted)
		}
		r.net.Heal()
		time.Sleep(2 * time.Second) // a stream's resend
		r.converge(append(stay, mute), 2*time.Second)
	})
}

func TestWhoOnlySendsDelaysNoEpoch(t *testing.T) {
	inRoom(t, 56, quick, func(r *room) {
		r.listen(nil)
		sender, _ := r.join("sender", nil, func(c *Config) { c.Role = SendOnly })
		stay := r.leaves(2)
		time.Sleep(time.Second)
		_, m := r.join("guest", nil, nil)
		start := time.Now()
		m.Evict(transport.WSAEACCES, "out")
		if d := time.Since(start); d > 100*time.Millisecond {
			r.Errorf("Evict took %v", d)
		}
		r.converge(append(stay, sender), 2*time.Second)
	})
}

func TestTimers_MakeFreshEpochs(t *testing.T) {
	inRoom(t, 57, quick, func(r *room) {
		root := r.listen(nil)
		if root.keep != (patience{time.Hour, 1 << 36}) {
			r.Errorf("%+v", root.keep)
		}
		stay := r.leaves(3)
		time.Sleep(time.Second)
		packets := &numbersOf{kind: crypto.KindRekey, seen: map[string]int{}}
		r.net.Tap(packets.tap)
		from := stay[0].Epoch()
		root.do(func(time.Time, *control.Root) { root.keep.longest = 20 * time.Second })
		time.Sleep(61 * time.Second)
		if got := stay[0].Epoch() - from; got < 2 || got > 3 || len(packets.seen) != int(got) {
			r.Errorf("%d epochs and %d packets in a minute of 20 s each", got, len(packets.seen))
		}
		r.converge(stay, time.Second)
		root.do(func(time.Time, *control.Root) { root.keep = patience{time.Hour, 1000} })
		from = stay[0].Epoch()
		go r.say(0, 2500)
		for _, l := range stay[1:] {
			go take(r.T, r.ctx, l.Recv, 0)
		}
		r.hear(stay[0], 0, 2500)
		time.Sleep(time.Second)
		if got := stay[0].Epoch() - from; got == 0 {
			r.Error("no new epoch for a thousand packets")
		}
		r.converge(stay, time.Second)
	})
}
