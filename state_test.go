package joinleaf

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// calling makes the one call that the table asks about.
func calling(s *stage, k *Socket, c call) (err error) {
	switch c {
	case callBind:
		err = k.Bind(any4(0))
	case callListen:
		err = k.Listen(1)
	case callAccept:
		_, _, err = k.Accept()
	case callJoin:
		to := s.addr("root", 7001)
		if k.kind == kindPeer {
			to = groupName()
		}
		_, err = joinTo(k, to)
	case callSend:
		_, err = k.Send([]byte("x"))
	case callRecv:
		_, err = k.Recv(make([]byte, 9))
	case callShutdown:
		err = k.Shutdown(SDReceive)
	case callPeerName:
		_, err = k.GetPeerName()
	case callSelect:
		err = k.EventSelect(NewEvent(), FDRead)
	}
	return err
}

// reach brings a socket into each situation by calls alone.
func reach(s *stage) map[situation]*Socket {
	p, lp := s.provider("root", nil), s.provider("leaf", nil)
	all := make(map[situation]*Socket)
	plain := func(typ, proto int) *Socket {
		k, err := p.Socket(AFInet, typ, proto, nil, 0, 0)
		s.must(err)
		return k
	}
	all[plainTCP], all[plainUDP] = plain(SockStream, ProtoTCP), plain(SockDgram, ProtoUDP)
	all[ordinary] = s.socket(p, ProtoRootedRooted, 0)
	all[rootIdle] = s.socket(p, ProtoRootedRooted, rootFlags)
	all[leafIdle], all[peerIdle] = s.leaf(lp), s.socket(lp, ProtoNonrooted, leafFlags)
	listening := s.root(p, "root")
	all[rootListening] = listening

	bound := func(port uint16) *Socket {
		k := s.socket(p, ProtoRootedRooted, rootFlags)
		s.must(k.Bind(s.addr("root", port)))
		return k
	}
	mute := s.listening(s.provider("mute", nil), "mute", ProtoRootedRooted, leafFlags)
	all[leafListening] = mute
	pending := func(k *Socket) *Socket {
		s.must(k.EventSelect(NewEvent(), FDConnect))
		m, err := joinTo(k, s.addr("mute", 7001))
		s.must(err)
		return m
	}
	all[rootInviting] = bound(7010)
	all[memberPending] = pending(all[rootInviting])
	all[rootBoth] = bound(7011)
	s.must(all[rootBoth].Listen(1))
	pending(all[rootBoth])
	all[rootOpen] = bound(7012)
	_, err := joinTo(all[rootOpen], s.addr("mute", 7999)) // nobody is there; the session is open
	want(s, "failing invitation", err, transport.WSAECONNREFUSED)
	dead := bound(7013)
	s.must(dead.EventSelect(NewEvent(), FDConnect))
	all[memberDead], err = joinTo(dead, s.addr("mute", 7999))
	s.must(err)

	all[leafJoined] = s.leaf(lp)
	all[memberJoined] = s.pair(listening, "root", all[leafJoined])
	all[leafEnded] = s.leaf(lp)
	gone := s.pair(listening, "root", all[leafEnded])
	leaver := s.leaf(lp)
	all[memberEnded] = s.pair(listening, "root", leaver)
	s.must(gone.Close())
	s.must(leaver.Close())
	all[leafJoining] = s.leaf(lp)
	s.asks(all[leafJoining], "waiting")

	broken := &brokenNetwork{Network: s.net.Host("broken")}
	broken.noDial.Store(true)
	all[leafSpoiled] = s.leaf(s.provider("broken", func(c *Config) { c.Network = broken }))
	_, err = joinTo(all[leafSpoiled], s.addr("root", 7001))
	want(s, "join without buffers", err, transport.WSAENOBUFS)
	all[rootOver] = bound(7014)
	s.must(all[rootOver].Listen(1))
	s.must(all[rootOver].Shutdown(SDBoth))
	s.settle()
	return all
}

// The next test brings sockets into every situation and makes every call that the table
// forbids there; those that it allows have stories of their own.
func TestR74_R82_R84_R114_R147_R148_R149_R154_R157_R227_EveryCallInEverySituation(t *testing.T) {
	onStage(t, 150, func(s *stage) {
		all := reach(s)
		for at := range situations {
			k := all[at]
			if k == nil {
				if at != peerJoining && at != peerJoined && at != peerSpoiled && at != peerEnded {
					t.Errorf("situation %d was not reached", at)
				}
				continue
			}
			k.mu.Lock()
			got := k.situation()
			k.mu.Unlock()
			if got != at {
				t.Errorf("situation %d, want %d", got, at)
				continue
			}
			for c := range calls {
				if legal[at][c] != 0 {
					want(t, "call", calling(s, k, c), legal[at][c])
					if t.Failed() {
						t.Fatalf("situation %d, call %d", at, c)
					}
				}
			}
		}
	})
}

