package main

import (
	"net/netip"

	"github.com/joinleaf/joinleaf"
	"github.com/joinleaf/joinleaf/transport"
)

// joins is a leaf that asks, with a flow specification.
func (s *stage) joins() member {
	k := s.leaf(1)
	e := selecting(k, joinleaf.FDConnect|joinleaf.FDQOS|joinleaf.FDClose)
	q := &joinleaf.QOS{Sending: joinleaf.NoFlowSpec(), Receiving: joinleaf.NoFlowSpec()}
	q.Sending.ServiceType, q.Sending.TokenRate = joinleaf.ServiceGuaranteed, 1_000_000
	callee := &joinleaf.WSABUF{Len: 64, Buf: make([]byte, 64)}
	_, err := k.JoinLeaf(s.name, buffer("anna"), callee, q, nil, joinleaf.JoinBoth)
	check(err)
	await(s.root, s.accepts, joinleaf.FDAccept)
	m, _, err := s.root.WSAAccept(s.lower, nil)
	check(err)
	got := await(k, e, joinleaf.FDConnect|joinleaf.FDQOS)
	s.say("anna has joined, and hears %q", callee.Bytes())
	if got.Events&joinleaf.FDQOS == 0 {
		await(k, e, joinleaf.FDQOS)
	}
	b := make([]byte, 512)
	n, err := k.Ioctl(joinleaf.SIOGetQOS, nil, b)
	check(err)
	now, _ := joinleaf.ReadQOS(b[:n])
	s.say("FD_QOS: anna may send %d bytes a second", now.Sending.TokenRate)
	return member{k, m}
}

// invited is a leaf that listens, and a root that calls it.
func (s *stage) invited() member {
	listener := s.leaf(2)
	check(listener.Bind(joinleaf.NewSockaddr(netip.AddrPortFrom(s.hosts[2].addr, 0))))
	at, err := listener.GetSockName()
	check(err)
	check(listener.Listen(1))
	e := selecting(listener, joinleaf.FDAccept)
	m, err := s.root.JoinLeaf(at, buffer("come in"), nil, nil, nil, joinleaf.JoinBoth)
	check(err)
	await(listener, e, joinleaf.FDAccept)
	k, _, err := listener.WSAAccept(s.lower, nil)
	check(err)
	expectCode(await(s.root, s.accepts, joinleaf.FDConnect).Code(joinleaf.FDConnect), 0)
	s.say("bert has been invited")
	return member{k, m}
}

func expectCode(got, want transport.Code) {
	if got != want {
		panic(failure{got})
	}
}

// deferred is a leaf that has to wait for its answer.
func (s *stage) deferred() member {
	k := s.leaf(3)
	e := selecting(k, joinleaf.FDConnect)
	_, err := k.JoinLeaf(s.name, nil, nil, nil, nil, joinleaf.JoinBoth)
	check(err)
	await(s.root, s.accepts, joinleaf.FDAccept)
	_, _, err = s.root.WSAAccept(always(joinleaf.CFDefer), nil)
	expect(err, transport.WSATRY_AGAIN)
	s.say("carl has to wait")
	m, _, err := s.root.WSAAccept(always(joinleaf.CFAccept), nil)
	check(err)
	expectCode(await(k, e, joinleaf.FDConnect).Code(joinleaf.FDConnect), 0)
	s.say("carl has joined")
	return member{k, m}
}

// refused is a leaf that does not get in.
func (s *stage) refused() {
	k := s.leaf(4)
	e := selecting(k, joinleaf.FDConnect)
	_, err := k.JoinLeaf(s.name, buffer("dora"), nil, nil, nil, joinleaf.JoinBoth)
	check(err)
	await(s.root, s.accepts, joinleaf.FDAccept)
	_, _, err = s.root.WSAAccept(always(joinleaf.CFReject), nil)
	expect(err, transport.WSAECONNREFUSED)
	s.say("dora is told %s", await(k, e, joinleaf.FDConnect).Code(joinleaf.FDConnect).Name())
}

// data goes to all, to the root, and to one alone.
func (s *stage) data(all ...member) {
	_, err := s.root.Send([]byte("hello, everybody"))
	check(err)
	for i, m := range all {
		text, _ := receive(m.leaf)
		s.say("leaf %d receives %q", i+1, text)
	}
	_, err = all[0].leaf.Send([]byte("hello, root"))
	check(err)
	text, _ := receive(s.root)
	s.say("the root receives %q", text)
	_, err = all[1].atRoot.Send([]byte("between us"))
	check(err)
	text, private := receive(all[1].leaf)
	s.say("leaf 2 receives %q, private: %v", text, private)
}

// receive waits for a message on a socket that does not block.
func receive(k *joinleaf.Socket) (text string, private bool) {
	e := selecting(k, joinleaf.FDRead)
	p := make([]byte, 2048)
	for {
		r, err := k.Recv(p)
		if transport.CodeOf(err) == transport.WSAEWOULDBLOCK {
			await(k, e, joinleaf.FDRead)
			continue
		}
		check(err)
		return string(p[:r.N]), r.Private
	}
}

// equals is a session without a root, on the same hosts: who joins is in.
func (s *stage) equals() {
	group := joinleaf.NewSockaddr(netip.MustParseAddrPort("239.192.9.9:17099"))
	var all [2]*joinleaf.Socket
	for i := range all {
		k, err := s.providers[i+1].Socket(joinleaf.AFInet, joinleaf.SockRDM, joinleaf.ProtoNonrooted, nil, 0, joinleaf.FlagCLeaf|joinleaf.FlagDLeaf)
		check(err)
		_, err = k.JoinLeaf(group, nil, nil, nil, nil, joinleaf.JoinBoth)
		check(err)
		all[i] = k
	}
	_, err := all[1].Send([]byte("among ourselves"))
	check(err)
	text, _ := receive(all[0])
	s.say("beside it, without a root: %q", text)
	check(all[0].Close())
	check(all[1].Close())
}

// closing is heard at both ends.
func (s *stage) closing(anna, bert, carl member) {
	atRoot, atLeaf := selecting(anna.atRoot, joinleaf.FDClose), selecting(bert.leaf, joinleaf.FDClose)
	check(anna.leaf.Close())
	await(anna.atRoot, atRoot, joinleaf.FDClose)
	s.say("FD_CLOSE at the root: anna has left")
	check(bert.atRoot.Close())
	await(bert.leaf, atLeaf, joinleaf.FDClose)
	s.say("FD_CLOSE at bert: the root has let him go")
	last := selecting(carl.leaf, joinleaf.FDClose)
	check(s.root.Close())
	await(carl.leaf, last, joinleaf.FDClose)
	s.say("FD_CLOSE at carl: the session is over")
}
