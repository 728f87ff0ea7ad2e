package simnet_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// hear sends count packets from a to each of the named hosts' group sockets,
// 100 at a time, a millisecond apart, and returns what each heard.
func hear(t *testing.T, n *simnet.Net, count int, names ...string) (ears []*ear) {
	t.Helper()
	a := n.Host("a")
	for _, name := range names {
		ears = append(ears, listen(member(t, n.Host(name), group, transport.SocketOptions{})))
	}
	s := speaker(t, a, transport.SocketOptions{})
	for first := 0; first < count; first += 100 {
		say(t, s, group, first, min(100, count-first), 64)
		time.Sleep(time.Millisecond)
	}
	after(time.Second)
	return ears
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s: %.4f; want %.4f within %.4f", what, got, want, within)
	}
}

func TestLoss_IsIndependentForEachReceiver(t *testing.T) {
	const count = 20000
	inBubble(t, simnet.Link{Loss: 0.1}, func(t *testing.T, n *simnet.Net) {
		ears := hear(t, n, count, "b", "c")
		lost := func(e *ear) map[int]bool {
			m := map[int]bool{}
			for i := range count {
				m[i] = true
			}
			for _, i := range e.numbers() {
				delete(m, i)
			}
			return m
		}
		b, c, both := lost(ears[0]), lost(ears[1]), 0
		for i := range b {
			if c[i] {
				both++
			}
		}
		near(t, "lost to b", float64(len(b))/count, 0.1, 0.01)
		near(t, "lost to c", float64(len(c))/count, 0.1, 0.01)
		near(t, "lost to both", float64(both)/count, 0.01, 0.003)
		if got := n.Stats().Dropped[simnet.DropLoss]; got != uint64(len(b)+len(c)) {
			t.Errorf("books say %d lost; the ears say %d", got, len(b)+len(c))
		}
	})
}

func TestSharedLoss_IsTheSameForAll(t *testing.T) {
	const count = 20000
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		n.SetSharedLoss("*", 0.05)
		own := listen(member(t, n.Host("a"), group, transport.SocketOptions{}))
		ears := hear(t, n, count, "b", "c", "d")
		for _, e := range ears[1:] {
			if !slices.Equal(e.numbers(), ears[0].numbers()) {
				t.Error("receivers lost different packets before the switch")
			}
		}
		near(t, "shared loss", 1-float64(len(ears[0].packets))/count, 0.05, 0.01)
		if len(own.packets) != count {
			t.Errorf("the own host heard %d of %d; its packets pass no uplink", len(own.packets), count)
		}
		if s := n.Stats(); s.Dropped[simnet.DropShared] != 3*uint64(count-len(ears[0].packets)) {
			t.Errorf("books: %v", s)
		}
	})
}

func TestBurst_LosesInBurstsAndRecovers(t *testing.T) {
	const count = 100000
	inBubble(t, simnet.Link{Burst: simnet.Burst{GoodToBad: 0.01, BadToGood: 0.1, LossInBad: 0.55}}, func(t *testing.T, n *simnet.Net) {
		ns := hear(t, n, count, "b")[0].numbers()
		lost, bursts := count-len(ns), 0
		for i := 1; i < len(ns); i++ {
			if ns[i] > ns[i-1]+1 {
				bursts++
			}
		}
		near(t, "mean loss", float64(lost)/count, 0.05, 0.005)
		if mean := float64(lost) / float64(bursts); mean < 1.5 {
			t.Errorf("%.2f losses in a row in the mean; independent loss has 1.05", mean)
		}
		n.SetLink("a", "b", simnet.Link{}) // and with the bursts switched off, be it in a bad moment:
		hear(t, n, 1000, "c")
		if s := n.StatsOf("a", "b"); s.Delivered != uint64(len(ns))+1000 {
			t.Errorf("books: %v", s)
		}
	})
}

func TestEvery_LosesPeriodically(t *testing.T) {
	inBubble(t, simnet.Link{Every: 16}, func(t *testing.T, n *simnet.Net) {
		for _, i := range hear(t, n, 1600, "b")[0].numbers() {
			if i%16 == 15 {
				t.Fatalf("packet %d arrived; each 16th is lost", i)
			}
		}
		if got := n.Stats().Dropped[simnet.DropLoss]; got != 100 {
			t.Errorf("%d lost; want 100", got)
		}
	})
}