// TestR5_R20_R60_R74_R76_R80_R104_R148_R149_R154_WhatTheTableMustSay holds the
// table to the rules, in their words.
func TestR5_R20_R60_R74_R76_R80_R104_R148_R149_R154_WhatTheTableMustSay(t *testing.T) {
	for what, c := range map[string]struct {
		at   []situation
		call call
		code transport.Code
	}{
		"plain sockets never join":           {[]situation{plainTCP, plainUDP}, callJoin, transport.WSASYSCALLFAILURE},
		"ordinary ones neither":              {[]situation{ordinary}, callJoin, transport.WSAEINVAL},
		"one join at a time":                 {[]situation{rootInviting, rootBoth, leafJoining, peerJoining}, callJoin, transport.WSAEALREADY},
		"members are members":                {[]situation{leafJoined, peerJoined, memberJoined}, callJoin, transport.WSAEISCONN},
		"but a root may go on":               {[]situation{rootOpen, rootListening, rootIdle}, callJoin, 0},
		"who waits to be invited":            {[]situation{leafListening}, callJoin, transport.WSAEINVAL},
		"what is broken":                     {[]situation{leafSpoiled, leafEnded, memberEnded, memberDead, rootOver, peerEnded, peerSpoiled}, callJoin, transport.WSAEINVAL},
		"listening when joined":              {[]situation{leafJoined}, callListen, transport.WSAEISCONN},
		"listening without a root":           {[]situation{peerIdle, peerJoining, peerJoined}, callListen, transport.WSAEOPNOTSUPP},
		"accepting without connections":      {[]situation{plainUDP, peerIdle, peerJoined}, callAccept, transport.WSAEOPNOTSUPP},
		"accepting before listening":         {[]situation{rootIdle, leafIdle, rootOpen, rootInviting}, callAccept, transport.WSAEINVAL},
		"accepting on what was accepted":     {[]situation{memberJoined, leafJoined}, callAccept, transport.WSAEINVAL},
		"selecting on a pending leaf":        {[]situation{leafJoining}, callSelect, 0},
		"selecting on a pending member":      {[]situation{memberPending}, callSelect, transport.WSAEINVAL},
		"data where nothing has been joined": {[]situation{rootIdle, leafIdle, leafListening, leafJoining, memberPending, memberDead, peerIdle}, callSend, transport.WSAENOTCONN},
	} {
		for _, at := range c.at {
			if got := legal[at][c.call]; got != c.code {
				t.Errorf("%s: situation %d says %s", what, at, name0(got))
			}
		}
	}
}

func TestR148_R151_R154_Members(t *testing.T) {
	onStage(t, 151, func(s *stage) {
		c := s.session()
		_, err := joinTo(c.leaf, s.addr("root", 7001))
		want(t, "a leaf that has joined", err, transport.WSAEISCONN)
		_, err = joinTo(c.member, s.addr("leaf", 7001))
		want(t, "a member socket", err, transport.WSAEISCONN)
		k := s.invitable("other")
		got := accepting(k, nil)
		m, err := joinTo(c.root, s.addr("other", 7001))
		want(t, "a root", err, 0)
		_, err = joinTo((<-got).k, s.addr("root", 7001))
		want(t, "a leaf by acceptance", err, transport.WSAEISCONN)
		_, err = joinTo(m, s.addr("leaf", 7001))
		want(t, "a member by invitation", err, transport.WSAEISCONN)
	})
}

func TestR124_R147_R155_OneJoinAtATime(t *testing.T) {
	onStage(t, 152, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		blocked, other := s.leaf(p), s.leaf(p)
		done := make(chan error, 1)
		go func() {
			_, err := joinTo(blocked, s.addr("root", 7001))
			done <- err
		}()
		s.settle()
		_, err := joinTo(blocked, s.addr("root", 7001))
		want(t, "a second while one blocks", err, transport.WSAEALREADY)
		want(t, "another socket meanwhile", other.Bind(s.addr("leaf", 9100)), 0)
		_, _, err = root.WSAAccept((&saying{answers: []int{CFReject}}).condition, nil)
		want(t, "reject", err, transport.WSAECONNREFUSED)
		want(t, "the blocked one", <-done, transport.WSAECONNREFUSED)
		got := accepting(root, nil)
		_, err = joinTo(blocked, s.addr("root", 7001)) // at once
		want(t, "again", err, 0)
		want(t, "accept", (<-got).err, 0)
	})
}

