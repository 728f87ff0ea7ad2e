package joinleaf

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

func reuse(k *Socket) error {
	return k.SetSockOpt(SOLSocket, SOReuseAddr, []byte{1, 0, 0, 0})
}

func localOf(t testing.TB, k *Socket) netip.AddrPort {
	t.Helper()
	a, err := k.GetSockName()
	if err != nil {
		t.Error(err)
	}
	return a.AddrPort()
}

func TestR29_R30_R31_R158_ImplicitBind(t *testing.T) {
	onStage(t, 20, func(s *stage) {
		s.net.Host("root")
		p := s.provider("leaf", nil)
		a, b := s.leaf(p), s.leaf(p)
		_, err := a.GetSockName()
		want(t, "name before the join", err, transport.WSAEINVAL)
		for _, k := range []*Socket{a, b} {
			_, err := joinTo(k, s.addr("root", 7001)) // nobody there
			want(t, "join", err, transport.WSAECONNREFUSED)
		}
		first := localOf(t, a)
		if first == localOf(t, b) || first.Port() == 0 || first.Addr() != s.net.Host("leaf").Addr() {
			t.Errorf("names %v and %v", first, localOf(t, b))
		}
		want(t, "bind when bound implicitly", a.Bind(s.addr("leaf", 9000)), transport.WSAEINVAL)
		// Unique on the host, not just here.
		other := s.leaf(s.provider("leaf", nil))
		want(t, "another provider's bind to that name", other.Bind(NewSockaddr(first)), transport.WSAEADDRINUSE)
		_, err = joinTo(a, s.addr("root", 7001))
		want(t, "retry", err, transport.WSAECONNREFUSED)
		if localOf(t, a) != first {
			t.Errorf("the retry came from %v, the first try from %v", localOf(t, a), first)
		}
		s.must(a.Close())
		s.settle()
		want(t, "bind to it when that is closed", other.Bind(NewSockaddr(first)), 0)
	})
}

func TestR158_TheOtherSideSeesTheNameTwice(t *testing.T) {
	onStage(t, 21, func(s *stage) {
		root, leaf := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		var seen []netip.AddrPort
		refuse := func(id Sockaddr, _ *WSABUF, _, _ *QOS, _ Sockaddr, _ *WSABUF, _ *uint32, _ any) int {
			seen = append(seen, id.AddrPort())
			return CFReject
		}
		for range 2 {
			got := accepting(root, refuse)
			_, err := joinTo(leaf, s.addr("root", 7001))
			want(t, "join", err, transport.WSAECONNREFUSED)
			want(t, "accept", (<-got).err, transport.WSAECONNREFUSED)
			s.settle()
		}
		if name := localOf(t, leaf); len(seen) != 2 || seen[0] != name || seen[1] != name {
			t.Errorf("the socket's name is %v, the root saw %v", name, seen)
		}
	})
}

func TestR32_R35_R38_R39_Bind(t *testing.T) {
	onStage(t, 22, func(s *stage) {
		p := s.provider("leaf", nil)
		a, b, late, early := s.leaf(p), s.leaf(p), s.leaf(p), s.leaf(p)
		s.must(a.Bind(s.addr("leaf", 9000)))
		want(t, "name in use", b.Bind(s.addr("leaf", 9000)), transport.WSAEADDRINUSE)
		want(t, "bind twice", a.Bind(s.addr("leaf", 9001)), transport.WSAEINVAL)
		s.must(reuse(early))
		want(t, "with reuse", early.Bind(s.addr("leaf", 9000)), 0)
		want(t, "late's own bind", late.Bind(s.addr("leaf", 9002)), 0)
		s.must(reuse(late)) // R35: too late
		on := make([]byte, 4)
		if _, err := late.GetSockOpt(SOLSocket, SOReuseAddr, on); err != nil || binary.LittleEndian.Uint32(on) != 0 {
			t.Errorf("reuse set after bind is %v (%v)", on, err)
		}
		want(t, "no address", b.Bind(nil), transport.WSAEFAULT)
		want(t, "short address", b.Bind(s.addr("leaf", 9000)[:8]), transport.WSAEFAULT)
		want(t, "other family", b.Bind(NewSockaddr(netip.MustParseAddrPort("[::1]:9005"))), transport.WSAEFAULT)
		want(t, "foreign address", b.Bind(s.addr("root", 9000)), transport.WSAEADDRNOTAVAIL)
		want(t, "after all that", b.Bind(s.addr("leaf", 9003)), 0)
		s.must(a.Close())
		s.settle()
		c := s.leaf(p)
		want(t, "when the first is closed", c.Bind(s.addr("leaf", 9000)), 0)
	})
}

func any4(port uint16) Sockaddr {
	return NewSockaddr(netip.AddrPortFrom(netip.IPv4Unspecified(), port))
}

func TestR33_R34_R37_R263_AWildcardNameClashesLate(t *testing.T) {
	onStage(t, 23, func(s *stage) {
		s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		holder, wild, shared := s.leaf(p), s.leaf(p), s.leaf(p)
		s.must(holder.Bind(s.addr("leaf", 9000)))
		want(t, "wildcard bind", wild.Bind(any4(9000)), 0)
		e := selecting(s, wild, FDConnect) // nonblocking
		for range 2 {
			k, err := joinTo(wild, s.addr("root", 7001))
			want(t, "join that needs the address", err, transport.WSAEADDRINUSE)
			if k != nil {
				t.Error("a descriptor came with the error")
			}
		}
		s.settle()
		if e.IsSet() || events(t, wild).Events != 0 {
			t.Error("the refused join gave an event")
		}
		s.must(reuse(shared))
		want(t, "wildcard bind with reuse", shared.Bind(any4(9000)), 0)
		selecting(s, shared, FDConnect)
		_, err := joinTo(shared, s.addr("root", 7001))
		want(t, "join with reuse", err, 0)
		s.must(wild.EventSelect(nil, 0)) // R37: still usable
		s.must(wild.Close())
	})
}

func TestR33_AnotherWildcardClashesAtOnce(t *testing.T) {
	onStage(t, 24, func(s *stage) {
		p := s.provider("leaf", nil)
		a, b := s.leaf(p), s.leaf(p)
		s.must(a.Bind(any4(9000)))
		want(t, "second wildcard", b.Bind(any4(9000)), transport.WSAEADDRINUSE)
	})
}

func TestR36_ListenCanClashToo(t *testing.T) {
	onStage(t, 25, func(s *stage) {
		p := s.provider("root", nil)
		l, err := s.net.Host("root").Listen(s.ctx, s.addr("root", 7001).AddrPort()) // some other program
		s.must(err)
		k := s.socket(p, ProtoRootedRooted, rootFlags)
		want(t, "bind", k.Bind(s.addr("root", 7001)), 0)
		want(t, "listen", k.Listen(1), transport.WSAEADDRINUSE)
		s.must(l.Close())
		want(t, "listen again", k.Listen(1), 0)
	})
}

// sourceless is a host whose routes name no source, as one to a whole class of
// groups on the loopback interface.
type sourceless struct{ transport.Network }

func (n sourceless) Route(dst netip.Addr) (int, netip.Addr, error) {
	i, _, err := n.Network.Route(dst)
	return i, netip.Addr{}, err
}

func TestR29_ARouteWithoutASourceBindsToTheWildcard(t *testing.T) {
	onStage(t, 291, func(s *stage) {
		p := s.provider("a", func(c *Config) { c.Network = sourceless{c.Network} })
		k := s.socket(p, ProtoNonrooted, leafFlags)
		_, err := joinTo(k, groupName())
		want(t, "join", err, 0)
	})
}
