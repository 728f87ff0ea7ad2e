package session

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// ring is an ordered session on a network in memory: member 1 is the sequencer.
type ring struct {
	testing.TB
	net     *simnet.Net
	ctx     context.Context
	change  func(*Config)
	members []*ringMember
}

type ringMember struct {
	*Session
	id    uint32
	views []string // what View was told
}

// inRing runs a story in a bubble.
func inRing(t *testing.T, seed uint64, l simnet.Link, change func(*Config), story func(r *ring)) {
	t.Helper()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(seed, l)
		defer n.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		r := &ring{TB: t, net: n, ctx: ctx, change: change}
		defer func() {
			for _, m := range r.members {
				m.Close()
			}
		}()
		story(r)
	})
}

// open starts a member that knows nobody yet.
func (r *ring) open(id uint32) *ringMember {
	r.Helper()
	h := r.net.Host(fmt.Sprintf("host%d", id))
	group := transport.Group{Addr: netip.MustParseAddrPort("239.192.9.9:9000"), Interface: "sim0"}
	u, err := h.OpenUnicast(r.ctx, netip.AddrPortFrom(h.Addr(), 0), transport.SocketOptions{Interface: "sim0"})
	if err != nil {
		r.Fatal(err)
	}
	g, err := h.OpenGroup(r.ctx, group, transport.SocketOptions{Interface: "sim0"})
	if err != nil {
		r.Fatal(err)
	}
	m := &ringMember{id: id}
	c := Config{Self: id, Sealer: &clearSealer{self: id}, Unicast: u, Group: g, GroupAddr: group.Addr, Symbol: flow.SymbolSize(1500, 40, false),
		Streams: []flow.Class{flow.Reliable}, Sequencer: 1}
	c.View = func(member uint32, in bool, at uint64) { m.views = append(m.views, fmt.Sprint(member, in, at)) }
	if r.change != nil {
		r.change(&c)
	}
	if m.Session, err = New(c); err != nil {
		r.Fatal(err)
	}
	r.members = append(r.members, m)
	return m
}

// meet lets a owe b its data, and b listen, as a control channel would.
func (r *ring) meet(a, b *ringMember) {
	r.Helper()
	edges := a.AddMember(b.id, b.LocalAddr(), flow.Admission{RTT: time.Millisecond})
	if err := b.AdmitSender(a.id, a.LocalAddr(), edges); err != nil {
		r.Fatal(err)
	}
}

// full is a ring of n members who all know each other.
func (r *ring) full(n int) []*ringMember {
	for i := range n {
		r.open(uint32(i + 1))
	}
	for _, a := range r.members[1:] { // the sequencer is told of everybody, then tells
		r.meet(a, r.members[0])
	}
	for _, a := range r.members[1:] {
		for _, b := range r.members {
			if a != b && b.id != 1 {
				r.meet(a, b)
			}
		}
	}
	for _, b := range r.members[1:] {
		r.meet(r.members[0], b)
	}
	return r.members
}

// say sends a message that names its sender and number.
func (m *ringMember) say(ctx context.Context, number, size int) error {
	p := make([]byte, max(12, size))
	binary.BigEndian.PutUint32(p, m.id)
	binary.BigEndian.PutUint64(p[4:], uint64(number))
	return m.Send(ctx, 0, p)
}

// hear reads one message and gives "sender/number".
func (r *ring) hear(m *ringMember) (string, Message) {
	r.Helper()
	p := make([]byte, 2<<20)
	got, err := m.Recv(r.ctx, p)
	if err != nil {
		r.Fatalf("member %d: %v", m.id, err)
	}
	if id := binary.BigEndian.Uint32(p); id != got.From {
		r.Fatalf("member %d: a message of %d is said to be of %d", m.id, id, got.From)
	}
	return fmt.Sprintf("%d/%d", got.From, binary.BigEndian.Uint64(p[4:])), got
}

// nothing holds a member to having nothing to read for now.
func (r *ring) nothing(m *ringMember) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, 300*time.Millisecond)
	defer cancel()
	if got, err := m.Recv(ctx, make([]byte, 2<<20)); err == nil {
		r.Errorf("member %d has a message of %d at place %d", m.id, got.From, got.Order)
	}
}
