package joinleaf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR41_R42_R43_R44_R45_R67_Names(t *testing.T) {
	onStage(t, 30, func(s *stage) {
		s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		k, listener := s.leaf(p), s.socket(p, ProtoRootedRooted, rootFlags)
		good := s.addr("root", 7001)
		six := NewSockaddr(netip.MustParseAddrPort("[fd77::1]:7001"))
		for _, c := range []struct {
			what string
			to   Sockaddr
			code transport.Code
		}{
			{"no name", nil, transport.WSAEFAULT},
			{"an empty name", Sockaddr{}, transport.WSAEFAULT},
			{"one byte", good[:1], transport.WSAEFAULT},
			{"a short name", good[:15], transport.WSAEFAULT},
			{"a short name of the other family", six[:27], transport.WSAEFAULT},
			{"the other family", six, transport.WSAEAFNOSUPPORT},
			{"no family", Sockaddr{99, 0, 1, 1, 1, 1, 1, 1}, transport.WSAEAFNOSUPPORT},
			{"any address", any4(7001), transport.WSAEADDRNOTAVAIL},
			{"no port", s.addr("root", 0), transport.WSAEADDRNOTAVAIL},
			{"a group", NewSockaddr(netip.MustParseAddrPort("239.1.1.1:7001")), transport.WSAEADDRNOTAVAIL},
			{"broadcast", NewSockaddr(netip.MustParseAddrPort("255.255.255.255:7001")), transport.WSAEADDRNOTAVAIL},
		} {
			for _, k := range []*Socket{k, listener} {
				m, err := joinTo(k, c.to)
				want(t, c.what, err, c.code)
				if m != nil {
					t.Errorf("%s: a descriptor came with the error", c.what)
				}
			}
		}
		longer := append(append(Sockaddr{}, good...), 1, 2, 3) // a sockaddr_storage
		selecting(s, k, FDConnect)
		m, err := joinTo(k, longer)
		want(t, "a name with room behind it", err, 0)
		if m != k {
			t.Error("not the same descriptor")
		}
	})
}

func TestR46_R47_R171_R172_R180_ConnectDataThatCannotBe(t *testing.T) {
	onStage(t, 31, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		k := s.leaf(s.provider("leaf", func(c *Config) { c.ConnectData = 100 }))
		to := s.addr("root", 7001)
		for what, c := range map[string]struct{ caller, callee *WSABUF }{
			"caller data too long":         {&WSABUF{101, make([]byte, 101)}, nil},
			"caller data without memory":   {&WSABUF{Len: 3}, nil},
			"caller data beyond memory":    {&WSABUF{5, make([]byte, 4)}, nil},
			"absurd caller data":           {&WSABUF{Len: 0xFFFFFFFF}, nil},
			"callee buffer without memory": {nil, &WSABUF{Len: 3}},
			"callee buffer beyond memory":  {nil, &WSABUF{5, make([]byte, 4)}},
			"absurd callee buffer":         {nil, &WSABUF{Len: 0xFFFFFFFF}},
		} {
			_, err := k.JoinLeaf(to, c.caller, c.callee, nil, nil, JoinBoth)
			want(t, what, err, transport.WSAEFAULT)
		}
		_, err := k.JoinLeaf(to, nil, nil, &QOS{Provider: WSABUF{Len: 9}}, nil, JoinBoth)
		want(t, "provider's bytes without memory", err, transport.WSAEFAULT)
		s.settle()
		if n, _ := root.hub.root.Waiting(); n != 0 || root.hub.root.Stats().Control.Opened != 0 {
			t.Error("a refused call reached the root")
		}
		want(t, "not longer than allowed", func() error {
			selecting(s, k, FDConnect)
			_, err := k.JoinLeaf(to, &WSABUF{100, make([]byte, 100)}, nil, nil, nil, JoinBoth)
			return err
		}(), 0)
	})
}

// brokenNetwork is a host with something out of order.
type brokenNetwork struct {
	transport.Network
	down, noBuffers, noDial atomic.Bool
}

func (b *brokenNetwork) Interfaces() ([]transport.Interface, error) {
	if b.down.Load() {
		return nil, errors.New("the driver is gone")
	}
	return b.Network.Interfaces()
}

func (b *brokenNetwork) OpenUnicast(ctx context.Context, a netip.AddrPort, o transport.SocketOptions) (transport.PacketConn, error) {
	if b.noBuffers.Load() {
		return nil, &transport.Error{Op: "open", Code: transport.WSAENOBUFS}
	}
	return b.Network.OpenUnicast(ctx, a, o)
}

