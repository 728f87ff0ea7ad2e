package joinleaf

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// sight is a packet of data on the wire, headers included.
type sight struct {
	at time.Duration
	n  float64
}

// watching notes the packets of data that a host sends: those with a symbol of a
// message of this test in them, which its smaller packets about data are not.
func (s *stage) watching(host string, least int) *[]sight {
	var seen []sight
	s.net.Tap(func(p simnet.Packet) {
		if p.From == host && len(p.B) >= least {
			seen = append(seen, sight{p.At, float64(len(p.B) + 28)})
		}
	})
	return &seen
}

// within compares every interval with burst + rate*t.
func within(t testing.TB, seen []sight, burst, rate float64) {
	t.Helper()
	for i := range seen {
		sum := 0.0
		for _, p := range seen[i:] {
			sum += p.n
			if most := burst + rate*(p.at-seen[i].at).Seconds(); sum > most+1 {
				t.Fatalf("%.0f bytes in %v, %.0f are allowed", sum, p.at-seen[i].at, most)
			}
		}
	}
}

// TestR208_OnTheWire_RepairsAndHeadersIncluded loses a third of a leaf's packets, so
// that it repairs as much as it sends, and adds up what is on the wire.
func TestR208_OnTheWire_RepairsAndHeadersIncluded(t *testing.T) {
	onStage(t, 178, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		const r, b = 100_000, 4000
		spec := rate(r)
		spec.TokenBucketSize = b
		_, err := s.asking(root, k, &QOS{Sending: spec, Receiving: NoFlowSpec()}, JoinBoth, nil)
		want(t, "join", err, 0)
		s.net.SetLoss("leaf", "root", 0.33)
		seen := s.watching("leaf", 700)
		go func() {
			for range 400 {
				if _, err := k.Send(make([]byte, 1000)); err != nil {
					t.Error(err)
				}
			}
		}()
		for range 400 {
			if r, err := root.Recv(make([]byte, 1000)); err != nil || r.N != 1000 {
				t.Fatal(r, err)
			}
		}
		s.net.Tap(nil)
		if len(*seen) < 500 {
			t.Fatalf("%d packets: nothing was repaired", len(*seen))
		}
		within(t, *seen, b, r)
	})
}

func TestR208_ThePeak(t *testing.T) {
	onStage(t, 179, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		spec := rate(50_000)
		spec.TokenBucketSize, spec.PeakBandwidth = 40_000, 100_000
		_, err := s.asking(root, k, &QOS{Sending: spec, Receiving: NoFlowSpec()}, JoinBoth, nil)
		want(t, "join", err, 0)
		s.settle()
		seen := s.watching("leaf", 700)
		for range 30 { // what was saved goes at the peak, not at once
			_, err := k.Send(make([]byte, 1000))
			want(t, "send", err, 0)
		}
		for range 30 {
			root.Recv(make([]byte, 1000))
		}
		s.net.Tap(nil)
		within(t, *seen, 1500, 100_000)
		if last := (*seen)[len(*seen)-1].at - (*seen)[0].at; last > 400*time.Millisecond {
			t.Errorf("30,000 bytes at 100,000 a second took %v", last)
		}
	})
}

// TestR208_APeakWithoutATokenRate is best effort, which need not state one.
func TestR208_APeakWithoutATokenRate(t *testing.T) {
	onStage(t, 183, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		spec := NoFlowSpec()
		spec.PeakBandwidth = 100_000
		_, err := s.asking(root, k, &QOS{Sending: spec, Receiving: NoFlowSpec()}, JoinBoth, nil)
		want(t, "join", err, 0)
		seen := s.watching("leaf", 700)
		for range 30 {
			_, err := k.Send(make([]byte, 1000))
			want(t, "send", err, 0)
		}
		for range 30 {
			root.Recv(make([]byte, 1000))
		}
		s.net.Tap(nil)
		within(t, *seen, 1500, 100_000)
	})
}

