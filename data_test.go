package joinleaf

import (
	"bytes"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// silent fails where something waits to be received.
func silent(t testing.TB, what string, k *Socket) {
	t.Helper()
	if r, err := k.Select(); r.Read || err != nil {
		t.Errorf("%s: something waits (%v)", what, err)
	}
}

func TestR112_R233_R234_R235_R236_R237_R242_R245_RootedData(t *testing.T) {
	onStage(t, 100, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		a, b := s.leaf(s.provider("a", nil)), s.leaf(s.provider("b", nil))
		ma, mb := s.pair(root, "root", a), s.pair(root, "root", b)
		_, err := root.Send([]byte("down"))
		want(t, "send", err, 0)
		for _, k := range []*Socket{a, b} {
			if r := hears(s, k, "down"); r.From.AddrPort() != s.addr("root", 7001).AddrPort() || r.Private {
				t.Errorf("from %v", r.From.AddrPort())
			}
		}
		_, err = a.Send([]byte("up"))
		want(t, "send", err, 0)
		if r := hears(s, root, "up"); r.From.AddrPort() != localOf(t, a) {
			t.Errorf("from %v, sent by %v", r.From.AddrPort(), localOf(t, a))
		}
		s.settle()
		silent(t, "the other leaf", b)
		silent(t, "the sender", a)
		silent(t, "a's member", ma)
		silent(t, "b's member", mb)
	})
}

func TestR231_R229_R230_R232_SideChat(t *testing.T) {
	onStage(t, 101, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		a, b := s.leaf(s.provider("a", nil)), s.leaf(s.provider("b", nil))
		ma, _ := s.pair(root, "root", a), s.pair(root, "root", b)
		n, err := ma.Send([]byte("just you"))
		if n != 8 || err != nil {
			t.Error(n, err)
		}
		if r := hears(s, a, "just you"); !r.Private || r.From.AddrPort() != s.addr("root", 7001).AddrPort() {
			t.Errorf("%+v", r)
		}
		s.settle()
		silent(t, "the other leaf", b)
		// R232: to one that only sends nothing goes.
		c := s.leaf(s.provider("c", nil))
		got := accepting(root, nil)
		_, err = c.JoinLeaf(s.addr("root", 7001), nil, nil, nil, nil, SenderOnly)
		want(t, "join", err, 0)
		_, err = (<-got).k.Send([]byte("you too"))
		want(t, "side chat to a sender", err, transport.WSAEOPNOTSUPP)
	})
}

func TestR230_WithoutSideChats(t *testing.T) {
	onStage(t, 102, func(s *stage) {
		root := s.root(s.provider("root", func(c *Config) { c.NoSideChat = true }), "root")
		m := s.pair(root, "root", s.leaf(s.provider("leaf", nil)))
		_, err := m.Send([]byte("x"))
		want(t, "send", err, transport.WSAEOPNOTSUPP)
		_, err = m.Recv(make([]byte, 9))
		want(t, "receive", err, transport.WSAEOPNOTSUPP)
	})
}

// everyone is a rooted/nonrooted session of a root and two leaves.
func (s *stage) everyone() (root, a, b *Socket) {
	s.Helper()
	root = s.listening(s.provider("root", nil), "root", ProtoRootedNonrooted, FlagCRoot|FlagDLeaf)
	a = s.socket(s.provider("a", nil), ProtoRootedNonrooted, leafFlags)
	b = s.socket(s.provider("b", nil), ProtoRootedNonrooted, leafFlags)
	s.pair(root, "root", a)
	s.pair(root, "root", b)
	s.settle()
	return root, a, b
}

func loopback(k *Socket, on byte) error {
	_, err := k.Ioctl(SIOMultipointLoop, []byte{on, 0, 0, 0}, nil)
	return err
}

