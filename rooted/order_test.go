package rooted

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// placed is a message in its place of the order.
type placed struct {
	order  uint64
	from   uint32
	stream flow.Stream
	number uint64
}

// diary is what one member of an ordered session saw.
type diary struct {
	id     uint32
	seen   []placed
	views  []Event
	missed uint64
	late   []string
	torn   bool // it was not sent all of the order: views come late
}

// speaker is a root or a leaf of an ordered session.
type speaker interface {
	SendStream(context.Context, flow.Stream, []byte) error
	Recv(context.Context, []byte) (Message, error)
}

// write keeps a member's diary until its session ends.
func (d *diary) write(ctx context.Context, s speaker, q *events) error {
	p := make([]byte, 16<<10)
	var last, soonest uint64 // the message before; the last view heard of
	for {
		m, err := s.Recv(ctx, p)
		d.missed += m.Missed
		if err != nil {
			return err
		}
		if m.Order < soonest {
			d.late = append(d.late, fmt.Sprintf("a view of place %d was told before message %d", soonest, m.Order))
		}
		for e, ok := q.take(); ok; e, ok = q.take() {
			if e.Kind != SenderJoined && e.Kind != SenderLeft {
				continue
			}
			if e.Order <= last {
				d.late = append(d.late, fmt.Sprintf("a view of place %d was told after message %d", e.Order, last))
			}
			d.views = append(d.views, e)
			soonest = e.Order
		}
		last = m.Order
		d.seen = append(d.seen, placed{m.Order, m.From, m.Stream, binary.BigEndian.Uint64(p)})
	}
}

// talk sends numbered messages of random lengths until told to stop.
func talk(ctx context.Context, s speaker, d *rand.Rand, streams, burst, pause int, until <-chan struct{}) (sent [2]uint64, err error) {
	for {
		select {
		case <-until:
			return sent, nil
		default:
		}
		st := d.IntN(streams)
		p := make([]byte, 8+d.IntN(1500))
		binary.BigEndian.PutUint64(p, sent[st])
		if err := s.SendStream(ctx, flow.Stream(st), p); err != nil {
			return sent, err
		}
		sent[st]++
		if d.IntN(burst) == 0 {
			time.Sleep(time.Duration(d.IntN(pause)) * time.Microsecond)
		}
	}
}

// compare holds all diaries to one order (I17): each place has one message,
// each message one place; from the first message of a sender on, nothing is
// left out, but for what was told as missed.
func compare(t *testing.T, diaries []*diary) (places int) {
	t.Helper()
	order, at := map[uint64]placed{}, map[placed]uint64{}
	for _, d := range diaries {
		for i, m := range d.seen {
			if i > 0 && m.order <= d.seen[i-1].order {
				t.Errorf("member %d: place %d after %d", d.id, m.order, d.seen[i-1].order)
			}
			key := m
			key.order = 0
			if o, ok := order[m.order]; ok && o != m {
				t.Errorf("member %d has %v where another has %v", d.id, m, o)
			}
			if a, ok := at[key]; ok && a != m.order {
				t.Errorf("member %d has %v at place %d, another at %d", d.id, key, m.order, a)
			}
			order[m.order], at[key] = m, m.order
		}
		for _, l := range d.late {
			t.Errorf("member %d: %s", d.id, l)
		}
	}
	all := slices.Sorted(maps.Keys(order))
	for _, d := range diaries {
		compareOne(t, d, all, order)
	}
	return len(all)
}

func compareOne(t *testing.T, d *diary, all []uint64, order map[uint64]placed) {
	t.Helper()
	if len(d.seen) == 0 {
		return
	}
	mine := map[uint64]bool{}
	for _, m := range d.seen {
		mine[m.order] = true
	}
	begun := map[[2]uint64]bool{} // sender and stream
	left := uint64(0)
	for _, o := range all {
		m := order[o]
		if o < d.seen[0].order || o > d.seen[len(d.seen)-1].order {
			continue
		}
		key := [2]uint64{uint64(m.from), uint64(m.stream)}
		if mine[o] {
			begun[key] = true
		} else if begun[key] {
			left++
		}
	}
	if left > d.missed {
		t.Errorf("member %d: %d messages are left out, %d were told as missed", d.id, left, d.missed)
	}
}

// compareViews holds everybody to the same views between the same messages.
func compareViews(t *testing.T, diaries []*diary) {
	t.Helper()
	type change struct {
		kind   EventKind
		member uint32
	}
	at := map[change]uint64{}
	for _, d := range diaries {
		if d.torn {
			continue
		}
		for i, e := range d.views {
			if i > 0 && e.Order == d.views[0].Order && e.Kind == SenderJoined {
				continue // who was in when it came
			}
			if i == 0 {
				continue
			}
			c := change{e.Kind, e.Member}
			if a, ok := at[c]; ok && a != e.Order {
				t.Errorf("member %d: %v of %d at place %d, elsewhere at %d", d.id, e.Kind, e.Member, e.Order, a)
			}
			at[c] = e.Order
		}
	}
}

func TestI17_EverybodySeesOneOrder(t *testing.T) {
	for seed := range uint64(6) {
		l := simnet.Link{Delay: 300 * time.Microsecond, Jitter: time.Duration(seed%3) * 200 * time.Microsecond, Loss: []float64{0, 0.02, 0.1}[seed%3]}
		inRoom(t, seed, l, func(r *room) {
			streams := 1 + int(seed%2)
			root := r.listen(func(c *Config) {
				c.Data, c.Ordered = NonrootedData, true
				c.Streams = make([]flow.Class, streams)
			})
			leaves := r.leaves(3 + int(seed%5))
			time.Sleep(time.Second) // everybody has met everybody
			stop := make(chan struct{})
			var mu sync.Mutex
			var sent uint64
			var talkers, writers sync.WaitGroup
			var diaries []*diary
			start := func(id uint32, s speaker, q *events) {
				d := &diary{id: id}
				diaries = append(diaries, d)
				writers.Go(func() {
					if err := d.write(r.ctx, s, q); !errors.Is(err, io.EOF) && !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
						r.Errorf("member %d: %v", id, err)
					}
				})
				talkers.Go(func() {
					n, err := talk(r.ctx, s, dice(seed<<8+uint64(id)), streams, 4, 3000, stop)
					if err != nil {
						r.Errorf("member %d: %v", id, err)
					}
					mu.Lock()
					sent += n[0] + n[1]
					mu.Unlock()
				})
			}
			start(1, root, &root.events)
			for _, l := range leaves {
				start(l.ID(), l, &l.events)
			}
			time.Sleep(200 * time.Millisecond)
			close(stop)
			talkers.Wait()
			for _, l := range leaves {
				if err := l.Drain(r.ctx); err != nil {
					r.Error(err)
				}
			}
			if err := root.Drain(r.ctx); err != nil {
				r.Error(err)
			}
			time.Sleep(time.Second)
			if err := root.Shutdown(r.ctx); err != nil {
				r.Error(err)
			}
			for _, l := range leaves {
				l.Close()
			}
			writers.Wait()
			places := compare(r.T, diaries)
			for _, d := range diaries {
				if uint64(len(d.seen)) != sent || d.missed != 0 {
					r.Errorf("member %d saw %d of %d, missed %d", d.id, len(d.seen), sent, d.missed)
				}
			}
			if places != int(sent) || sent < 500 {
				r.Errorf("%d places, %d sent", places, sent)
			}
		})
	}
}
