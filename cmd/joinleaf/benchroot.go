package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/load"
)

// send is bench send: the root.
func (b *bench) send(ctx context.Context) (err error) {
	if b.plan.Code, err = b.c.senderCode(b.f.codeFile); err != nil {
		return err
	}
	b.plan.Network = kernel()
	return b.run(ctx, func(context.Context) error { return nil })
}

// run opens the session, lets the leaves come that join calls, and measures.
// Whatever happens, it leaves nothing open.
func (b *bench) run(ctx context.Context, join func(context.Context) error) (err error) {
	stoppable, release := b.c.untilStopped(ctx)
	defer release()
	if b.root, err = b.open.Open(stoppable, b.plan); err != nil {
		return cannotOpen("the session", err)
	}
	b.c.say(benchOpened{b.root.Facts(), b.f, b.head, b.plan.Rate})
	admitting, stop := context.WithCancel(ctx)
	var busy sync.WaitGroup
	for range admitters {
		busy.Go(func() { b.accept(admitting, &busy) })
	}
	busy.Go(func() { b.hear(admitting) })
	defer busy.Wait()
	defer b.root.Close()
	defer stop()
	if err := join(stoppable); err != nil {
		return err
	}
	if err := b.gather(stoppable); err != nil {
		goodbye(ctx, b.root)
		return err
	}
	result, err := b.measure(stoppable)
	if err != nil {
		b.root.Close() // whoever reads must not wait for more
		if errors.Is(err, errInterrupted) || b.c.interrupted() {
			return failed(exitInterrupted, "interrupted: what was measured until then says nothing")
		}
		return err
	}
	goodbye(ctx, b.root)
	return b.verdict(result)
}

// accept admits leaves until the session is closed.
func (b *bench) accept(ctx context.Context, busy *sync.WaitGroup) {
	for {
		m, err := b.root.Accept(ctx)
		if err != nil {
			return
		}
		b.roster.add(m, busy)
	}
}

// hear takes the answers to pings until the session is closed.
func (b *bench) hear(ctx context.Context) {
	p := make([]byte, largestLoad)
	for {
		n, leaf, err := b.root.Answer(ctx, p)
		if err != nil {
			return
		}
		if m, err := load.ParseMark(p[:n]); err == nil && m.Kind == load.Pong {
			b.trips.came(leaf, m.Number, time.Now())
		}
	}
}

// gather waits for the leaves and draws the line: who comes later is not asked.
func (b *bench) gather(stoppable context.Context) error {
	s := &sender{c: b.c, f: &sendFlags{waitFor: b.f.waitFor, maxWait: b.f.maxWait}, roster: b.roster, root: b.root}
	if err := s.gather(stoppable); err != nil {
		return err
	}
	b.c.note("sending to %s", count(b.roster.start(), "leaf", "leaves"))
	return nil
}

// measure sends the load, asks what came, and then sends pings.
func (b *bench) measure(ctx context.Context) (r benchResult, err error) {
	p := make([]byte, b.head.Size)
	begin := time.Now()
	end := begin.Add(b.f.time)
	for now := begin; r.Bytes+uint64(len(p)) <= b.most && now.Before(end); now = time.Now() {
		load.Mark{Kind: load.Load, Number: r.Messages}.Append(p[:0])
		if err := b.root.Send(ctx, p); err != nil {
			return r, failed(exitLost, "sending failed: %w", err)
		}
		r.Messages++
		r.Bytes += uint64(len(p))
	}
	_ = b.root.Flush(ctx)
	if err := b.root.SendLast(ctx, load.Mark{Kind: load.Tally, Number: r.Messages}.Append(nil)); err != nil {
		return r, failed(exitLost, "sending failed: %w", err)
	}
	if err := b.root.Drain(ctx); err != nil {
		return r, failed(exitLost, "not everything could be delivered: %w", err)
	}
	r.Seconds = time.Since(begin).Seconds()
	waiting, cancel := context.WithTimeoutCause(ctx, tallyPatience, errWaited)
	defer cancel()
	err = b.roster.wait(waiting, b.reported)
	if err != nil && !errors.Is(err, errWaited) {
		return r, err
	}
	if err := b.ping(ctx); err != nil {
		return r, err
	}
	r.Repairs = b.root.Figures().Repairs
	return r, nil
}

// reported tells that every leaf that is counted has reported or is gone.
func (b *bench) reported() bool {
	for _, e := range b.roster.entries {
		if e.counted && !e.gone && e.report == nil {
			return false
		}
	}
	return true
}

// ping sends pings one at a time; the next leaves at its time, when all leaves
// have answered, or after a while.
func (b *bench) ping(ctx context.Context) error {
	for i := range b.f.pings {
		b.roster.mu.Lock()
		leaves := b.roster.present()
		b.roster.mu.Unlock()
		next := time.After(pingInterval)
		all := b.trips.leave(uint64(i), leaves, time.Now())
		err := b.root.Send(ctx, load.Mark{Kind: load.Ping, Number: uint64(i)}.Append(nil))
		if err == nil {
			err = b.root.Flush(ctx)
		}
		if err != nil {
			return failed(exitLost, "sending failed: %w", err)
		}
		patience := time.NewTimer(pingPatience)
		select {
		case <-all:
		case <-patience.C:
		case <-ctx.Done():
			patience.Stop()
			return context.Cause(ctx)
		}
		patience.Stop()
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// trips are the round trips of pings.
type trips struct {
	mu     sync.Mutex
	number uint64 // of the ping that is out
	left   time.Time
	wanted int
	all    chan struct{} // closed when so many have answered
	times  map[uint32][]time.Duration
}

func newTrips() *trips { return &trips{times: map[uint32][]time.Duration{}} }

// leave notes that ping n leaves, for that many leaves.
func (t *trips) leave(n uint64, leaves int, now time.Time) (all <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.number, t.left, t.wanted, t.all = n, now, leaves, make(chan struct{})
	return t.all
}

// came notes a leaf's answer; one to an older ping is too late.
func (t *trips) came(leaf uint32, n uint64, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n != t.number || t.wanted == 0 {
		return
	}
	t.times[leaf] = append(t.times[leaf], now.Sub(t.left))
	if t.wanted--; t.wanted == 0 {
		close(t.all)
	}
}

// of gives a leaf's round trips.
func (t *trips) of(leaf uint32) []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.times[leaf]
}
