package nonrooted

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

var testGroup = transport.Group{Addr: netip.MustParseAddrPort("239.192.1.1:7000")}

// room is a network in memory in which equals meet.
type room struct {
	*testing.T
	net  *simnet.Net
	ctx  context.Context
	code crypto.JoinCode
	in   []*Peer // closed at the end, if the story does not
}

// inRoom runs a story in a synctest bubble, with its own clock.
func inRoom(t *testing.T, seed uint64, l simnet.Link, story func(r *room)) {
	t.Helper()
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
		r := &room{T: t, net: n, ctx: ctx, code: code}
		defer func() {
			done := make(chan struct{})
			for _, p := range r.in {
				go func() { p.Close(); done <- struct{}{} }()
			}
			for range r.in {
				<-done
			}
		}()
		story(r)
		if err := n.Stats().Check(); err != nil {
			t.Error(err)
		}
	})
}

func name(i int) string { return fmt.Sprintf("p%d", i) }

func (r *room) config(host string) Config {
	return Config{Network: r.net.Host(host), Identity: crypto.Identity{Code: r.code}, Data: []byte(host)}
}

// join takes one more in.
func (r *room) join(change func(*Config)) *Peer {
	r.Helper()
	c := r.config(name(len(r.in)))
	if change != nil {
		change(&c)
	}
	p, err := Join(r.ctx, testGroup, c)
	if err != nil {
		r.Fatalf("%s: %v", c.Data, err)
	}
	r.in = append(r.in, p)
	return p
}

// joinAll takes n in, one after the other.
func (r *room) joinAll(n int, change func(*Config)) []*Peer {
	r.Helper()
	for range n {
		r.join(change)
	}
	return r.in
}

// agree reports whether these, and nobody else, see one view.
func agree(ps ...*Peer) bool {
	first := ps[0].View()
	for _, p := range ps {
		v := p.View()
		if v.Number != first.Number || v.Session != first.Session || len(v.Members) != len(ps) || p.sending.Load() == nil || p.used.Load() != v.Number {
			return false
		}
		if !slices.ContainsFunc(v.Members, func(m Member) bool { return m.ID == v.Self && m.Pin == p.Pin() }) {
			return false
		}
	}
	return true
}

// settle waits until these agree.
func (r *room) settle(d time.Duration, ps ...*Peer) time.Duration {
	r.Helper()
	began := time.Now()
	for !agree(ps...) {
		if time.Since(began) > d {
			for _, p := range ps {
				v := p.View()
				r.Logf("member %d of session %v: view %x of %d, %v", v.Self, v.Session, v.Number, len(v.Members), p.Err())
			}
			r.Fatalf("no agreement within %v", d)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

func numbered(who, i int) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, uint32(who)), uint64(i))
}

func read(b []byte) (who, i int) {
	return int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint64(b[4:]))
}

func viewOfPeer(p *Peer) *View { v := p.View(); return &v }