func (b *brokenNetwork) Dial(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
	if b.noDial.Load() {
		return nil, &transport.Error{Op: "dial", Code: transport.WSAENOBUFS}
	}
	return b.Network.Dial(ctx, from, to)
}

func TestR48_R49_R142_NoBuffersNoNetwork(t *testing.T) {
	onStage(t, 32, func(s *stage) {
		s.root(s.provider("root", nil), "root")
		b := &brokenNetwork{Network: s.net.Host("leaf")}
		b.noBuffers.Store(true)
		k := s.leaf(s.provider("leaf", func(c *Config) { c.Network = b }))
		_, err := joinTo(k, s.addr("root", 7001))
		want(t, "no buffers for the name", err, transport.WSAENOBUFS)
		b.noBuffers.Store(false)
		b.down.Store(true)
		_, err = joinTo(k, s.addr("root", 7001))
		want(t, "network down", err, transport.WSAENETDOWN)
		b.down.Store(false)
		b.noDial.Store(true)
		e := selecting(s, k, FDConnect)
		_, err = joinTo(k, s.addr("root", 7001))
		want(t, "nonblocking", err, 0)
		if got := next(s, k, e, FDConnect).Code(FDConnect); got != transport.WSAENOBUFS {
			t.Errorf("FD_CONNECT says %v", got)
		}
		s.net.Host("leaf").SetUp("sim0", false)
		s.net.Host("leaf").SetUp("lo", false)
		_, err = joinTo(k, s.addr("root", 7001))
		want(t, "every interface down", err, transport.WSAENETDOWN)
	})
}

// attempt is one call, to be made to fail.
type attempt struct {
	k              *Socket
	to             Sockaddr
	caller, callee *WSABUF
	sqos, gqos     *QOS
	f              JoinFlags
	in             bool // from inside a condition
}

// fault makes a call fail in one way. Where socket is set it does so by the
// socket that is used, so two of these cannot meet.
type fault struct {
	code   transport.Code
	socket bool
	make   func(*attempt, *sockets)
}

// faults stand in the order in which they count.
var faults = []fault{
	{transport.WSANOTINITIALISED, false, func(a *attempt, w *sockets) { w.p.mu.Lock(); w.p.up = false; w.p.mu.Unlock() }},
	{transport.WSAENOTSOCK, true, func(a *attempt, w *sockets) { a.k = w.closed }},
	{transport.WSAEINPROGRESS, false, func(a *attempt, w *sockets) { a.in = true }},
	{transport.WSAENETDOWN, false, func(a *attempt, w *sockets) { w.net.down.Store(true) }},
	{transport.WSASYSCALLFAILURE, true, func(a *attempt, w *sockets) { a.k = w.plain }},
	{transport.WSAEINVAL, true, func(a *attempt, w *sockets) { a.k = w.ordinary }},
	{transport.WSAEALREADY, true, func(a *attempt, w *sockets) { a.k = w.pending }},
	{transport.WSAEISCONN, true, func(a *attempt, w *sockets) { a.k = w.member }},
	{transport.WSAEFAULT, false, func(a *attempt, w *sockets) { a.callee = &WSABUF{Len: 5} }},
	{transport.WSAEAFNOSUPPORT, false, func(a *attempt, w *sockets) { a.to = NewSockaddr(netip.MustParseAddrPort("[fd77::1]:7001")) }},
	{transport.WSAEADDRNOTAVAIL, false, func(a *attempt, w *sockets) { a.to = any4(7001) }},
	{transport.WSAEINVAL, false, func(a *attempt, w *sockets) { a.f = 5 }},
	{transport.WSAEPROTONOSUPPORT, true, func(a *attempt, w *sockets) {
		a.k, a.caller, a.to = w.peer, &WSABUF{}, NewSockaddr(netip.MustParseAddrPort("239.192.1.1:7001"))
	}},
	{transport.WSAEOPNOTSUPP, false, func(a *attempt, w *sockets) { a.gqos = &QOS{} }},
	{transport.WSAEADDRINUSE, true, func(a *attempt, w *sockets) { a.k = w.clashing }},
	{transport.WSAENOBUFS, false, func(a *attempt, w *sockets) { w.net.noBuffers.Store(true) }},
}

