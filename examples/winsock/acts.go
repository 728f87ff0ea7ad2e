package main

import (
	"net/netip"

	"github.com/joinleaf/joinleaf"
	"github.com/joinleaf/joinleaf/transport"
)

// listen makes the root and lets it be joined; FD_ACCEPT says when.
func (s *stage) listen() {
	s.root = s.socket(0, joinleaf.FlagCRoot|joinleaf.FlagDRoot)
	check(s.root.Bind(joinleaf.NewSockaddr(netip.AddrPortFrom(s.hosts[0].addr, 0))))
	var err error
	s.name, err = s.root.GetSockName()
	check(err)
	check(s.root.Listen(5))
	s.accepts = selecting(s.root, joinleaf.FDAccept|joinleaf.FDConnect)
	s.say("root", "listens")
}

// joins is a leaf that asks, with caller data and a flow specification, of which the
// root's condition grants half.
func (s *stage) joins() member {
	k := s.leaf(1)
	e := selecting(k, joinleaf.FDConnect|joinleaf.FDQOS|joinleaf.FDClose)
	q := &joinleaf.QOS{Sending: joinleaf.NoFlowSpec(), Receiving: joinleaf.NoFlowSpec()}
	q.Sending.ServiceType, q.Sending.TokenRate = joinleaf.ServiceGuaranteed, 1_000_000
	s.say("anna", "asks to join with caller data %q, to send %d bytes a second", "anna here", q.Sending.TokenRate)
	callee := room(64)
	_, err := k.JoinLeaf(s.name, buffer("anna here"), callee, q, nil, joinleaf.JoinBoth)
	check(err)
	await(s.root, s.accepts, joinleaf.FDAccept)
	m, _, err := s.root.WSAAccept(s.accepting("root", "welcome"), nil)
	check(err)
	got := await(k, e, joinleaf.FDConnect|joinleaf.FDQOS)
	expectCode(got.Code(joinleaf.FDConnect), 0)
	s.say("anna", "FD_CONNECT: has joined, with callee data %q", callee.Bytes())
	if got.Events&joinleaf.FDQOS == 0 {
		await(k, e, joinleaf.FDQOS)
	}
	s.say("anna", "FD_QOS: may send %d bytes a second", s.sending(k))
	return member{"anna", k, m}
}

// sending is the rate that a socket may send at, as SIO_GET_QOS has it.
func (s *stage) sending(k *joinleaf.Socket) uint32 {
	b := make([]byte, 512)
	n, err := k.Ioctl(joinleaf.SIOGetQOS, nil, b)
	check(err)
	q, _ := joinleaf.ReadQOS(b[:n])
	return q.Sending.TokenRate
}

// invited is a leaf that listens, and a root that calls it: the same the other way
// round.
func (s *stage) invited() member {
	listener := s.leaf(2)
	check(listener.Bind(joinleaf.NewSockaddr(netip.AddrPortFrom(s.hosts[2].addr, 0))))
	at, err := listener.GetSockName()
	check(err)
	check(listener.Listen(1))
	s.say("bert", "listens")
	e := selecting(listener, joinleaf.FDAccept)
	callee := room(64)
	s.say("root", "invites bert with caller data %q", "come in")
	m, err := s.root.JoinLeaf(at, buffer("come in"), callee, nil, nil, joinleaf.JoinBoth)
	check(err)
	await(listener, e, joinleaf.FDAccept)
	k, _, err := listener.WSAAccept(s.accepting("bert", "gladly"), nil)
	check(err)
	expectCode(await(s.root, s.accepts, joinleaf.FDConnect).Code(joinleaf.FDConnect), 0)
	s.say("root", "FD_CONNECT: bert has joined, with callee data %q", callee.Bytes())
	return member{"bert", k, m}
}