func TestR108_R109_R110_R111_WhatANewSocketInherits(t *testing.T) {
	onStage(t, 153, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		s.must(lingering(root, 3))
		e := selecting(s, root, FDClose|FDRead)
		s.asks(k, "in")
		s.settle()
		m, _, err := root.Accept()
		want(t, "accept", err, 0)
		if m.entry != root.entry || m.flags != root.flags || m.linger != root.linger || !m.nonblocking || m.listening {
			t.Error("the properties are others")
		}
		e.Reset()
		s.must(k.Close())
		s.settle()
		if !e.IsSet() || events(t, m).Events != FDClose || events(t, root).Events&FDClose != 0 {
			t.Error("the inherited registration does not work")
		}
		// R111: a selection of its own.
		k2 := s.leaf(k.p)
		s.asks(k2, "in")
		s.settle()
		m, _, err = root.Accept()
		want(t, "accept", err, 0)
		mine := selecting(s, m, FDClose)
		e.Reset()
		s.must(k2.Close())
		s.settle()
		if !mine.IsSet() || e.IsSet() {
			t.Error("the new selection does not replace the inherited one there")
		}
		k3 := s.leaf(k.p) // and it does on s
		s.asks(k3, "in")
		m, _, err = root.Accept()
		want(t, "accept", err, 0)
		s.must(k3.Close())
		s.settle()
		if !e.IsSet() || events(t, m).Events != FDClose {
			t.Error("the root's own selection is gone")
		}
	})
}

func TestR122_R123_SelectionAndBlocking(t *testing.T) {
	onStage(t, 154, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		unblock := func() error { _, err := root.Ioctl(FIONBIO, make([]byte, 4), nil); return err }
		s.must(root.EventSelect(NewEvent(), FDAccept))
		want(t, "blocking while selected", unblock(), transport.WSAEINVAL)
		s.must(root.EventSelect(nil, 0))
		_, _, err := root.Accept() // mask 0 made it nonblocking too
		want(t, "accept", err, transport.WSAEWOULDBLOCK)
		want(t, "blocking again", unblock(), 0)
		got := accepting(root, nil)
		s.settle()
		select {
		case a := <-got:
			t.Errorf("accept did not wait: %v", a.err)
		default:
		}
	})
}

func TestR131_R135_R136_R143_R145_R146_EventsAndSelect(t *testing.T) {
	onStage(t, 155, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		re := selecting(s, root, FDWrite|FDAccept|FDRead)
		e := selecting(s, k, FDConnect|FDWrite|FDRead)
		_, err := joinTo(k, s.addr("root", 7001))
		s.must(err)
		next(s, root, re, FDAccept)
		if r, _ := k.Select(); r != (Readiness{}) {
			t.Errorf("a pending join is in sets: %+v", r)
		}
		_, _, err = root.Accept()
		want(t, "accept", err, 0)
		s.settle()
		got := next(s, k, e, FDConnect)
		if got.Events != FDConnect|FDWrite {
			t.Errorf("the leaf's events: %#x", got.Events)
		}
		if got := events(t, root); got.Events != FDWrite { // its first leaf
			t.Errorf("the root's events: %#x", got.Events)
		}
		if r, _ := k.Select(); r.Read || r.Except {
			t.Errorf("a finished join is in sets: %+v", r)
		}
		_, err = root.Send([]byte("data"))
		want(t, "send", err, 0)
		time.Sleep(time.Second)
		if r, _ := k.Select(); !r.Read {
			t.Error("select does not show data")
		}
		if got := events(t, k); got.Events != FDRead { // R145
			t.Errorf("select disturbed the record: %#x", got.Events)
		}
		late := selecting(s, k, FDRead|FDWrite) // R131
		if !late.IsSet() || events(t, k).Events != FDRead|FDWrite {
			t.Error("what was true already was not recorded")
		}
		failed := s.leaf(k.p)
		fe := selecting(s, failed, FDConnect)
		_, err = joinTo(failed, s.addr("root", 7999))
		s.must(err)
		next(s, failed, fe, FDConnect)
		if r, _ := failed.Select(); r != (Readiness{}) {
			t.Errorf("a failed join is in sets: %+v", r)
		}
	})
}

func TestR136_AnAcceptedLeafMayWrite(t *testing.T) {
	onStage(t, 156, func(s *stage) {
		root, k := s.inviter(nil), s.invitable("leaf")
		e := selecting(s, k, FDAccept|FDWrite)
		s.must(root.EventSelect(NewEvent(), FDConnect))
		m, err := joinTo(root, s.addr("leaf", 7001))
		s.must(err)
		next(s, k, e, FDAccept)
		l, _, err := k.Accept()
		want(t, "accept", err, 0)
		if events(t, l).Events&FDWrite == 0 || events(t, k).Events&FDWrite != 0 || events(t, m).Events&FDWrite != 0 {
			t.Error("FD_WRITE is not where session data may be sent")
		}
	})
}
