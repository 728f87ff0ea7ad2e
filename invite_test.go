package joinleaf

import (
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// invitable is a c_leaf that listens on port 7001 of its host.
func (s *stage) invitable(host string) *Socket {
	s.Helper()
	return s.listening(s.provider(host, nil), host, ProtoRootedRooted, leafFlags)
}

// inviter is a c_root that is bound and does not listen.
func (s *stage) inviter(change func(*Config)) *Socket {
	s.Helper()
	k := s.socket(s.provider("root", change), ProtoRootedRooted, rootFlags)
	s.must(k.Bind(s.addr("root", 7001)))
	return k
}

func TestR54_R55_R56_R57_R59_R61_R62_R107_R257_RootInvites(t *testing.T) {
	onStage(t, 80, func(s *stage) {
		root := s.root(s.provider("root", nil), "root") // it listens as well
		one, two := s.invitable("one"), s.invitable("two")
		e := selecting(s, one, FDAccept)
		var members, leaves []*Socket
		for host, k := range map[string]*Socket{"one": one, "two": two} {
			got := make(chan admitted, 1)
			go func() {
				if k == one {
					next(s, one, e, FDAccept)
				}
				if k == one {
					s.must(blocking(k))
				}
				l, from, err := k.Accept()
				got <- admitted{l, from, err}
			}()
			m, err := joinTo(root, s.addr(host, 7001))
			want(t, "invite", err, 0)
			a := <-got
			want(t, "accept at the leaf", a.err, 0)
			if m == root || m == nil || a.k == k || a.from.AddrPort().Addr() != s.net.Host("root").Addr() {
				t.Error("descriptors or address")
			}
			members, leaves = append(members, m), append(leaves, a.k)
		}
		_, err := root.Send([]byte("to both"))
		want(t, "send", err, 0)
		for _, l := range leaves {
			hears(s, l, "to both")
			_, err := l.Send([]byte("back"))
			want(t, "send back", err, 0)
			hears(s, root, "back")
		}
		s.must(members[0].Close())
		s.settle()
		if _, err := leaves[1].Send([]byte("still here")); err != nil {
			t.Error(err)
		}
		hears(s, root, "still here")
		// The listener listens on (R257), and the root may be joined too (R61).
		if n, err := one.Select(); n.Read || err != nil {
			t.Error("the listener has a request left")
		}
		s.pair(root, "root", s.leaf(one.p))
	})
}

func TestR58_R60_R118_R133_R147_R149_R160_NonblockingInvitations(t *testing.T) {
	onStage(t, 81, func(s *stage) {
		root, k := s.inviter(nil), s.invitable("leaf")
		e := selecting(s, root, FDConnect|FDWrite)
		m, err := joinTo(root, s.addr("leaf", 7001))
		want(t, "begin", err, 0)
		for range 3 {
			x, err := joinTo(root, s.addr("leaf", 7001))
			want(t, "another meanwhile", err, transport.WSAEALREADY)
			if x != nil {
				t.Error("a descriptor")
			}
		}
		s.settle()
		if e.IsSet() {
			t.Error("completed before the leaf has accepted")
		}
		l, _, err := k.Accept()
		want(t, "accept", err, 0)
		if got := next(s, root, e, FDConnect); got.Code(FDConnect) != 0 {
			t.Errorf("FD_CONNECT %v", got.Code(FDConnect))
		}
		if got := events(t, m); got.Events&FDConnect != 0 {
			t.Error("FD_CONNECT on the new socket")
		}
		_, err = root.Send([]byte("x"))
		want(t, "send", err, 0)
		hears(s, l, "x")
		m2, err := joinTo(root, s.addr("leaf", 7001)) // again, and the same leaf (R64)
		want(t, "the next one", err, 0)
		if _, _, err := k.Accept(); err != nil || m2 == m {
			t.Error(err)
		}
	})
}

func TestR64_R221_TheSameAddressTwice(t *testing.T) {
	onStage(t, 82, func(s *stage) {
		root, k := s.inviter(nil), s.invitable("leaf")
		var leaves, members []*Socket
		for range 2 {
			got := accepting(k, nil)
			m, err := joinTo(root, s.addr("leaf", 7001))
			want(t, "invite", err, 0)
			members, leaves = append(members, m), append(leaves, (<-got).k)
		}
		if members[0] == members[1] {
			t.Error("one socket for two members")
		}
		root.Send([]byte("twice"))
		hears(s, leaves[0], "twice")
		hears(s, leaves[1], "twice")
		s.must(members[0].Close())
		got := accepting(k, nil)
		_, err := joinTo(root, s.addr("leaf", 7001))
		want(t, "invite again", err, 0)
		root.Send([]byte("more"))
		hears(s, leaves[1], "more")
		hears(s, (<-got).k, "more")
	})
}

func TestR63_R155_R156_InvitationsThatFailHarmNobody(t *testing.T) {
	onStage(t, 83, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		leaf := s.leaf(s.provider("leaf", nil))
		member := s.pair(root, "root", leaf)
		s.net.Host("mute")
		e := selecting(s, root, FDConnect|FDAccept)
		silent := s.invitable("silent") // it listens and answers nothing
		for what, c := range map[string]struct {
			to   Sockaddr
			code transport.Code
		}{
			"nobody listens": {s.addr("mute", 7001), transport.WSAECONNREFUSED},
			"no route":       {NewSockaddr(netip.MustParseAddrPort("198.51.100.1:7001")), transport.WSAENETUNREACH},
			"silence":        {s.addr("silent", 7001), transport.WSAETIMEDOUT},
		} {
			m, err := joinTo(root, c.to)
			want(t, what, err, 0)
			if got := next(s, root, e, FDConnect).Code(FDConnect); got != c.code {
				t.Errorf("%s: %v", what, got)
			}
			_, err = m.Send([]byte("x"))
			want(t, what+": the dead member", err, transport.WSAENOTCONN)
			s.must(m.Close())
		}
		s.must(silent.Close())
		_, err := root.Send([]byte("still"))
		want(t, "send", err, 0)
		hears(s, leaf, "still")
		if _, err := member.Send([]byte("chat")); err != nil {
			t.Error(err)
		}
		k := s.leaf(leaf.p)
		s.asks(k, "late")
		next(s, root, e, FDAccept) // it listens on
	})
}