// deferred is a leaf that has to wait for its answer.
func (s *stage) deferred() member {
	k := s.leaf(3)
	e := selecting(k, joinleaf.FDConnect)
	s.say("carl", "asks to join")
	_, err := k.JoinLeaf(s.name, nil, nil, nil, nil, joinleaf.JoinBoth)
	check(err)
	await(s.root, s.accepts, joinleaf.FDAccept)
	_, _, err = s.root.WSAAccept(always(joinleaf.CFDefer), nil)
	expect(err, transport.WSATRY_AGAIN)
	s.say("root", "FD_ACCEPT: defers, so accepting ends with WSATRY_AGAIN and carl waits")
	m, _, err := s.root.WSAAccept(always(joinleaf.CFAccept), nil)
	check(err)
	s.say("root", "accepts again, and now lets him in")
	expectCode(await(k, e, joinleaf.FDConnect).Code(joinleaf.FDConnect), 0)
	s.say("carl", "FD_CONNECT: has joined")
	return member{"carl", k, m}
}

// refused is a leaf that does not get in.
func (s *stage) refused() {
	k := s.leaf(4)
	e := selecting(k, joinleaf.FDConnect)
	s.say("dora", "asks to join with caller data %q", "dora here")
	_, err := k.JoinLeaf(s.name, buffer("dora here"), nil, nil, nil, joinleaf.JoinBoth)
	check(err)
	await(s.root, s.accepts, joinleaf.FDAccept)
	_, _, err = s.root.WSAAccept(always(joinleaf.CFReject), nil)
	expect(err, transport.WSAECONNREFUSED)
	s.say("root", "FD_ACCEPT: refuses")
	s.say("dora", "FD_CONNECT: %s", await(k, e, joinleaf.FDConnect).Code(joinleaf.FDConnect).Name())
}

// data goes from the root to all leaves, from a leaf to the root, and, a side chat,
// from the root to one leaf alone.
func (s *stage) data(anna, bert, carl member) {
	s.say("root", "sends %q", "hello, everybody")
	send(s.root, "hello, everybody")
	for _, m := range []member{anna, bert, carl} {
		s.hears(m.name, m.leaf)
	}
	s.say("anna", "sends %q", "hello, root")
	send(anna.leaf, "hello, root")
	s.hears("root", s.root)
	s.say("root", "sends %q on its socket for bert", "between us")
	send(bert.atRoot, "between us")
	s.hears("bert", bert.leaf)
}

// hears tells of the next message on a socket.
func (s *stage) hears(who string, k *joinleaf.Socket) {
	if text, private := receive(k); private {
		s.say(who, "receives %q, marked private", text)
	} else {
		s.say(who, "receives %q", text)
	}
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

// equals is a session without a root, beside the other and on the same hosts: who
// joins is in.
func (s *stage) equals() {
	group := joinleaf.NewSockaddr(netip.MustParseAddrPort("239.192.9.9:17099"))
	names := [2]string{"anna", "bert"}
	var all [2]*joinleaf.Socket
	for i := range all {
		k, err := s.providers[i+1].Socket(joinleaf.AFInet, joinleaf.SockRDM, joinleaf.ProtoNonrooted, nil, 0, joinleaf.FlagCLeaf|joinleaf.FlagDLeaf)
		check(err)
		_, err = k.JoinLeaf(group, nil, nil, nil, nil, joinleaf.JoinBoth)
		check(err)
		s.say(names[i], "has joined %v as well, a session without a root", group.AddrPort())
		all[i] = k
	}
	s.say("bert", "sends %q there", "among ourselves")
	send(all[1], "among ourselves")
	s.hears("anna", all[0])
	check(all[0].Close())
	check(all[1].Close())
}

// closing is heard at the other end, whichever that is.
func (s *stage) closing(anna, bert, carl member) {
	atRoot, atBert, atCarl := selecting(anna.atRoot, joinleaf.FDClose), selecting(bert.leaf, joinleaf.FDClose), selecting(carl.leaf, joinleaf.FDClose)
	closes := func(who, what string, k *joinleaf.Socket, told, on string, at *joinleaf.Socket, e *joinleaf.Event) {
		s.say(who, "closes %s", what)
		check(k.Close())
		expectCode(await(at, e, joinleaf.FDClose).Code(joinleaf.FDClose), 0)
		s.say(told, "FD_CLOSE on %s", on)
	}
	closes("anna", "her socket", anna.leaf, "root", "its socket for anna", anna.atRoot, atRoot)
	closes("root", "its socket for bert", bert.atRoot, "bert", "his socket", bert.leaf, atBert)
	closes("root", "its own socket, and with it the session", s.root, "carl", "his socket", carl.leaf, atCarl)
}