// TestR51_R52_R53_TheFirstFaultCounts makes calls that are wrong in two ways,
// every two that can meet, and sees the first one's code.
func TestR51_R52_R53_TheFirstFaultCounts(t *testing.T) {
	for i, first := range faults {
		for _, second := range faults[i:] {
			if first.socket && second.socket && first.code != second.code || first.code == transport.WSAEADDRINUSE && second.code == transport.WSAENOBUFS {
				continue // a clash and a lack of buffers come from the same step
			}
			onStage(t, 33, func(s *stage) {
				w := newSockets(s)
				defer w.repair()
				a := &attempt{k: w.good, to: s.addr("root", 7001), f: JoinBoth}
				first.make(a, w)
				to := a.to
				second.make(a, w)
				if first.code == transport.WSAEAFNOSUPPORT || first.code == transport.WSAEADDRNOTAVAIL {
					a.to = to // the first way in which the name is wrong
				}
				descriptors := len(w.p.sockets)
				w.call(t, first.code, a)
				if len(w.p.sockets) != descriptors {
					t.Error("a refused call left a descriptor")
				}
			})
			if t.Failed() {
				t.Fatalf("%s before %s", first.code.Name(), second.code.Name())
			}
		}
	}
}

// sockets is a provider with a socket in each state that a call may meet.
type sockets struct {
	*stage
	p   *Provider
	net *brokenNetwork

	closed, plain, ordinary, pending, member, peer, clashing, good *Socket
}

func newSockets(s *stage) *sockets {
	w := &sockets{stage: s, net: &brokenNetwork{Network: s.net.Host("leaf")}}
	rp := s.provider("root", nil)
	root := s.root(rp, "root")
	w.p = s.provider("leaf", func(c *Config) { c.Network = w.net })
	w.closed, w.good, w.member, w.pending = s.leaf(w.p), s.leaf(w.p), s.leaf(w.p), s.leaf(w.p)
	s.must(w.closed.Close())
	var err error
	w.plain, err = w.p.Socket(AFInet, SockStream, ProtoTCP, nil, 0, 0)
	s.must(err)
	w.ordinary = s.socket(w.p, ProtoRootedRooted, 0)
	w.peer = s.socket(w.p, ProtoNonrooted, leafFlags)
	holder := s.leaf(w.p)
	w.clashing = s.leaf(w.p)
	s.must(holder.Bind(s.addr("leaf", 9000)))
	s.must(w.clashing.Bind(any4(9000)))
	s.pair(root, "root", w.member)
	s.must(w.pending.EventSelect(NewEvent(), FDConnect))
	_, err = joinTo(w.pending, s.addr("root", 7001))
	s.must(err)
	return w
}

func (w *sockets) call(t testing.TB, code transport.Code, a *attempt) {
	join := func() {
		m, err := a.k.JoinLeaf(a.to, a.caller, a.callee, a.sqos, a.gqos, a.f)
		want(t, "join", err, code)
		if m != nil {
			t.Error("a descriptor came with the error")
		}
	}
	if a.in {
		w.p.callback.run(join)
		return
	}
	join()
}

func (w *sockets) repair() {
	w.p.mu.Lock()
	w.p.up = true
	w.p.mu.Unlock()
	w.net.down.Store(false)
	w.net.noBuffers.Store(false)
}

func TestR53_R121_ARefusedCallChangesNothing(t *testing.T) {
	onStage(t, 34, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		k := s.leaf(s.provider("leaf", nil))
		e := selecting(s, k, FDConnect)
		_, err := k.JoinLeaf(s.addr("root", 7001), nil, nil, nil, nil, 7)
		want(t, "flags", err, transport.WSAEINVAL)
		s.settle()
		if _, err := k.GetSockName(); transport.CodeOf(err) != transport.WSAEINVAL {
			t.Error("the refused join bound the socket")
		}
		if e.IsSet() || root.hub.root.Stats().Control.Opened != 0 {
			t.Error("an event, or a packet")
		}
		_, err = joinTo(k, s.addr("root", 7001))
		want(t, "afterwards", err, 0)
	})
}

func TestR185_R186_Flags(t *testing.T) {
	if JoinBoth != 4 || SenderOnly != 1 || ReceiverOnly != 2 {
		t.Error("the flags have other numbers")
	}
	onStage(t, 35, func(s *stage) {
		s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		for f := JoinFlags(0); f < 16; f++ {
			k := s.leaf(p)
			selecting(s, k, FDConnect)
			_, err := k.JoinLeaf(s.addr("root", 7001), nil, nil, nil, nil, f)
			code := transport.WSAEINVAL
			if f == 1 || f == 2 || f == 4 {
				code = 0
			}
			want(t, "flags", err, code)
		}
	})
}