func TestR238_R249_R250_R248_NonrootedDataAndLoopback(t *testing.T) {
	onStage(t, 103, func(s *stage) {
		root, a, b := s.everyone()
		_, err := a.Send([]byte("hello"))
		want(t, "send", err, 0)
		for _, k := range []*Socket{root, b, a} { // a too: loopback is on
			hears(s, k, "hello")
		}
		s.must(loopback(a, 0))
		_, err = a.Send([]byte("again"))
		want(t, "send", err, 0)
		for _, k := range []*Socket{root, b} { // it is a's receive path, not its sending
			hears(s, k, "again")
		}
		s.settle()
		silent(t, "the sender without loopback", a)
		_, err = b.Send([]byte("from b"))
		want(t, "send", err, 0)
		hears(s, a, "from b") // others are heard
	})
}

func TestR251_R252_R254_R255_Ioctls(t *testing.T) {
	onStage(t, 104, func(s *stage) {
		p := s.provider("root", nil)
		droot, dleaf := s.socket(p, ProtoRootedRooted, rootFlags), s.leaf(p)
		want(t, "loopback on a d_root", loopback(droot, 0), transport.WSAEINVAL)
		want(t, "loopback in a rooted data plane", loopback(dleaf, 0), transport.WSAEINVAL)
		k := s.socket(p, ProtoRootedNonrooted, leafFlags)
		want(t, "loopback", loopback(k, 0), 0)
		scope := func(b ...byte) error { _, err := k.Ioctl(SIOMulticastScope, b, nil); return err }
		want(t, "scope -1", scope(255, 255, 255, 255), transport.WSAEINVAL)
		want(t, "scope 256", scope(0, 1, 0, 0), transport.WSAEINVAL)
		for _, v := range []byte{0, 1, 7, 255} {
			want(t, "scope", scope(v, 0, 0, 0), 0)
			s.must(k.Bind(s.addr("root", 0)))
			k.view = newView(p.network, k.name.addr)
			if got := k.config().TTL; got != int(v) && !(v == 0 && got == -1) {
				t.Errorf("scope %d is TTL %d", v, got)
			}
			k = s.socket(p, ProtoRootedNonrooted, leafFlags)
		}
		if k.scope != 1 {
			t.Errorf("the default scope is %d", k.scope)
		}
		for _, code := range []uint32{SIOMultipointLoop, SIOMulticastScope, FIONBIO, SIOSetQOS} {
			_, err := k.Ioctl(code, []byte{1, 0, 0}, nil)
			want(t, "short input", err, transport.WSAEFAULT)
		}
		_, err := k.Ioctl(0x12345678, make([]byte, 64), make([]byte, 64))
		want(t, "unknown command", err, transport.WSAEINVAL)
	})
}

func TestR256_OtherLevelsAreNotInTheWay(t *testing.T) {
	onStage(t, 105, func(s *stage) {
		k := s.leaf(s.provider("leaf", nil))
		const ipproto, addMembership = 0, 12
		want(t, "IP_ADD_MEMBERSHIP", k.SetSockOpt(ipproto, addMembership, make([]byte, 8)), transport.WSAENOPROTOOPT)
		want(t, "SO_REUSEADDR beside it", reuse(k), 0)
	})
}

func TestR187_R188_R189_R184_Roles(t *testing.T) {
	onStage(t, 106, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		sender, receiver := s.leaf(s.provider("a", nil)), s.leaf(s.provider("b", nil))
		for k, f := range map[*Socket]JoinFlags{sender: SenderOnly, receiver: ReceiverOnly} {
			got := accepting(root, nil)
			_, err := k.JoinLeaf(s.addr("root", 7001), nil, nil, nil, nil, f)
			want(t, "join", err, 0)
			want(t, "accept", (<-got).err, 0)
		}
		se, re := selecting(s, sender, FDAllEvents), selecting(s, receiver, FDAllEvents)
		_, err := root.Send([]byte("down"))
		want(t, "send", err, 0)
		_, err = sender.Send([]byte("up"))
		want(t, "send", err, 0)
		hears(s, root, "up")
		if got := next(s, receiver, re, FDRead); got.Events != FDRead {
			t.Errorf("the receiver's events are %#x", got.Events)
		}
		hears(s, receiver, "down")
		s.settle()
		if got := events(t, sender); got.Events != FDWrite || !se.IsSet() {
			t.Errorf("the sender's events are %#x", got.Events)
		}
		if got := events(t, receiver); got.Events != 0 {
			t.Errorf("the receiver's further events are %#x", got.Events)
		}
		_, err = sender.Recv(make([]byte, 8))
		want(t, "receive on a sender", err, transport.WSAEOPNOTSUPP)
		_, err = receiver.Send([]byte("x"))
		want(t, "send on a receiver", err, transport.WSAEOPNOTSUPP)
		want(t, "shut receiving down", sender.Shutdown(SDReceive), transport.WSAEINVAL)
		want(t, "shut sending down", receiver.Shutdown(SDSend), transport.WSAEINVAL)
		want(t, "shut nonsense down", receiver.Shutdown(7), transport.WSAEINVAL)
	})
}

