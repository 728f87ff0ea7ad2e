package rooted

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// life is a session to which everything happens at once, at random.
type life struct {
	*room
	wg      sync.WaitGroup
	book    *ledger
	random  *rand.Rand    // the story's own; what it starts gets dice of its own
	sending chan struct{} // whose turn it is to send

	mu       sync.Mutex
	opinions *rand.Rand // of the conditions
	leaves   []*Leaf
	members  []*Member
	joins    int
	sent     uint64
}

func TestLifecycle_WhateverHappensEverythingEnds(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 30
	}
	joined := 0
	for seed := range seeds {
		l := simnet.Link{Delay: time.Duration(seed%4) * 300 * time.Microsecond, Loss: float64(seed%3) * 0.02}
		inRoom(t, seed, l, func(r *room) {
			f := newLife(r, seed)
			f.run()
			joined += f.book.check()
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if joined < int(seeds) {
		t.Errorf("%d members in %d stories: nothing happens in them", joined, seeds)
	}
	t.Logf("%d members", joined)
}

func newLife(r *room, seed uint64) *life {
	return &life{room: r, sending: make(chan struct{}, 1), random: dice(seed), opinions: dice(seed + 1), book: &ledger{T: r.T, members: make(map[uint32]*entry)}}
}

func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// start runs part of the story beside it.
func (f *life) start(part func(d *rand.Rand)) {
	d := dice(f.random.Uint64())
	f.wg.Go(func() { part(d) })
}

// sometimes gives a context that ends soon, or does not.
func (f *life) sometimes(d *rand.Rand) (context.Context, context.CancelFunc) {
	if d.IntN(3) > 0 {
		return context.WithCancel(f.ctx)
	}
	return context.WithTimeout(f.ctx, time.Duration(d.IntN(40_000))*time.Microsecond)
}

func (f *life) run() {
	nonrooted := f.random.IntN(3) == 0
	for i := range 5 {
		f.net.Host(fmt.Sprintf("leaf%d", i))
	}
	root := f.listen(func(c *Config) {
		c.Condition = f.judge
		if nonrooted {
			c.Data = NonrootedData
		}
	})
	guest := f.config("guest")
	guest.Condition = f.judge
	host, err := ListenLeaf(f.ctx, testRoot, guest)
	if err != nil {
		f.Fatal(err)
	}
	f.start(func(d *rand.Rand) { f.accept(root, d) })
	f.start(func(d *rand.Rand) { f.accept(root, d) })
	f.start(func(d *rand.Rand) { f.beInvited(host, d) })
	f.wg.Go(func() { f.book.follow(root) })
	f.wg.Go(func() { drainMessages(f.ctx, root.Recv) })
	for range 10 + f.random.IntN(15) {
		f.happen(root)
		time.Sleep(time.Duration(f.random.IntN(60_000)) * time.Microsecond)
	}
	f.end(root, host)
	f.wg.Wait()
	f.empty(root)
}

// judge is a condition that cannot make up its mind.
func (f *life) judge(*Request) Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.opinions.IntN(8) {
	case 0:
		return Refuse
	case 1:
		return Defer
	}
	return Accept
}

func (f *life) happen(root *Root) {
	switch f.random.IntN(13) {
	case 0, 1, 2, 3:
		f.start(func(d *rand.Rand) { f.joinOne(root, d) })
	case 4:
		f.start(func(d *rand.Rand) { f.inviteOne(root, d) })
	case 5, 6:
		if l := pick(f, &f.leaves); l != nil {
			f.start(func(d *rand.Rand) { f.leave(l, d) })
		}
	case 7:
		if m := pick(f, &f.members); m != nil {
			f.start(func(d *rand.Rand) { f.evict(m, d) })
		}
	case 8:
		f.net.Partition([]string{fmt.Sprintf("leaf%d", f.random.IntN(5))})
	case 9:
		f.net.Heal()
	case 10:
		f.wg.Go(func() { f.chatter(root) })
	case 11:
		host := fmt.Sprintf("leaf%d", f.random.IntN(5))
		f.net.Kill(host)
		f.net.Host(host) // starts again
	default:
		f.wg.Go(func() { f.send(root) })
	}
}

// pick takes one out of a list.
func pick[T any](f *life, list *[]*T) *T {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(*list)
	if n == 0 {
		return nil
	}
	i := f.random.IntN(n)
	x := (*list)[i]
	(*list)[i] = (*list)[n-1]
	*list = (*list)[:n-1]
	return x
}

func (f *life) accept(root *Root, d *rand.Rand) {
	for {
		ctx, cancel := f.sometimes(d)
		m, err := root.Accept(ctx)
		cancel()
		switch {
		case err == nil:
			f.entered(m)
		case errors.Is(err, transport.WSA_OPERATION_ABORTED):
			return
		case f.ctx.Err() != nil:
			f.Error("two accept calls outlive the root")
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

func (f *life) entered(m *Member) {
	f.mu.Lock()
	f.members = append(f.members, m)
	f.mu.Unlock()
	f.book.returned(m.ID())
	f.wg.Go(func() { f.listenTo(m.RecvChat) })
}

func (f *life) listenTo(recv func(context.Context, []byte) (int, error)) {
	p := make([]byte, 64<<10)
	for {
		if _, err := recv(f.ctx, p); err != nil {
			return
		}
	}
}

func (f *life) joinOne(root *Root, d *rand.Rand) {
	f.mu.Lock()
	f.joins++
	host := fmt.Sprintf("leaf%d", f.joins%5)
	f.mu.Unlock()
	ctx, cancel := f.sometimes(d)
	defer cancel()
	c := f.config(host)
	c.JoinTimeout = 3 * time.Second
	if l, err := Join(ctx, root.Addr(), []byte(host), c); err == nil {
		f.isIn(l)
	}
}

func (f *life) beInvited(host *LeafListener, d *rand.Rand) {
	for {
		ctx, cancel := f.sometimes(d)
		l, err := host.Accept(ctx)
		cancel()
		switch {
		case err == nil:
			f.isIn(l)
		case errors.Is(err, transport.WSA_OPERATION_ABORTED):
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

func (f *life) inviteOne(root *Root, d *rand.Rand) {
	ctx, cancel := f.sometimes(d)
	defer cancel()
	at := netip.AddrPortFrom(f.net.Host("guest").Addr(), testRoot.Port())
	if m, err := root.Invite(ctx, at, nil); err == nil {
		f.entered(m)
	}
}

// isIn follows a leaf to its end.
func (f *life) isIn(l *Leaf) {
	f.mu.Lock()
	f.leaves = append(f.leaves, l)
	f.mu.Unlock()
	f.wg.Go(func() { f.book.followLeaf(l) })
	f.wg.Go(func() { f.listenTo(l.RecvChat) })
	f.wg.Go(func() { f.hear(l) })
}

// hear reads the root's messages: in order, each once, gaps told.
func (f *life) hear(l *Leaf) {
	p := make([]byte, 100)
	next, begun := uint64(0), false
	for {
		m, err := l.Recv(f.ctx, p)
		if err != nil {
			return
		}
		if m.From != control.RootID {
			continue
		}
		n := binary.BigEndian.Uint64(p)
		if begun && n != next+m.Missed {
			f.Errorf("leaf %d: message %d with %d missed came where %d was due", l.ID(), n, m.Missed, next)
		}
		next, begun = n+1, true
	}
}

func drainMessages(ctx context.Context, recv func(context.Context, []byte) (Message, error)) {
	p := make([]byte, 64<<10)
	for {
		if _, err := recv(ctx, p); err != nil {
			return
		}
	}
}

func (f *life) leave(l *Leaf, d *rand.Rand) {
	switch d.IntN(3) {
	case 0:
		ctx, cancel := context.WithTimeout(f.ctx, time.Second)
		defer cancel()
		l.Shutdown(ctx)
	case 1:
		f.wg.Go(func() { l.Close() })
	}
	l.Close()
	if err := l.Send(f.ctx, []byte("x")); !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
		f.Errorf("sending on a closed leaf: %v", err)
	}
}

func (f *life) evict(m *Member, d *rand.Rand) {
	if d.IntN(2) == 0 {
		f.wg.Go(func() { m.Close() })
	}
	m.Evict(transport.WSAEACCES, "out")
	if m.Err() == nil {
		f.Error("an evicted leaf's membership has no end")
	}
}

func (f *life) chatter(root *Root) {
	ctx, cancel := context.WithTimeout(f.ctx, time.Second)
	defer cancel()
	f.mu.Lock()
	leaves, members := append([]*Leaf(nil), f.leaves...), append([]*Member(nil), f.members...)
	f.mu.Unlock()
	for _, l := range leaves {
		l.Chat(ctx, make([]byte, 1000))
		l.Send(ctx, make([]byte, 100))
	}
	for _, m := range members {
		m.Chat(ctx, make([]byte, 1000))
	}
	root.Stats()
	root.Members()
}

func (f *life) send(root *Root) {
	f.sending <- struct{}{} // keeps the numbers in order
	defer func() { <-f.sending }()
	ctx, cancel := context.WithTimeout(f.ctx, 10*time.Millisecond)
	defer cancel()
	for range 20 {
		p := binary.BigEndian.AppendUint64(nil, f.sent)
		if root.Send(ctx, p) != nil {
			return
		}
		f.sent++
	}
}

// end closes all, in any order.
func (f *life) end(root *Root, host *LeafListener) {
	f.net.Heal()
	enders := []func(){
		func() { host.Close() },
		func() { root.Close() },
		func() {
			ctx, cancel := context.WithTimeout(f.ctx, time.Second)
			defer cancel()
			root.Shutdown(ctx)
		},
	}
	f.random.Shuffle(len(enders), func(i, j int) { enders[i], enders[j] = enders[j], enders[i] })
	for _, e := range enders {
		f.wg.Go(e)
		time.Sleep(time.Duration(f.random.IntN(20)) * time.Millisecond)
	}
	time.Sleep(5 * time.Second) // joins that are under way end one way or the other
	for l := pick(f, &f.leaves); l != nil; l = pick(f, &f.leaves) {
		l.Close()
	}
}

// empty checks that a root that is over holds on to nobody.
func (f *life) empty(root *Root) {
	root.mu.Lock()
	defer root.mu.Unlock()
	if n := len(root.links) + len(root.members) + len(root.pending) + len(root.arriving); n != 0 {
		f.Errorf("left behind: %d links, %d members, %d pending, %d arriving", len(root.links), len(root.members), len(root.pending), len(root.arriving))
	}
}