func TestR208_SmallPacketsCountAsMinimumPolicedSize(t *testing.T) {
	onStage(t, 180, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		spec := rate(10_000)
		spec.MinimumPolicedSize = 1000
		_, err := s.asking(root, k, &QOS{Sending: spec, Receiving: NoFlowSpec()}, JoinBoth, nil)
		want(t, "join", err, 0)
		began := time.Now()
		for range 31 {
			_, err := k.Send([]byte("tiny"))
			want(t, "send", err, 0)
		}
		if d := time.Since(began); d < 2900*time.Millisecond || d > 3200*time.Millisecond {
			t.Errorf("31 packets that count as 1,000 bytes took %v at 10,000 a second", d)
		}
	})
}

// TestR208_NoCreditComesFromAChange: a new specification does not fill the bucket.
func TestR208_NoCreditComesFromAChange(t *testing.T) {
	onStage(t, 181, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		_, err := s.asking(root, k, &QOS{Sending: rate(10_000), Receiving: NoFlowSpec()}, JoinBoth, nil)
		want(t, "join", err, 0)
		began := time.Now()
		for i := range 20 {
			_, err := k.Send(make([]byte, 900))
			want(t, "send", err, 0)
			s.must(setQOS(k, QOS{Sending: rate(10_000 + uint32(i)), Receiving: NoFlowSpec()}))
		}
		if d := time.Since(began); d < 1500*time.Millisecond {
			t.Errorf("18,000 bytes at 10,000 a second took %v", d)
		}
	})
}

func TestR232_ASideChatKeepsToItsLeafsRate(t *testing.T) {
	onStage(t, 182, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		spec := rate(10_000)
		spec.MaxSduSize = 900
		got, err := s.asking(root, k, &QOS{Sending: NoFlowSpec(), Receiving: spec}, JoinBoth, nil)
		want(t, "join", err, 0)
		_, err = got.k.Send(make([]byte, 901))
		want(t, "a side chat above MaxSduSize", err, transport.WSAEMSGSIZE)
		began := time.Now()
		for range 21 {
			_, err := got.k.Send(make([]byte, 900))
			want(t, "side chat", err, 0)
		}
		if d := time.Since(began); d < 1700*time.Millisecond || d > 2*time.Second {
			t.Errorf("18,900 bytes at 10,000 a second took %v", d)
		}
		_, err = got.k.Ioctl(FIONBIO, []byte{1, 0, 0, 0}, nil)
		want(t, "nonblocking", err, 0)
		_, err = got.k.Send(make([]byte, 900))
		want(t, "without a token", err, transport.WSAEWOULDBLOCK)
		time.Sleep(100 * time.Millisecond)
		_, err = got.k.Send(make([]byte, 900))
		want(t, "with them", err, 0)
	})
}

// TestR208_OnTheWire_ProofsIncluded: what proves a root's data, a packet of its own where
// messages come one by one, is of the same flow.
func TestR208_OnTheWire_ProofsIncluded(t *testing.T) {
	onStage(t, 184, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		const r, b = 20_000, 4000
		spec := rate(r)
		spec.TokenBucketSize = b
		_, err := s.asking(root, k, &QOS{Sending: NoFlowSpec(), Receiving: spec}, JoinBoth, nil)
		want(t, "join", err, 0)
		s.settle()
		seen := s.watching("root", 130) // less is about data
		go func() {
			for range 200 {
				if _, err := root.Send(make([]byte, 300)); err != nil {
					t.Error(err)
				}
			}
		}()
		proofs := 0
		for range 200 {
			if r, err := k.Recv(make([]byte, 300)); err != nil || r.N != 300 {
				t.Fatal(r, err)
			}
		}
		s.net.Tap(nil)
		for _, p := range *seen {
			if p.n < 300 {
				proofs++
			}
		}
		if proofs < 50 {
			t.Fatalf("%d of %d packets prove others", proofs, len(*seen))
		}
		within(t, *seen, b+300, r) // a proof follows what it proves and does not wait
	})
}
