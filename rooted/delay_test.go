package rooted

import (
	"encoding/binary"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/simnet"
)

// The network of these stories: a LAN with 0.3 ms from the root to a leaf and back.
const (
	delaySize  = 1250                   // bytes of a message
	delayEvery = 100 * time.Microsecond // between two: 100 Mbit/s of content
)

var delayLink = simnet.Link{Delay: 150 * time.Microsecond}

// clocked is message i of so many bytes, with the time at which it was given to
// Send.
func clocked(i, size int, sent time.Time) []byte {
	p := make([]byte, size)
	binary.BigEndian.PutUint64(p, uint64(i))
	binary.BigEndian.PutUint64(p[8:], uint64(sent.UnixNano()))
	return p
}

// delays reads everything of a leaf until the end and tells how long each
// message took from Send to Recv; every one must come.
func (r *room) delays(l *Leaf) <-chan []time.Duration {
	c := make(chan []time.Duration, 1)
	go func() {
		var all []time.Duration
		defer func() { c <- all }()
		p := make([]byte, 64<<10)
		for {
			m, err := l.Recv(r.ctx, p)
			if err == io.EOF && m.Missed == 0 {
				return
			}
			if err != nil || m.Missed != 0 || binary.BigEndian.Uint64(p) != uint64(len(all)) {
				r.Errorf("leaf %d, message %d: missed %d, %v", l.ID(), len(all), m.Missed, err)
				return
			}
			all = append(all, time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(p[8:])))))
		}
	}()
	return c
}

// quantile is the least of all that so large a part of all does not exceed.
func quantile(all []time.Duration, part float64) time.Duration {
	return all[min(len(all)-1, int(part*float64(len(all))))]
}

// A loss holds up what comes behind it until it is repaired, so the hundredth
// part that is slowest is what losses do. A program that sends by a timer of a
// millisecond has ten messages for each tick.
func TestDelay_AtHundredMbitAndOnePercent(t *testing.T) {
	const n, bound = 10_000, 3 * time.Millisecond // a second's worth
	for seed := range uint64(2) {
		tick := []int{1, 10}[seed%2] // messages at once
		link := delayLink
		link.Loss = 0.01
		inRoom(t, seed, link, func(r *room) {
			root := r.listen(nil)
			var all []<-chan []time.Duration
			for _, l := range r.leaves(3) {
				all = append(all, r.delays(l))
			}
			next := time.Now()
			for i := range n {
				if err := root.Send(r.ctx, clocked(i, delaySize, time.Now())); err != nil {
					r.Fatal(err)
				}
				if i%tick == tick-1 {
					next = next.Add(time.Duration(tick) * delayEvery)
					time.Sleep(time.Until(next))
				}
			}
			if err := root.Shutdown(r.ctx); err != nil {
				r.Fatal(err)
			}
			for i, c := range all {
				took := slices.Sorted(slices.Values(<-c))
				if len(took) != n {
					r.Fatalf("leaf %d got %d messages of %d", i, len(took), n)
				}
				r.Logf("%d at once, leaf %d: median %v, p99 %v, p99.9 %v, most %v", tick, i,
					quantile(took, 0.5), quantile(took, 0.99), quantile(took, 0.999), took[n-1])
				if p99 := quantile(took, 0.99); p99 > bound {
					r.Errorf("leaf %d: p99 %v, more than %v", i, p99, bound)
				}
			}
			// A hundredth of what went to three leaves, or these were other figures.
			if lost := r.net.StatsOf("root", "*").Lost(); lost < 3*n/200 {
				r.Errorf("%d packets were lost", lost)
			}
		})
	}
}

// tailLoss is a filter that drops the last packet of each burst but the first,
// which tells how many packets a burst is.
type tailLoss struct {
	hosts []string // that lose it

	mu      sync.Mutex
	heard   map[string]int // packets of this burst, by host
	last    int            // packets of a burst; 0: not known yet
	dropped int
}

// begin says that the next packets are a burst.
func (x *tailLoss) begin() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.last == 0 {
		x.last = x.heard["leaf0"]
	}
	x.heard = map[string]int{}
}

// tailLeast is less than the packets of a burst, which are full, and more than
// a beat.
const tailLeast = 300

func (x *tailLoss) pass(p simnet.Packet) bool {
	if p.From != "root" || p.Dst != testGroup.Addr || len(p.B) < tailLeast {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heard[p.To]++
	if x.last > 0 && x.heard[p.To] == x.last && slices.Contains(x.hosts, p.To) {
		x.dropped++
		return false
	}
	return true
}

// Nothing follows a burst's last packet that would show its loss; a beat does.
// That, what it asks for and the answer may be lost as well: then one in a
// hundred may take longer.
func TestDelay_LastMessageOfABurstIsRepairedInTime(t *testing.T) {
	const bound = 20 * time.Millisecond
	everybody := []string{"leaf0", "leaf1", "leaf2"}
	for _, c := range []struct {
		name   string
		hosts  []string // that lose the last packet
		loss   float64  // of everything besides
		bursts int
	}{
		{"one leaf loses it", everybody[1:2], 0, 10},
		{"all lose it", everybody, 0, 10},
		{"one leaf loses it, and 1 % besides", everybody[1:2], 0.01, 100},
		{"all lose it, and 1 % besides", everybody, 0.01, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRoom(t, 9, delayLink, func(r *room) {
				var tails []time.Duration
				for i, took := range r.bursts(&tailLoss{hosts: c.hosts}, c.bursts, c.loss) {
					if !slices.Contains(c.hosts, everybody[i]) {
						continue
					}
					tails = append(tails, took...)
				}
				slices.Sort(tails)
				most := tails[len(tails)-1]
				r.Logf("%d tails: least %v, median %v, p99 %v, most %v", len(tails), tails[0], quantile(tails, 0.5), quantile(tails, 0.99), most)
				if c.loss == 0 && most > bound || quantile(tails, 0.99) > bound {
					r.Errorf("more than %v", bound)
				}
				if tails[0] < 3*delayLink.Delay {
					r.Errorf("nobody asked for the first of them: it took %v", tails[0])
				}
			})
		})
	}
}

// bursts sends one burst that only tells how many packets it is, and then n
// that end as x says, while loss is on all links; it returns how long each of
// their last messages took to each of three leaves.
func (r *room) bursts(x *tailLoss, n int, loss float64) (tails [][]time.Duration) {
	r.Helper()
	const burst = 100 // messages
	root := r.listen(nil)
	var all []<-chan []time.Duration
	for _, l := range r.leaves(3) {
		all = append(all, r.delays(l))
	}
	r.net.Filter(x.pass)
	for i := range n + 1 {
		x.begin()
		for k := range burst {
			if err := root.Send(r.ctx, clocked(i*burst+k, delaySize, time.Now())); err != nil {
				r.Fatal(err)
			}
		}
		time.Sleep(100*time.Millisecond + time.Duration(i%17)*time.Millisecond)
		if i == 0 {
			r.net.SetLoss("*", "*", loss)
		}
	}
	if err := root.Shutdown(r.ctx); err != nil {
		r.Fatal(err)
	}
	if want := n * len(x.hosts); x.dropped != want {
		r.Errorf("%d packets dropped, %d expected", x.dropped, want)
	}
	for i, c := range all {
		took := <-c
		if len(took) != (n+1)*burst {
			r.Fatalf("leaf %d got %d messages", i, len(took))
		}
		var last []time.Duration
		for k := 2*burst - 1; k < len(took); k += burst {
			last = append(last, took[k])
		}
		tails = append(tails, last)
	}
	return tails
}
