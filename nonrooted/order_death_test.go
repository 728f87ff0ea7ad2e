package nonrooted

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/simnet"
)

var (
	deaths    = flag.Uint64("deaths", 12, "the histories of a total order whose coordinators die end before this seed")
	deathFrom = flag.Uint64("deathfrom", 0, "and begin with this one")
)

// TestN4_OrderThroughTheDeathsOfItsCoordinators takes the coordinator away again
// and again, dead or in good order, while the others send. Who survives it all
// must have had the same messages in the same places, none twice, and never more
// than were sent. Where nothing is lost on the way, each message that a Send took is
// delivered to each of them or told as missed: their books balance to the last one.
func TestN4_OrderThroughTheDeathsOfItsCoordinators(t *testing.T) {
	t.Parallel()
	for seed := *deathFrom; seed < *deaths; seed++ {
		link := simnet.Link{Delay: 300 * time.Microsecond, Loss: []float64{0, 0.01, 0.05}[seed%3]}
		inRoom(t, seed, link, func(r *room) { orderThroughDeaths(r, rand.New(rand.NewPCG(seed, 5)), link.Loss == 0) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func orderThroughDeaths(r *room, dice *rand.Rand, exact bool) {
	doomed, stay := 1+dice.IntN(3), 2+dice.IntN(3)
	ps := r.joinAll(doomed+stay, func(c *Config) { c.Ordered = true })
	r.settle(time.Second, ps...)
	records := make([]*record, len(ps))
	var hearing, sending sync.WaitGroup
	for i, p := range ps {
		records[i] = &record{}
		hearing.Go(func() { records[i].run(r, p) })
	}
	stop := make(chan struct{})
	sent := make([]int, len(ps))
	for who := doomed; who < len(ps); who++ { // the coordinators send nothing of their own: what died with them nobody can count
		sending.Go(func() {
			for pause := time.Duration(who) * 300 * time.Microsecond; ; time.Sleep(pause) {
				if err := ps[who].Send(r.ctx, numbered(who, sent[who])); err != nil {
					r.Errorf("member %d sends: %v", who, err)
					return
				}
				sent[who]++
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range doomed {
		time.Sleep(time.Duration(dice.Int64N(int64(700 * time.Millisecond))))
		if dice.IntN(2) == 0 {
			r.net.Kill(name(i))
		} else {
			ps[i].Close()
		}
		// At 5 % loss a claim leaves somebody behind now and then, who merges again.
		r.settle(15*time.Second, ps[i+1:]...)
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	sending.Wait()
	time.Sleep(2 * time.Second)
	for who := doomed; who < len(ps); who++ { // and what is missing is told with what comes next
		if err := ps[who].Send(r.ctx, numbered(who, sent[who])); err != nil {
			r.Error(err)
		}
		sent[who]++
	}
	time.Sleep(2 * time.Second)
	total := 0
	for _, n := range sent {
		total += n
	}
	for i := doomed; i < len(ps); i++ {
		c := records[i]
		c.mu.Lock()
		next := map[int]int{}
		for _, o := range c.list {
			if o.i < next[o.who] {
				r.Errorf("member %d was given message %d of %d again, or late", i, o.i, o.who)
			}
			next[o.who] = o.i + 1
		}
		for _, other := range records[doomed:i] {
			sameOrder(r.T, c.list, other.list)
		}
		if n := len(c.list) + int(c.missed); n > total || exact && n != total {
			r.Errorf("member %d was given %d messages and told of %d missed: %d; %d were sent", i, len(c.list), c.missed, n, total)
		}
		if len(c.list) == 0 {
			r.Error("nothing was delivered: the test shows nothing")
		}
		c.mu.Unlock()
	}
	for _, p := range ps {
		p.Close()
	}
	hearing.Wait()
}
