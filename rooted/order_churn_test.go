package rooted

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// crowd is an ordered session in which members come and go.
type crowd struct {
	*room
	dice    *rand.Rand
	seed    uint64
	polite  bool // nobody goes without having been heard
	talkers sync.WaitGroup
	writers sync.WaitGroup
	diaries []*diary
	guests  []*guest
	n       int
}

// guest is a leaf, its host, and what stops its talking.
type guest struct {
	*Leaf
	host         string
	hush, hushed chan struct{}
}

func (c *crowd) begin(id uint32, s speaker, q *events) (hush, hushed chan struct{}) {
	hush, hushed = make(chan struct{}), make(chan struct{})
	d := &diary{id: id}
	c.diaries = append(c.diaries, d)
	c.writers.Go(func() {
		err := d.write(c.ctx, s, q)
		if l, ok := s.(*Leaf); ok {
			d.torn = l.Stats().Data.Order.Broken > 0
		}
		var code *transport.Error
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.As(err, &code) {
			c.Errorf("member %d: %v", id, err)
		}
	})
	c.talkers.Go(func() {
		defer close(hushed)
		talk(c.ctx, s, dice(c.seed<<8+uint64(id)), 1, 2, 12000, hush) // or its membership ends it
	})
	return hush, hushed
}

func (c *crowd) enter() {
	host := fmt.Sprintf("host%d", c.n)
	c.n++
	l, _ := c.join(host, nil, nil)
	hush, hushed := c.begin(l.ID(), l, &l.events)
	c.guests = append(c.guests, &guest{l, host, hush, hushed})
}

// happen lets somebody come, go in either way, or die.
func (c *crowd) happen() {
	i := c.dice.IntN(len(c.guests))
	g := c.guests[i]
	what := c.dice.IntN(6)
	switch {
	case what < 2 || len(c.guests) < 3:
		c.enter()
		return
	case what == 2 || c.polite:
		close(g.hush)
		<-g.hushed
		g.Shutdown(c.ctx)
	case what == 3:
		g.Leaf.Close()
	case what == 4:
		c.net.Kill(g.host)
		g.Leaf.Close()
	default:
		return
	}
	select {
	case <-g.hush:
	default:
		close(g.hush)
	}
	c.guests = append(c.guests[:i], c.guests[i+1:]...)
}

func TestI17_WhoeverComesAndGoesTheOrderHolds(t *testing.T) {
	places, seeds := 0, uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		l := simnet.Link{Delay: time.Duration(seed%3) * 400 * time.Microsecond, Jitter: 100 * time.Microsecond, Loss: []float64{0, 0.02, 0.05, 0.08}[seed%4]}
		inRoom(t, seed, l, func(r *room) {
			root := r.listen(func(c *Config) { c.Data, c.Ordered = NonrootedData, true })
			c := &crowd{room: r, dice: dice(seed), seed: seed, polite: seed%2 == 0}
			hush, _ := c.begin(1, root, &root.events)
			for range 4 {
				c.enter()
			}
			for range 14 {
				c.happen()
				time.Sleep(time.Duration(c.dice.IntN(60)) * time.Millisecond)
			}
			time.Sleep(200 * time.Millisecond)
			close(hush)
			for _, g := range c.guests {
				close(g.hush)
			}
			c.talkers.Wait()
			for _, g := range c.guests {
				if err := g.Drain(r.ctx); c.polite && err != nil {
					r.Error(err)
				}
			}
			done := make(chan error)
			go func() { done <- root.Shutdown(r.ctx) }()
			select {
			case err := <-done:
				if err != nil {
					r.Error(err)
				}
			case <-time.After(time.Minute):
				r.Error("the session hangs")
				r.root.Close()
				<-done
			}
			for _, g := range c.guests {
				g.Leaf.Close()
			}
			c.writers.Wait()
			places += compare(r.T, c.diaries)
			compareViews(r.T, c.diaries)
			c.missing()
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if places < 200*int(seeds) {
		t.Errorf("%d messages in %d stories: nothing happens in them", places, seeds)
	}
	t.Logf("%d messages", places)
}

// missing holds a polite crowd to having missed nothing, but for who was late
// with a key, lost all until it came, and was served apart.
func (c *crowd) missing() {
	for _, g := range c.guests {
		for _, d := range c.diaries {
			if d.id == g.ID() && c.polite && d.missed > 0 && !d.torn {
				c.Errorf("member %d saw %d, missed %d", d.id, len(d.seen), d.missed)
			}
		}
	}
}

// The root's goodbye is about what was said so far; leaves may talk on, and
// what they have is one order all the same.
func TestI17_ShutdownEndsThoughLeavesTalkOn(t *testing.T) {
	inRoom(t, 31, simnet.Link{Delay: 5 * time.Millisecond}, func(r *room) {
		root := r.listen(func(c *Config) { c.Data, c.Ordered = NonrootedData, true })
		c := &crowd{room: r, dice: dice(31), seed: 31}
		c.begin(1, root, &root.events)
		for range 4 {
			c.enter()
		}
		time.Sleep(time.Second)
		begun := time.Now()
		if err := root.Shutdown(r.ctx); err != nil {
			r.Error(err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			r.Errorf("it took %v", took)
		}
		for _, g := range c.guests {
			g.Leaf.Close()
		}
		c.talkers.Wait()
		c.writers.Wait()
		if n := compare(r.T, c.diaries); n < 300 {
			r.Errorf("%d messages", n)
		}
	})
}
