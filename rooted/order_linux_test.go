package rooted

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

// I17 on a real kernel, under loss: everybody talks, everybody sees one order
// and lacks nothing.
func TestI17_EverybodySeesOneOrderOnARealNetwork(t *testing.T) {
	h := openHall(t, time.Minute, 3, 2, func(c *Config) { c.Data, c.Ordered = NonrootedData, true })
	type member struct {
		speaker
		id uint32
		q  *events
	}
	all := []member{{h.root, 1, &h.root.events}}
	var leaves []*Leaf
	for _, x := range h.hosts {
		done := make(chan error, 1)
		go func() {
			_, err := h.root.Accept(h.ctx)
			done <- err
		}()
		l, err := Join(h.ctx, h.root.Addr(), nil, h.config(x))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, l)
		all = append(all, member{l, l.ID(), &l.events})
	}
	for _, l := range leaves { // who has heard of all others is owed what they say
		for range len(leaves) - 1 {
			awaitKind(t, h.ctx, l, SenderJoined)
		}
	}
	time.Sleep(time.Second) // and the others have heard of it
	stop := make(chan struct{})
	var talkers, writers sync.WaitGroup
	var mu sync.Mutex
	var sent uint64
	var diaries []*diary
	for _, m := range all {
		d := &diary{id: m.id}
		diaries = append(diaries, d)
		writers.Go(func() {
			if err := d.write(h.ctx, m, m.q); !errors.Is(err, io.EOF) && m.id != 1 {
				t.Errorf("member %d: %v", m.id, err)
			}
		})
		talkers.Go(func() {
			n, err := talk(h.ctx, m, dice(uint64(m.id)), 1, 2, 2000, stop)
			if err != nil {
				t.Errorf("member %d: %v", m.id, err)
			}
			mu.Lock()
			sent += n[0]
			mu.Unlock()
		})
	}
	time.Sleep(time.Second)
	close(stop)
	talkers.Wait()
	for _, l := range leaves {
		if err := l.Drain(h.ctx); err != nil {
			t.Error(err)
		}
	}
	if err := h.root.Drain(h.ctx); err != nil {
		t.Error(err)
	}
	for h.root.Stats().Data.Order.Taken < sent && h.ctx.Err() == nil {
		time.Sleep(time.Millisecond) // its own reader is nobody that Drain waits for
	}
	if err := h.root.Shutdown(h.ctx); err != nil {
		t.Error(err)
	}
	writers.Wait()
	if places := compare(t, diaries); places != int(sent) || sent < 100 {
		t.Errorf("%d places, %d sent", places, sent)
	}
	for _, d := range diaries {
		if uint64(len(d.seen)) != sent || d.missed != 0 {
			t.Errorf("member %d saw %d of %d, missed %d", d.id, len(d.seen), sent, d.missed)
		}
	}
}

func awaitKind(t *testing.T, ctx context.Context, l *Leaf, k EventKind) {
	t.Helper()
	for {
		e, err := l.NextEvent(ctx)
		if err != nil {
			t.Fatalf("no %v: %v", k, err)
		}
		if e.Kind == k {
			return
		}
	}
}
