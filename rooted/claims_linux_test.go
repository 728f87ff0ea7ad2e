package rooted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// What the guide promises under loss, on a real kernel. The rates are no part
// of it: bench measures those.

// hall is a lab with one session's root in it.
type hall struct {
	*testing.T
	*netlab.Lab
	ctx   context.Context
	fail  func(error) // ends ctx: nothing that follows could be right
	code  crypto.JoinCode
	root  *Root
	hosts []*netlab.Host // of leaves
}

// openHall makes a lab of a root and so many hosts for leaves. Every host loses
// that percentage of the UDP packets that come to it and as much of those that
// it sends, so a packet passes two such dice; single packets, since the hosts'
// devices take no batches. Control runs over TCP, which the lab does not lose.
func openHall(t *testing.T, within time.Duration, hosts int, loss float64, change func(*Config)) *hall {
	t.Helper()
	netlab.Require(t)
	timed, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	ctx, fail := context.WithCancelCause(timed)
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"root"}
	for i := range hosts {
		names = append(names, fmt.Sprint("host", i))
	}
	h := &hall{T: t, Lab: netlab.New(t, netlab.Options{Hosts: names}), ctx: ctx, fail: fail, code: code}
	for _, name := range names {
		x := h.Host(name)
		if err := errors.Join(x.SetOffload(false), x.SetLoss(netlab.In, loss), x.SetLoss(netlab.Out, loss)); err != nil {
			t.Fatal(err)
		}
		if name != "root" {
			h.hosts = append(h.hosts, x)
		}
	}
	c := h.config(h.Host("root"))
	c.Control = netip.AddrPortFrom(h.Host("root").Addr4(), 7001)
	change(&c)
	if h.root, err = Listen(ctx, testGroup, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.root.Close() })
	return h
}

func (h *hall) config(x *netlab.Host) Config {
	return Config{Network: x.Network(), Identity: crypto.Identity{Code: h.code}, Source: Group, Interface: netlab.Device}
}

// account is what a leaf got.
type account struct {
	id         uint32
	first, got int // its first message, and how many in order from there
}

// joinAndRead joins once, without a second try, says so, and reads to the end.
// Whatever goes wrong ends the test.
func (h *hall) joinAndRead(x *netlab.Host, in chan<- struct{}, out chan<- account) {
	l, err := Join(h.ctx, h.root.Addr(), nil, h.config(x))
	if err != nil {
		h.fail(fmt.Errorf("a join on %s: %w", x.Name(), err))
		return
	}
	defer l.Close()
	in <- struct{}{}
	a := account{id: l.ID()}
	p := make([]byte, 64<<10)
	for {
		m, err := l.Recv(h.ctx, p)
		switch {
		case errors.Is(err, io.EOF) && m.Missed == 0:
			out <- a
			return
		case err == nil && a.got == 0:
			a.first = int(numberOf(p[:m.N]))
		}
		if err != nil || m.Missed != 0 || !bytes.Equal(p[:m.N], numbered(a.first+a.got)) {
			h.fail(fmt.Errorf("leaf %d, message %d: %d bytes, %d missed, %v", a.id, a.first+a.got, m.N, m.Missed, err))
			return
		}
		a.got++
	}
}

// await takes one of c, or ends the test.
func await[T any](h *hall, c <-chan T) (v T) {
	h.Helper()
	select {
	case v = <-c:
	case <-h.ctx.Done():
		h.Fatal(context.Cause(h.ctx))
	}
	return v
}

// wasLossy holds the lab to its promise.
func (h *hall) wasLossy() {
	h.Helper()
	for _, x := range append(h.hosts, h.Host("root")) {
		var lost [2]uint64
		for _, w := range []netlab.Way{netlab.In, netlab.Out} {
			var err error
			if lost[w], err = x.Lost(w); err != nil || lost[w] == 0 {
				h.Errorf("%s %v: %d packets lost, %v", x.Name(), w, lost[w], err)
			}
		}
		h.Logf("%s lost %d packets on the way in, %d on the way out", x.Name(), lost[netlab.In], lost[netlab.Out])
	}
}

// A hundred leaves on five hosts, ten at a time. Each is owed what is sent
// after its Accept, and nothing from before.
func TestLab_HundredJoinsAtFivePercentLoss(t *testing.T) {
	const leaves, batch = 100, 10
	h := openHall(t, time.Minute, 5, 5, func(*Config) {})
	in, out := make(chan struct{}, leaves), make(chan account, leaves)
	after := map[uint32]int{} // by member: the message that followed its Accept
	for n := 0; n < leaves; n += batch {
		for i := range batch {
			go h.joinAndRead(h.hosts[i%len(h.hosts)], in, out)
		}
		for i := range batch {
			m, err := h.root.Accept(h.ctx)
			if err != nil {
				t.Fatalf("accept %d: %v; %v", n+i, err, context.Cause(h.ctx))
			}
			after[m.ID()] = n + i
			if err := h.root.Send(h.ctx, numbered(n+i)); err != nil {
				t.Fatal(err)
			}
		}
		for range batch {
			await(h, in)
		}
	}
	if err := h.root.Shutdown(h.ctx); err != nil {
		t.Fatalf("%v; %v", err, context.Cause(h.ctx))
	}
	for range leaves {
		a := await(h, out)
		if first, ok := after[a.id]; !ok || a.first != first || a.got != leaves-first {
			t.Errorf("leaf %d got %d messages from %d on, not all from %d on", a.id, a.got, a.first, first)
		}
		delete(after, a.id)
	}
	h.wasLossy()
}

// A fifth is lost on either side of the switch, so more than a third of
// everything: content, repairs, beats, and what leaves say of their losses.
func TestLab_TransferCompletesAtTwentyPercentLoss(t *testing.T) {
	const messages, leaves = 13_400, 3 // of 1,500 bytes and more: 20 MB
	// A leaf that this machine gives no processor for a second is quarantined,
	// rightly, and may miss something; this is about loss alone.
	h := openHall(t, time.Minute, leaves, 20, func(c *Config) { c.NoQuarantine = true })
	in, out := make(chan struct{}, leaves), make(chan account, leaves)
	for _, x := range h.hosts {
		go h.joinAndRead(x, in, out)
		if _, err := h.root.Accept(h.ctx); err != nil {
			t.Fatalf("accept: %v; %v", err, context.Cause(h.ctx))
		}
		await(h, in)
	}
	size, began := 0, time.Now()
	for i := range messages {
		p := numbered(i)
		if err := h.root.Send(h.ctx, p); err != nil {
			t.Fatalf("send %d: %v; %v", i, err, context.Cause(h.ctx))
		}
		size += len(p)
	}
	if size < 20e6 {
		t.Errorf("only %d bytes", size)
	}
	if err := h.root.Shutdown(h.ctx); err != nil {
		t.Fatalf("%v; %v", err, context.Cause(h.ctx))
	}
	for range leaves {
		if a := await(h, out); a.first != 0 || a.got != messages {
			t.Errorf("leaf %d got %d messages of %d, from %d on", a.id, a.got, messages, a.first)
		}
	}
	t.Logf("%d bytes in %v; %+v", size, time.Since(began), h.root.Stats().Data.Sender)
	h.wasLossy()
}
