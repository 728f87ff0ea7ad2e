package session

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

var lan = simnet.Link{Delay: 200 * time.Microsecond}

func TestOrder_IsTheSameForAllAndOnesOwnComeBack(t *testing.T) {
	for seed := range uint64(4) {
		inRing(t, seed, simnet.Link{Delay: 200 * time.Microsecond, Jitter: 300 * time.Microsecond, Loss: float64(seed) * 0.03}, nil, func(r *ring) {
			members := r.full(4)
			const n = 150
			for _, m := range members {
				go func() {
					for i := range n {
						if err := m.say(r.ctx, i, i*13%2500); err != nil {
							r.Error(err)
						}
						if i%7 == int(m.id) {
							time.Sleep(500 * time.Microsecond)
						}
					}
				}()
			}
			seen := make([][]string, len(members))
			done := make(chan bool)
			for i, m := range members {
				go func() {
					defer func() { done <- true }()
					for k := range n * len(members) {
						s, got := r.hear(m)
						if got.Order != uint64(k+1) || got.Missed != 0 {
							r.Errorf("member %d: place %d after %d, missed %d", m.id, got.Order, k, got.Missed)
							return
						}
						seen[i] = append(seen[i], s)
					}
				}()
			}
			for range members {
				<-done
			}
			for i := range members {
				if !reflect.DeepEqual(seen[i], seen[0]) {
					r.Errorf("members %d and 1 differ", i+1)
				}
			}
			st := members[0].Stats().Order
			if st.Stamped != n*4 || st.Taken != n*4 || st.Passed+st.Broken != 0 {
				r.Errorf("%+v", st)
			}
		})
	}
}

// Whoever sends and never reads is not held up forever by its own copies.
func TestOrder_SendIsNotHeldUpForeverByItsOwnApplication(t *testing.T) {
	for k := range 2 { // the sequencer, another
		inRing(t, 1, lan, func(c *Config) { c.MaxMessage, c.Window = 64<<10, 256<<10 }, func(r *ring) {
			m := r.full(3)
			const n = 60
			var others sync.WaitGroup
			for i, other := range m {
				if i != k {
					others.Go(func() {
						for i := range n {
							if _, got := r.hear(other); got.Order != uint64(i+1) || got.Missed != 0 {
								r.Errorf("member %d: place %d after %d", other.id, got.Order, i)
							}
						}
					})
				}
			}
			begun := time.Now()
			for i := range n {
				if err := m[k].say(r.ctx, i, 60_000); err != nil {
					r.Fatal(err)
				}
			}
			if took := time.Since(begun); took < slowAfter || took > time.Minute {
				r.Errorf("member %d sent for %v", m[k].id, took)
			}
			others.Wait()
			got, missed := 0, 0
			for got+missed < n {
				_, msg := r.hear(m[k])
				got, missed = got+1, missed+int(msg.Missed)
			}
			if got+missed != n || missed == 0 {
				r.Errorf("member %d has %d of its own, %d missed, of %d", m[k].id, got, missed, n)
			}
		})
	}
}

func TestOrder_NoQuarantineWaitsForTheReader(t *testing.T) {
	inRing(t, 2, lan, func(c *Config) { c.MaxMessage, c.Window, c.NoQuarantine = 64<<10, 256<<10, true }, func(r *ring) {
		m := r.full(2)
		const n = 40
		ctx, cancel := context.WithTimeout(r.ctx, 20*time.Second)
		defer cancel()
		sent := 0
		for ; sent < n; sent++ {
			if err := m[1].say(ctx, sent, 60_000); err != nil {
				break // waited for nobody's reading, and says so
			}
		}
		if sent == n || sent == 0 {
			r.Fatalf("%d messages of 60 kB fit a window of 256", sent)
		}
		go func() {
			for i := sent; i < n; i++ {
				if err := m[1].say(r.ctx, i, 60_000); err != nil {
					r.Error(err)
				}
			}
		}()
		done := make(chan bool)
		for _, who := range m {
			go func() {
				for i := range n {
					if _, got := r.hear(who); got.Order != uint64(i+1) || got.Missed != 0 {
						r.Errorf("member %d: place %d, missed %d", who.id, got.Order, got.Missed)
					}
				}
				done <- true
			}()
		}
		<-done
		<-done
	})
}

// The sequencer's own application may be slow: what it does not read is its
// own loss, the others have everything.
func TestOrder_GoesOnWhenTheSequencersApplicationSleeps(t *testing.T) {
	inRing(t, 3, lan, func(c *Config) { c.MaxMessage, c.Window = 64<<10, 256<<10 }, func(r *ring) {
		m := r.full(3)
		const n = 40
		go func() {
			for i := range n {
				if err := m[1].say(r.ctx, i, 60_000); err != nil {
					r.Error(err)
				}
			}
		}()
		done := make(chan bool)
		for _, who := range m[1:] {
			go func() {
				defer func() { done <- true }()
				for i := range n {
					if _, got := r.hear(who); got.Order != uint64(i+1) || got.Missed != 0 {
						r.Errorf("member %d: place %d, missed %d", who.id, got.Order, got.Missed)
						return
					}
				}
			}()
		}
		<-done
		<-done
		m[1].say(r.ctx, n, 0)
		got, missed := 0, 0
		for s := ""; s != "2/40"; got++ {
			var msg Message
			s, msg = r.hear(m[0])
			missed += int(msg.Missed)
		}
		if missed == 0 || got+missed != n+1 {
			r.Errorf("the sequencer read %d and missed %d of %d", got, missed, n)
		}
	})
}