func TestR192_R193_TheRootsRoleTowardsEachLeaf(t *testing.T) {
	onStage(t, 107, func(s *stage) {
		root := s.inviter(nil)
		invite := func(host string, f JoinFlags, cond Condition) (*Socket, admitted, error) {
			k := s.invitable(host)
			got := accepting(k, cond)
			m, err := root.JoinLeaf(s.addr(host, 7001), nil, nil, nil, nil, f)
			return m, <-got, err
		}
		_, listens, err := invite("listens", SenderOnly, nil) // it can only receive
		want(t, "invite", err, 0)
		_, talks, err := invite("talks", ReceiverOnly, nil) // it can only send
		want(t, "invite", err, 0)
		_, err = listens.k.Send([]byte("x"))
		want(t, "the receiver sends", err, transport.WSAEOPNOTSUPP)
		_, err = talks.k.Recv(make([]byte, 8))
		want(t, "the sender receives", err, transport.WSAEOPNOTSUPP)
		_, err = root.Send([]byte("down"))
		want(t, "send", err, 0)
		hears(s, listens.k, "down")
		_, err = talks.k.Send([]byte("up"))
		want(t, "send", err, 0)
		hears(s, root, "up")
		// Many messages: who only sends holds nobody up.
		for range 2000 {
			if _, err := root.Send(make([]byte, 8000)); err != nil {
				t.Fatal(err)
			}
			if _, err := listens.k.Recv(make([]byte, 8000)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestR193_RolesThatDoNotMeet(t *testing.T) {
	onStage(t, 108, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		k := s.leaf(s.provider("leaf", nil))
		got := accepting(root, nil)
		none := NoFlowSpec()
		none.ServiceType = ServiceNoTraffic
		_, err := k.JoinLeaf(s.addr("root", 7001), nil, nil, &QOS{Sending: none, Receiving: none}, nil, JoinBoth)
		want(t, "no direction left", err, transport.WSAEOPNOTSUPP)
		_, err = k.JoinLeaf(s.addr("root", 7001), nil, nil, &QOS{Sending: none, Receiving: NoFlowSpec()}, nil, SenderOnly)
		want(t, "no direction left", err, transport.WSAEOPNOTSUPP)
		s.must(root.Close())
		<-got
	})
}

func TestR243_R244_NobodyAndLateComers(t *testing.T) {
	onStage(t, 109, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		_, err := root.Send([]byte("nobody"))
		want(t, "rooted data, no members", err, transport.WSAENOTCONN)
		all := s.listening(s.provider("other", nil), "other", ProtoRootedNonrooted, FlagCRoot|FlagDLeaf)
		_, err = all.Send([]byte("nobody"))
		want(t, "nonrooted data, no members", err, 0)
		a, b := s.leaf(s.provider("a", nil)), s.leaf(s.provider("b", nil))
		s.pair(root, "root", a)
		_, err = root.Send([]byte("one"))
		want(t, "send", err, 0)
		s.pair(root, "root", b)
		_, err = root.Send([]byte("two"))
		want(t, "send", err, 0)
		hears(s, a, "one")
		hears(s, a, "two")
		hears(s, b, "two") // and not one
		silent(t, "the late one", b)
	})
}

func TestR246_R132_LongMessagesAndRoom(t *testing.T) {
	onStage(t, 110, func(s *stage) {
		big := func(c *Config) { c.Session.MaxMessage, c.Session.Window = 64<<10, 256<<10 }
		root := s.root(s.provider("root", big), "root")
		leaf := s.leaf(s.provider("leaf", big))
		s.pair(root, "root", leaf)
		_, err := root.Send(make([]byte, 64<<10+1))
		want(t, "too long", err, transport.WSAEMSGSIZE)
		e := selecting(s, root, FDWrite)
		next(s, root, e, FDWrite)
		sent, p := 0, bytes.Repeat([]byte("x"), 60<<10)
		for ; sent < 10000; sent++ {
			if _, err = root.Send(p); err != nil {
				break
			}
		}
		want(t, "no room", err, transport.WSAEWOULDBLOCK)
		if sent == 0 || e.IsSet() {
			t.Errorf("after %d messages; the event is %v", sent, e.IsSet())
		}
		read := make(chan struct{})
		go func() { // the leaf reads: room comes
			defer close(read)
			for range sent {
				if _, err := leaf.Recv(make([]byte, 64<<10)); err != nil {
					t.Error(err)
				}
			}
		}()
		next(s, root, e, FDWrite)
		_, err = root.Send(p)
		want(t, "with room", err, 0)
		<-read
	})
}

func TestR240_ASecondDataRootIsRefused(t *testing.T) {
	onStage(t, 111, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		k := s.socket(s.provider("leaf", nil), ProtoRootedRooted, FlagCLeaf|FlagDRoot)
		got := accepting(root, nil)
		_, err := joinTo(k, s.addr("root", 7001))
		want(t, "join", err, transport.WSAECONNREFUSED)
		want(t, "accept", (<-got).err, transport.WSAECONNREFUSED)
	})
}

func TestR261_Names(t *testing.T) {
	onStage(t, 112, func(s *stage) {
		c := s.session()
		peer := func(k *Socket) Sockaddr {
			a, err := k.GetPeerName()
			want(t, "peer name", err, 0)
			return a
		}
		if peer(c.member).AddrPort() != localOf(t, c.leaf) || peer(c.leaf).AddrPort() != s.addr("root", 7001).AddrPort() {
			t.Errorf("peers: %v at the root, %v at the leaf", peer(c.member).AddrPort(), peer(c.leaf).AddrPort())
		}
		if localOf(t, c.member) != localOf(t, c.root) {
			t.Errorf("the member's name is %v", localOf(t, c.member))
		}
		_, err := c.root.GetPeerName()
		want(t, "peer of a root", err, transport.WSAENOTCONN)
		// An invited leaf is called from another port and sees the root's name all the
		// same, before and after it has accepted.
		k := s.invitable("other")
		var asked Sockaddr
		got := accepting(k, func(id Sockaddr, _ *WSABUF, _, _ *QOS, _ Sockaddr, callee *WSABUF, _ *uint32, _ any) int {
			asked, callee.Len = id, 0
			return CFAccept
		})
		m, err := joinTo(c.root, s.addr("other", 7001))
		want(t, "invite", err, 0)
		a := <-got
		want(t, "accept", a.err, 0)
		_, err = c.root.Send([]byte("data"))
		want(t, "send", err, 0)
		_, err = m.Send([]byte("side chat"))
		want(t, "chat", err, 0)
		s.settle()
		name := s.addr("root", 7001).AddrPort()
		for what, got := range map[string]Sockaddr{
			"the condition": asked, "the accept call": a.from, "getpeername": peer(a.k),
			"data": hears(s, a.k, "side chat").From, "a side chat": hears(s, a.k, "data").From,
		} {
			if got.AddrPort() != name {
				t.Errorf("%s says %v, the root's name is %v", what, got.AddrPort(), name)
			}
		}
		if peer(m).AddrPort() != s.addr("other", 7001).AddrPort() {
			t.Errorf("the member's peer is %v", peer(m).AddrPort())
		}
	})
}