func TestR73_R219_R227_NobodyListensOrTheSessionIsOver(t *testing.T) {
	onStage(t, 84, func(s *stage) {
		root, k := s.inviter(nil), s.invitable("leaf")
		got := accepting(k, nil)
		_, err := joinTo(root, s.addr("leaf", 7001))
		want(t, "invite", err, 0)
		l := (<-got).k
		other := s.leaf(s.provider("other", nil))
		_, err = joinTo(other, s.addr("root", 7001))
		want(t, "join of a root that does not listen", err, transport.WSAECONNREFUSED)
		s.must(root.Listen(2))
		s.pair(root, "root", other)
		s.must(root.Close())
		s.settle()
		_, err = l.Send([]byte("anybody?"))
		want(t, "send without a root", err, transport.WSAENOTCONN)
		_, err = joinTo(s.leaf(other.p), s.addr("root", 7001))
		want(t, "join of a session that is over", err, transport.WSAECONNREFUSED)
		_, err = joinTo(other, s.addr("root", 7001))
		want(t, "join on a socket whose session is over", err, transport.WSAEINVAL)
	})
}

func TestR74_AListeningLeafDoesNotJoin(t *testing.T) {
	onStage(t, 85, func(s *stage) {
		s.root(s.provider("root", nil), "root")
		_, err := joinTo(s.invitable("leaf"), s.addr("root", 7001))
		want(t, "join", err, transport.WSAEINVAL)
	})
}

func TestR113_R114_R115_R116_WhatAPendingDescriptorDoes(t *testing.T) {
	onStage(t, 86, func(s *stage) {
		root := s.inviter(nil)
		s.invitable("leaf") // answers nothing
		e := selecting(s, root, FDConnect)
		m, err := joinTo(root, s.addr("leaf", 7001))
		s.must(err)
		data := func(k *Socket, what string) {
			_, err := k.Send([]byte("x"))
			want(t, what+", send", err, transport.WSAENOTCONN)
			_, err = k.Recv(make([]byte, 8))
			want(t, what+", receive", err, transport.WSAENOTCONN)
			want(t, what+", shutdown", k.Shutdown(SDBoth), transport.WSAENOTCONN)
			_, err = k.GetPeerName()
			want(t, what+", peer name", err, transport.WSAENOTCONN)
		}
		data(m, "pending member")
		want(t, "listen", m.Listen(1), transport.WSAEINVAL)
		_, _, err = m.Accept()
		want(t, "accept", err, transport.WSAEINVAL)
		_, err = joinTo(m, s.addr("leaf", 7001))
		want(t, "join", err, transport.WSAEINVAL)
		want(t, "event selection", m.EventSelect(NewEvent(), FDRead), transport.WSAEINVAL)

		rootless := s.root(s.provider("second", nil), "second") // accepts nothing
		_ = rootless
		k := s.leaf(s.provider("third", nil))
		s.must(k.EventSelect(NewEvent(), FDConnect))
		_, err = joinTo(k, s.addr("second", 7001))
		s.must(err)
		data(k, "pending leaf")
		want(t, "selection on a pending leaf", k.EventSelect(NewEvent(), FDConnect|FDRead), 0)
		_, err = k.EnumNetworkEvents(nil)
		want(t, "enumeration on a pending leaf", err, 0)

		next(s, root, e, FDConnect)
		data(m, "dead member")
		want(t, "closing the dead member", m.Close(), 0)
	})
}

func TestR117_R119_R120_BlockingAndNonblockingFailures(t *testing.T) {
	onStage(t, 87, func(s *stage) {
		root := s.inviter(nil)
		s.net.Host("mute")
		before := len(root.p.sockets)
		m, err := joinTo(root, s.addr("mute", 7001))
		want(t, "blocking", err, transport.WSAECONNREFUSED)
		if m != nil || len(root.p.sockets) != before {
			t.Error("a descriptor remains")
		}
		e := selecting(s, root, FDConnect)
		m, err = joinTo(root, s.addr("mute", 7001))
		want(t, "nonblocking", err, 0) // never WSAEWOULDBLOCK
		if m == nil {
			t.Error("no descriptor")
		}
		if got := next(s, root, e, FDConnect).Code(FDConnect); got != transport.WSAECONNREFUSED {
			t.Errorf("outcome %v", got)
		}
	})
}