// S19: the sequencer dies between stamp and data. What has its place and is
// here is given, nothing else.
func TestS19_TheSequencersEndGivesWhatIsStamped(t *testing.T) {
	inRing(t, 7, lan, nil, func(r *ring) {
		m := r.full(3)
		m[1].say(r.ctx, 0, 0)
		time.Sleep(10 * time.Millisecond)
		r.net.Partition([]string{"host1"}) // no more stamps
		m[1].say(r.ctx, 1, 0)
		m[2].say(r.ctx, 0, 0)
		time.Sleep(100 * time.Millisecond)
		for _, who := range m[1:] {
			if s, _ := r.hear(who); s != "2/0" {
				r.Errorf("member %d: %s", who.id, s)
			}
			r.nothing(who)
			who.ExpelSender(1, nil)
			for _, id := range []uint32{2, 3} {
				who.ExpelSender(id, nil)
			}
			who.EndReceive(io.EOF)
			got, err := who.Recv(r.ctx, make([]byte, 100))
			if err != io.EOF || got.Missed != 2 {
				r.Errorf("member %d: %v, %d missed; two messages never had a place", who.id, err, got.Missed)
			}
		}
	})
}

func TestOrder_DrainMeansThatAllHaveReadInOrder(t *testing.T) {
	for _, n := range []int{1, 200} { // one: its place is known everywhere at once, but nobody has read
		inRing(t, 8, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.05}, nil, func(r *ring) {
			m := r.full(3)
			m[1].say(r.ctx, 0, 0)
			for _, who := range m {
				r.hear(who)
			}
			time.Sleep(50 * time.Millisecond) // the marks that follow have come; the next are a second away
			for i := range n {
				m[1].say(r.ctx, i, 500)
			}
			time.Sleep(100 * time.Millisecond)
			done := make(chan error, 1)
			go func() { done <- m[0].Drain(r.ctx) }()
			time.Sleep(300 * time.Millisecond)
			select {
			case err := <-done:
				r.Fatalf("drained though nobody has read: %v", err)
			default:
			}
			for _, who := range m {
				for range n {
					r.hear(who)
				}
			}
			if err := <-done; err != nil {
				r.Error(err)
			}
		})
	}
}

// The list of members may be longer than a message of the session.
func TestOrder_LongListsOfMembersComeInParts(t *testing.T) {
	inRing(t, 9, lan, func(c *Config) { c.MaxMessage, c.Window = 64, 64<<10 }, func(r *ring) {
		m := r.full(2)
		for id := uint32(10); id < 60; id++ {
			m[0].seq.counts(time.Now(), id, true)
		}
		m[0].say(r.ctx, 0, 0)
		r.hear(m[1])
		if got := len(m[1].views); got != 51 {
			r.Errorf("%d members came in, want 51", got)
		}
	})
}

// Senders that fill the budget leave room for the message that all wait for.
func TestOrder_ABudgetThatIsUsedUpDoesNotStopIt(t *testing.T) {
	inRing(t, 10, lan, func(c *Config) {
		c.Budget, c.MaxMessage, c.Window = 1<<20, 900<<10, 2<<20
		c.NoQuarantine = true
	}, func(r *ring) {
		m := r.full(5)
		const n = 4
		for _, who := range m {
			go func() {
				for i := range n {
					if err := who.say(r.ctx, i, 880<<10); err != nil {
						r.Error(err)
					}
				}
			}()
		}
		done := make(chan bool)
		for _, who := range m {
			go func() {
				for i := range n * len(m) {
					if _, got := r.hear(who); got.Order != uint64(i+1) {
						r.Errorf("member %d: place %d after %d", who.id, got.Order, i)
					}
				}
				done <- true
			}()
		}
		for range m {
			<-done
		}
	})
}

func TestOrder_RefusesWhatHasNoOrder(t *testing.T) {
	base := Config{Self: 2, Sequencer: 1, Streams: []flow.Class{flow.Reliable}}
	for name, change := range map[string]func(*Config){
		"best effort":     func(c *Config) { c.Streams = []flow.Class{flow.Reliable, flow.BestEffort} },
		"deadline":        func(c *Config) { c.Streams = []flow.Class{flow.Deadline} },
		"sixteen streams": func(c *Config) { c.Streams = make([]flow.Class, 16) },
		"fastest":         func(c *Config) { c.Policy = flow.Fastest },
		"replay":          func(c *Config) { c.Replay = 1 << 20 },
		"tiny messages":   func(c *Config) { c.MaxMessage = 63 },
		"to the root":     func(c *Config) { c.To = 1 },
		"deaf sequencer":  func(c *Config) { c.Self, c.SendOnly = 1, true },
		"mute sequencer":  func(c *Config) { c.Self, c.ReceiveOnly = 1, true },
	} {
		c := base
		change(&c)
		if err := c.checkOrder(); !errors.Is(err, transport.WSAEINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := base.checkOrder(); err != nil {
		t.Error(err)
	}
}