func TestBatchLoss_TakesTheWholeDatagram(t *testing.T) {
	inBubble(t, simnet.Link{BatchLoss: 0.2}, func(t *testing.T, n *simnet.Net) {
		s := speaker(t, n.Host("a"), transport.SocketOptions{})
		e := listen(member(t, n.Host("b"), group, transport.SocketOptions{}))
		for i := range 500 {
			write(t, s, transport.Datagram{B: numbered(45*i, 45, 1000), Segment: 1000, Addr: group})
			time.Sleep(time.Millisecond)
		}
		after(time.Second)
		ns := e.numbers()
		for i, v := range ns {
			if i%45 != v%45 {
				t.Fatalf("packet %d arrived at place %d: a Datagram was split", v, i)
			}
		}
		near(t, "lost Datagrams", 1-float64(len(ns))/45/500, 0.2, 0.05)
		if got := n.Stats().Dropped[simnet.DropBatch]; got != uint64(45*500-len(ns)) {
			t.Errorf("books say %d", got)
		}
	})
}

func TestDuplicate_ArrivesTwiceAndIsCounted(t *testing.T) {
	inBubble(t, simnet.Link{Duplicate: 0.05}, func(t *testing.T, n *simnet.Net) {
		ns := hear(t, n, 10000, "b")[0].numbers()
		twice := len(ns) - 10000
		near(t, "duplicates", float64(twice)/10000, 0.05, 0.01)
		if !slices.IsSorted(ns) || len(slices.Compact(slices.Clone(ns))) != 10000 {
			t.Error("a duplicate is out of place, or something is missing")
		}
		if s := n.Stats(); s.Duplicates != uint64(twice) || s.Copies != 10000+s.Duplicates {
			t.Errorf("books: %v", s)
		}
	})
}

func TestReorder_MakesSomeLateAndOnlySome(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond, Reorder: 0.01, ReorderDelay: 5 * time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		e := hear(t, n, 10000, "b")[0]
		ns, late, highest := e.numbers(), 0, -1
		for i, v := range ns {
			if v < highest {
				late++
			}
			highest = max(highest, v)
			if sent := time.Duration(v/100) * time.Millisecond; e.at[i] > sent+6*time.Millisecond+2 {
				t.Fatalf("packet %d took %v", v, e.at[i]-sent)
			}
		}
		if late < 50 || late > 150 || len(ns) != 10000 {
			t.Errorf("%d of %d late; want about 100 of 10000", late, len(ns))
		}
		if s := n.Stats(); int(s.Reordered) < late {
			t.Errorf("books: %v, but %d were late", s, late)
		}
	})
}

func TestJitter_VariesButKeepsTheOrder(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond, Jitter: 10 * time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		e := hear(t, n, 5000, "b")[0]
		if !slices.IsSorted(e.numbers()) || len(e.packets) != 5000 {
			t.Error("jitter put packets out of order, or lost some")
		}
		distinct := len(slices.Compact(slices.Clone(e.at)))
		if distinct < 50 {
			t.Errorf("only %d different times of arrival", distinct)
		}
	})
}

// What one link draws comes from its own dice: neither traffic elsewhere nor
// another impairment on the same link shifts it.
func TestDraws_AreEachLinksOwn(t *testing.T) {
	losses := func(disturb func(n *simnet.Net)) (ns []int) {
		inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
			n.Host("a")
			n.Host("b")
			n.SetLink("a", "b", simnet.Link{Loss: 0.2})
			disturb(n)
			ns = slices.Clone(hear(t, n, 2000, "b")[0].numbers())
			slices.Sort(ns)
			ns = slices.Compact(ns)
		})
		return ns
	}
	plain := losses(func(*simnet.Net) {})
	for name, disturb := range map[string]func(n *simnet.Net){
		"traffic of others": func(n *simnet.Net) {
			n.Host("c")
			n.SetLink("c", "*", simnet.Link{Loss: 0.5})
			n.SetLink("*", "c", simnet.Link{Loss: 0.5})
			listen(member(t, n.Host("c"), group, transport.SocketOptions{}))
			for range 100 {
				say(t, speaker(t, n.Host("c"), transport.SocketOptions{}), group, 1<<20, 1, 64)
			}
		},
		"jitter and duplicates": func(n *simnet.Net) {
			n.SetLink("a", "b", simnet.Link{Loss: 0.2, Jitter: time.Millisecond, Duplicate: 0.3, Reorder: 0.1})
		},
	} {
		got := slices.DeleteFunc(losses(disturb), func(v int) bool { return v >= 1<<20 })
		if !slices.Equal(got, plain) {
			t.Errorf("%s changed which packets are lost", name)
		}
	}
}

func TestSetLoss_ActsAtOnceAndOnHostsToCome(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		n.SetLoss("*", "*", 1)
		ears := hear(t, n, 100, "b")
		n.SetLoss("a", "b", 0)
		ears = append(ears, hear(t, n, 100, "c")...)
		if len(ears[0].packets) != 100 || len(ears[1].packets) != 0 {
			t.Errorf("b heard %d, c %d; want 100, 0", len(ears[0].packets), len(ears[1].packets))
		}
	})
}
