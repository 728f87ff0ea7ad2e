package nonrooted

import (
	"context"
	"errors"
	"flag"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

var (
	histories = flag.Uint64("histories", 8, "the histories of a session with data end before this seed")
	firstOf   = flag.Uint64("history-from", 0, "and begin with this one")
)

// TestN4_HistoriesWithData lets members come, die, leave, part and meet again
// while all send. No message may come twice, or late, or in another's name; what
// is missing must be told; and in the end all who are left are one session in
// which everybody hears everybody.
func TestN4_HistoriesWithData(t *testing.T) {
	t.Parallel() // beside the tests that wait for real clocks
	for seed := *firstOf; seed < *histories; seed++ {
		link := simnet.Link{Delay: 200 * time.Microsecond, Loss: []float64{0, 0.01, 0.05}[seed%3]}
		inRoom(t, seed, link, func(r *room) { (&history{room: r, dice: rand.New(rand.NewPCG(seed, 3))}).run() })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type history struct {
	*room
	dice  *rand.Rand
	lives []*life
	wg    sync.WaitGroup
	stop  chan struct{}

	sealed int // packets whose nonces were looked at
}

// life is a member, what it sends and what it heard.
type life struct {
	p    *Peer
	who  int
	dead bool

	mu    sync.Mutex
	next  map[int]int // by sender: above what was heard or told missed
	final map[int]bool
}

// nonces watches the network for a packet number that is used twice under one key:
// the header in clear names the session, the key, the sender and the number, so two
// packets with the same header and different contents had the same nonce (P7).
func (h *history) nonces() {
	type header [20]byte
	var mu sync.Mutex
	sealed := make(map[header]uint64)
	seed := maphash.MakeSeed()
	h.net.Tap(func(p simnet.Packet) {
		if len(p.B) < 40 || p.B[0]>>4 != 1 || dtls.Owns(p.B) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		k, sum := header(p.B[4:24]), maphash.Bytes(seed, p.B)
		if before, ok := sealed[k]; ok && before != sum {
			h.Errorf("the nonce of %x was used twice", k)
		}
		sealed[k] = sum
		h.sealed = len(sealed)
	})
}

func (h *history) run() {
	h.stop = make(chan struct{})
	h.nonces()
	for range 3 + h.dice.IntN(4) {
		h.enter()
	}
	for range 8 {
		h.something()
		time.Sleep(time.Duration(h.dice.Int64N(int64(4 * time.Second))))
	}
	h.net.Heal()
	time.Sleep(3 * time.Second) // silence of before may be counted out only now, and part them once more
	up := h.up()
	var ps []*Peer
	for _, l := range up {
		ps = append(ps, l.p)
	}
	h.settle(30*time.Second, ps...)
	close(h.stop) // of sending; what is on the way still comes
	time.Sleep(time.Second)
	for _, l := range up {
		if err := l.p.Send(h.ctx, numbered(l.who, 1<<40)); err != nil {
			h.Errorf("member %d cannot send in the end: %v", l.who, err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for !h.heardAll(up) {
		if time.Now().After(deadline) {
			for _, l := range up {
				l.mu.Lock()
				h.Logf("member %d, in view %x of %v, heard the last of %v", l.who, l.p.View().Number, l.p.View().Session, l.final)
				l.mu.Unlock()
			}
			h.Fatalf("not everybody heard everybody's last message")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, l := range h.lives {
		l.p.Close()
	}
	h.wg.Wait()
	h.net.Tap(nil)
	if h.sealed < 1000 {
		h.Errorf("only %d packets were looked at", h.sealed)
	}
}

func (h *history) heardAll(up []*life) bool {
	for _, l := range up {
		l.mu.Lock()
		n := len(l.final)
		l.mu.Unlock()
		if n != len(up)-1 {
			return false
		}
	}
	return true
}

func (h *history) up() []*life {
	return slices.DeleteFunc(slices.Clone(h.lives), func(l *life) bool { return l.dead })
}

func (h *history) enter() {
	if len(h.lives) >= 10 {
		return
	}
	l := &life{p: h.join(nil), who: len(h.lives), next: make(map[int]int), final: make(map[int]bool)}
	h.lives = append(h.lives, l)
	h.wg.Go(func() { l.send(h) })
	h.wg.Go(func() { l.hear(h) })
}

func (h *history) something() {
	up := h.up()
	l := up[h.dice.IntN(len(up))]
	switch n := h.dice.IntN(6); {
	case n == 0:
		h.enter()
	case n == 1 && len(up) > 2:
		l.dead = true
		h.net.Kill(name(l.who))
	case n == 2 && len(up) > 2:
		l.dead = true
		l.p.Close()
	case n <= 4:
		var side []string
		for i := range h.lives {
			if h.dice.IntN(2) == 0 {
				side = append(side, name(i))
			}
		}
		h.net.Partition(side)
	default:
		h.net.Heal()
	}
}

// over reports whether a call failed since this member is no more.
func over(err error) bool { return errors.Is(err, net.ErrClosed) }

func (l *life) send(h *history) {
	for i := 0; ; i++ {
		if err := l.p.Send(h.ctx, numbered(l.who, i)); err != nil {
			if !over(err) && !errors.Is(err, transport.WSAENETDOWN) {
				h.Errorf("member %d sends: %v", l.who, err)
			}
			return
		}
		select {
		case <-h.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (l *life) hear(h *history) {
	buf := make([]byte, 100)
	for {
		m, err := l.p.Recv(context.Background(), buf)
		if err != nil {
			if !over(err) {
				h.Errorf("member %d hears: %v", l.who, err)
			}
			return
		}
		from, i := read(buf[:m.N])
		if string(m.Member.Data) != name(from) || from == l.who {
			h.Errorf("member %d heard a message of %d, said to be of %s", l.who, from, m.Member.Data)
		}
		l.mu.Lock()
		if i == 1<<40 {
			l.final[from] = true
		} else if i < l.next[from] {
			h.Errorf("member %d heard message %d of %d again, or late: %d is next", l.who, i, from, l.next[from])
		} else {
			l.next[from] = i + 1
		}
		l.mu.Unlock()
	}
}

func TestSixtyFourMembersInOneSession(t *testing.T) {
	t.Parallel()
	inRoom(t, 64, lan, func(r *room) {
		var slowest time.Duration
		for range 64 {
			began := time.Now()
			r.join(func(c *Config) { c.MaxMessage, c.Window, c.Budget = 16<<10, 64<<10, 16<<20 })
			if len(r.in) > 1 {
				slowest = max(slowest, time.Since(began))
			}
		}
		if slowest > time.Second {
			t.Errorf("the slowest join took %v", slowest)
		}
		r.settle(2*time.Second, r.in...)
		before := r.in[5].Stats()
		const seconds = 10
		time.Sleep(seconds * time.Second)
		after := r.in[5].Stats()
		n, size := (after.PacketsSent-before.PacketsSent)/seconds, (after.BytesSent-before.BytesSent)/seconds
		t.Logf("slowest join %v; a quiet member sends %d membership packets, %d bytes a second", slowest, n, size)
		if n > 10 || size > 1000 {
			t.Errorf("a quiet member sends %d membership packets, %d bytes a second", n, size)
		}
		exchangeNew(r, r.in)
	})
}

func TestRootedData_TheCoordinatorIsItsRoot(t *testing.T) {
	inRoom(t, 11, lan, func(r *room) {
		ps := r.joinAll(4, func(c *Config) { c.Plane = RootedData })
		r.settle(time.Second, ps...)
		star := func(ps []*Peer) {
			t.Helper()
			buf := make([]byte, 100)
			for i, p := range ps {
				if err := p.Send(r.ctx, numbered(i, 7)); err != nil {
					t.Fatal(err)
				}
			}
			heard := map[int]bool{}
			for range len(ps) - 1 { // the root hears everybody
				ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
				m, err := ps[0].Recv(ctx, buf)
				cancel()
				if err != nil {
					t.Fatalf("the root, having heard %v: %v; %+v", heard, err, ps[0].Stats().Data)
				}
				from, _ := read(buf[:m.N])
				heard[from] = true
			}
			if len(heard) != len(ps)-1 {
				t.Errorf("the root heard %v", heard)
			}
			for _, p := range ps[1:] { // and everybody the root, alone
				m, err := p.Recv(r.ctx, buf)
				if from, _ := read(buf[:m.N]); err != nil || from != 0 {
					t.Errorf("%v from %d", err, from)
				}
				ctx, cancel := context.WithTimeout(r.ctx, 100*time.Millisecond)
				if _, err := p.Recv(ctx, buf); err == nil {
					t.Error("a member heard another one")
				}
				cancel()
			}
		}
		star(ps)
		r.net.Kill("p0")
		r.settle(5*time.Second, ps[1:]...)
		rest := ps[1:]
		slices.SortFunc(rest, func(a, b *Peer) int { return int(a.ID()) - int(b.ID()) })
		star(rest)
	})
}