func TestR150_ARootThatInvitesNobody(t *testing.T) {
	onStage(t, 88, func(s *stage) {
		root := s.inviter(func(c *Config) { c.NoInvitations = true })
		s.invitable("leaf")
		_, err := joinTo(root, s.addr("leaf", 7001))
		want(t, "invite", err, transport.WSAEOPNOTSUPP)
	})
}

func TestR152_R153_RootsAndAcceptingAreApart(t *testing.T) {
	onStage(t, 89, func(s *stage) {
		p := s.provider("root", nil)
		a := s.root(p, "root")
		b := s.socket(p, ProtoRootedRooted, rootFlags)
		s.must(b.Bind(s.addr("root", 7005)))
		s.invitable("leaf") // answers nothing
		for _, k := range []*Socket{a, b} {
			s.must(k.EventSelect(NewEvent(), FDConnect))
			_, err := joinTo(k, s.addr("leaf", 7001))
			want(t, "both have one pending", err, 0)
		}
		k := s.leaf(s.provider("other", nil))
		s.asks(k, "meanwhile")
		_, _, err := a.Accept()
		want(t, "accept while an invitation is pending", err, 0)
	})
}

func TestR159_R160_R161_R163_R164_CancellingAnInvitation(t *testing.T) {
	onStage(t, 90, func(s *stage) {
		root, k := s.inviter(nil), s.invitable("leaf")
		e := selecting(s, root, FDConnect)
		for round := range 3 {
			m, err := joinTo(root, s.addr("leaf", 7001))
			s.must(err)
			if round > 0 {
				s.settle() // the invitation has arrived
			}
			s.must(m.Close())
			if got := next(s, root, e, FDConnect).Code(FDConnect); got != transport.WSA_OPERATION_ABORTED {
				t.Errorf("FD_CONNECT %v", got)
			}
		}
		m, err := joinTo(root, s.addr("leaf", 7001)) // at once
		want(t, "the next one", err, 0)
		s.must(k.EventSelect(NewEvent(), FDAccept))
		s.settle()
		for {
			l, _, err := k.Accept()
			if transport.CodeOf(err) == transport.WSAECONNRESET { // those that went away
				continue
			}
			want(t, "accept", err, 0)
			if l == nil {
				t.Fatal("no leaf")
			}
			break
		}
		if got := next(s, root, e, FDConnect).Code(FDConnect); got != 0 {
			t.Errorf("FD_CONNECT %v", got)
		}
		_, err = m.Send([]byte("side"))
		want(t, "the member", err, 0)
	})
}

func TestR164_CrossingAcceptance(t *testing.T) {
	onStage(t, 91, func(s *stage) {
		root, k := s.inviter(nil), s.invitable("leaf")
		e := selecting(s, root, FDConnect)
		m, err := joinTo(root, s.addr("leaf", 7001))
		s.must(err)
		s.settle()
		cond := func(Sockaddr, *WSABUF, *QOS, *QOS, Sockaddr, *WSABUF, *uint32, any) int {
			s.must(m.Close()) // of another provider; it crosses the acceptance
			return CFAccept
		}
		l, _, err := k.WSAAccept(cond, nil)
		if got := next(s, root, e, FDConnect).Code(FDConnect); got != transport.WSA_OPERATION_ABORTED {
			t.Errorf("FD_CONNECT %v", got)
		}
		if err == nil {
			le := selecting(s, l, FDClose)
			next(s, l, le, FDClose)
		}
		s.settle()
		if len(root.hub.members) != 0 || root.hub.root.Stats().Control.Leaves != 0 {
			t.Error("the cancelled leaf is in")
		}
	})
}

func TestR162_R165_CancellingByClosing(t *testing.T) {
	onStage(t, 92, func(s *stage) {
		root := s.inviter(nil)
		s.invitable("leaf")
		e := selecting(s, root, FDConnect)
		m, err := joinTo(root, s.addr("leaf", 7001))
		s.must(err)
		s.settle()
		s.must(root.Close())
		s.settle()
		_, err = m.Send([]byte("x"))
		want(t, "member of a closed root", err, transport.WSAENOTCONN)
		if e.IsSet() {
			t.Error("an event of a closed socket")
		}
		s.must(m.Close())

		s.root(s.provider("second", nil), "second")
		k := s.leaf(s.provider("third", nil))
		e = selecting(s, k, FDConnect)
		_, err = joinTo(k, s.addr("second", 7001))
		s.must(err)
		s.settle()
		s.must(k.Close()) // R162: the descriptor is s
		s.settle()
		if e.IsSet() {
			t.Error("FD_CONNECT after closing")
		}
		_, err = k.Select()
		want(t, "closed", err, transport.WSAENOTSOCK)
	})
}
