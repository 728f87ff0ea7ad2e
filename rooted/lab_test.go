package rooted

import (
	"context"
	"crypto/fips140"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

var (
	testGroup = transport.Group{Addr: netip.MustParseAddrPort("239.192.1.1:7000")}
	testRoot  = netip.MustParseAddrPort("0.0.0.0:7001")
)

// room is a network in memory with one session's root in it.
type room struct {
	*testing.T
	net  *simnet.Net
	ctx  context.Context
	code crypto.JoinCode
	root *Root
	in   []*Leaf // closed at the end, if the story does not

	level SourceLevel // of who listens and joins from now on; Group at first
}

// inRoom runs a story in a synctest bubble, with its own clock.
func inRoom(t *testing.T, seed uint64, l simnet.Link, story func(r *room)) {
	t.Helper()
	noFakeTime(t)
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(seed, l)
		defer n.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		code, err := crypto.NewCode()
		if err != nil {
			t.Fatal(err)
		}
		r := &room{T: t, net: n, ctx: ctx, code: code, level: Group}
		defer func() {
			for _, l := range r.in {
				l.Close()
			}
			if r.root != nil {
				r.root.Close()
			}
		}()
		story(r)
		if err := n.Stats().Check(); err != nil {
			t.Error(err)
		}
	})
}

func (r *room) config(host string) Config {
	return Config{Network: r.net.Host(host), Identity: crypto.Identity{Code: r.code}, Source: r.level}
}

// listen opens the root.
func (r *room) listen(change func(*Config)) *Root {
	r.Helper()
	c := r.config("root")
	c.Control = testRoot
	if change != nil {
		change(&c)
	}
	root, err := Listen(r.ctx, testGroup, c)
	if err != nil {
		r.Fatal(err)
	}
	r.root = root
	return root
}

// join takes a leaf in, on both sides.
func (r *room) join(host string, data []byte, change func(*Config)) (*Leaf, *Member) {
	r.Helper()
	type admitted struct {
		m   *Member
		err error
	}
	done := make(chan admitted, 1)
	go func() {
		m, err := r.root.Accept(r.ctx)
		done <- admitted{m, err}
	}()
	c := r.config(host)
	if change != nil {
		change(&c)
	}
	l, err := Join(r.ctx, r.root.Addr(), data, c)
	if err != nil {
		r.Fatalf("join of %s: %v", host, err)
	}
	r.in = append(r.in, l)
	a := <-done
	if a.err != nil {
		r.Fatalf("accept of %s: %v", host, a.err)
	}
	return l, a.m
}

// leaves takes n leaves in.
func (r *room) leaves(n int) (ls []*Leaf) {
	r.Helper()
	for i := range n {
		l, _ := r.join(fmt.Sprintf("leaf%d", i), nil, nil)
		ls = append(ls, l)
	}
	return ls
}

// numbered is message i of a sender, of a length that varies.
func numbered(i int) []byte {
	p := make([]byte, 8+(i*37)%3000)
	binary.BigEndian.PutUint64(p, uint64(i))
	for j := 8; j < len(p); j++ {
		p[j] = byte(i + j)
	}
	return p
}

// take reads messages until the end and checks that they are numbered(first)
// onwards, but for the missed ones; it returns how many came and how many were
// told missing.
func take(t *testing.T, ctx context.Context, from func(context.Context, []byte) (Message, error), first int) (got, missed int, err error) {
	t.Helper()
	p := make([]byte, 64<<10)
	next := first
	for {
		m, err := from(ctx, p)
		next += int(m.Missed)
		missed += int(m.Missed)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return got, missed, err
		}
		want := numbered(next)
		if string(p[:m.N]) != string(want) {
			t.Errorf("message %d: got %d bytes numbered %d", next, m.N, binary.BigEndian.Uint64(p))
			return got, missed, nil
		}
		got++
		next++
	}
}

func netipPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// noFakeTime skips the stories of simnet where FIPS 140-3 is on: randomness may
// then come from the jitter of the clock, and a fake clock has none.
func noFakeTime(t *testing.T) {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("time cannot be faked in FIPS mode; TestZ2 shows a session in real time")
	}
}
