package joinleaf

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// saying is a condition that answers in turn and notes what it saw.
type saying struct {
	answers []int
	seen    []string
	calls   int
	also    func(callee *WSABUF, group *uint32)
}

func (c *saying) condition(_ Sockaddr, caller *WSABUF, _, _ *QOS, _ Sockaddr, callee *WSABUF, group *uint32, _ any) int {
	c.seen = append(c.seen, string(caller.Bytes()))
	callee.Len = 0
	if c.also != nil {
		c.also(callee, group)
	}
	c.calls++
	return c.answers[min(c.calls, len(c.answers))-1]
}

// asks begins a nonblocking join with caller data.
func (s *stage) asks(k *Socket, data string) *Event {
	s.Helper()
	e := selecting(s, k, FDConnect|FDClose|FDRead|FDWrite|FDQOS)
	_, err := k.JoinLeaf(s.addr("root", 7001), &WSABUF{uint32(len(data)), []byte(data)}, nil, nil, nil, JoinBoth)
	s.must(err)
	time.Sleep(200 * time.Millisecond) // the next one comes later
	return e
}

func TestR75_R76_R77_R80_R82_R84_R104_Listen(t *testing.T) {
	onStage(t, 50, func(s *stage) {
		c := s.session()
		p := c.leaf.p
		k := s.leaf(p)
		want(t, "listen unbound", k.Listen(1), transport.WSAEINVAL)
		s.must(k.Bind(s.addr("leaf", 7002)))
		_, _, err := k.Accept()
		want(t, "accept before listen", err, transport.WSAEINVAL)
		want(t, "listen", k.Listen(1), 0)
		want(t, "listen again", k.Listen(9), 0)
		want(t, "listen when joined", c.leaf.Listen(1), transport.WSAEISCONN)
		_, _, err = c.member.Accept()
		want(t, "accept on a member", err, transport.WSAEINVAL)
		peer := s.socket(p, ProtoNonrooted, leafFlags)
		s.must(peer.Bind(s.addr("leaf", 7003)))
		want(t, "listen without a root", peer.Listen(1), transport.WSAEOPNOTSUPP)
		_, _, err = peer.Accept()
		want(t, "accept without a root", err, transport.WSAEOPNOTSUPP)
		udp, err := p.Socket(AFInet, SockDgram, ProtoUDP, nil, 0, 0)
		s.must(err)
		_, _, err = udp.Accept()
		want(t, "accept of UDP", err, transport.WSAEOPNOTSUPP)
	})
}

func TestR77_TheOldBacklogStays(t *testing.T) {
	onStage(t, 51, func(s *stage) {
		root := s.socket(s.provider("root", nil), ProtoRootedRooted, rootFlags)
		s.must(root.Bind(s.addr("root", 7001)))
		s.must(root.Listen(1))
		s.must(root.Listen(100))
		p := s.provider("leaf", nil)
		s.asks(s.leaf(p), "first")
		k := s.leaf(p)
		e := s.asks(k, "second")
		if got := next(s, k, e, FDConnect).Code(FDConnect); got != transport.WSAECONNREFUSED {
			t.Errorf("the second request: %v", got)
		}
	})
}

func TestR78_R262_AFullBacklogRefuses(t *testing.T) {
	for backlog, room := range map[int]int{-5: 1, 0: 1, 2: 2} {
		onStage(t, 52, func(s *stage) {
			root := s.socket(s.provider("root", nil), ProtoRootedRooted, rootFlags)
			s.must(root.Bind(s.addr("root", 7001)))
			s.must(root.Listen(backlog))
			p := s.provider("leaf", nil)
			for i := range room + 1 {
				k := s.leaf(p)
				e := s.asks(k, "me too")
				if i < room && e.IsSet() {
					t.Errorf("request %d: %+v", i, events(t, k))
				} else if i == room && next(s, k, e, FDConnect).Code(FDConnect) != transport.WSAECONNREFUSED {
					t.Error("one too many was not refused")
				}
			}
			s.must(root.Close())
		})
	}
}

func TestR79_AListeningLeafTakesInvitationsOnly(t *testing.T) {
	onStage(t, 53, func(s *stage) {
		k := s.listening(s.provider("leaf", nil), "leaf", ProtoRootedRooted, leafFlags)
		e := selecting(s, k, FDAccept)
		c, err := s.net.Host("root").Dial(s.ctx, s.addr("root", 0).AddrPort(), s.addr("leaf", 7001).AddrPort())
		s.must(err)
		c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		c.SetReadDeadline(time.Now().Add(time.Minute))
		for p := make([]byte, 100); err == nil; _, err = c.Read(p) {
		}
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			t.Error("a plain connection stays open")
		}
		other := s.leaf(s.provider("root", nil)) // a leaf that asks a leaf
		_, err = joinTo(other, s.addr("leaf", 7001))
		want(t, "a leaf asks a leaf", err, transport.WSAECONNREFUSED)
		_, _, err = k.Accept()
		want(t, "accept", err, transport.WSAEWOULDBLOCK)
		if r, _ := k.Select(); e.IsSet() || r.Read {
			t.Error("the listener heard of it")
		}
	})
}

func TestR68_R69_R83_R85_R144_R258_AQueuedJoinCompletesByAcceptOnly(t *testing.T) {
	onStage(t, 54, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		re := selecting(s, root, FDAccept)
		_, _, err := root.Accept()
		want(t, "nothing pending", err, transport.WSAEWOULDBLOCK)
		e := s.asks(k, "in please")
		next(s, root, re, FDAccept)
		s.settle()
		if e.IsSet() {
			t.Errorf("completed by being queued: %+v", events(t, k))
		}
		if r, err := root.Select(); !r.Read || err != nil {
			t.Errorf("select does not show the request: %+v, %v", r, err)
		}
		m, from, err := root.Accept()
		want(t, "accept", err, 0)
		if from.AddrPort() != localOf(t, k) || m == nil {
			t.Errorf("accepted from %v", from.AddrPort())
		}
		if got := next(s, k, e, FDConnect); got.Code(FDConnect) != 0 {
			t.Errorf("FD_CONNECT: %v", got.Code(FDConnect))
		}
		if r, _ := root.Select(); r.Read {
			t.Error("select still shows a request")
		}
	})
}

func TestR86_R87_R88_R166_R179_R183_R264_WhatTheConditionSees(t *testing.T) {
	onStage(t, 55, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		opaque := []byte("\x00a\x00b\xff\x00")
		value := new(int)
		for _, c := range []struct {
			caller         *WSABUF
			nothing, empty bool
		}{{nil, true, false}, {&WSABUF{}, false, true}, {&WSABUF{Len: uint32(len(opaque)), Buf: opaque}, false, false}} {
			k := s.leaf(p)
			here := make(chan uint64, 1)
			cond := func(id Sockaddr, caller *WSABUF, sqos, gqos *QOS, local Sockaddr, callee *WSABUF, group *uint32, data any) int {
				here <- goroutine()
				if id.AddrPort() != localOf(t, k) {
					t.Errorf("caller id %v, the leaf is %v", id.AddrPort(), localOf(t, k))
				}
				if (caller == nil) != c.nothing || !c.nothing && (caller.Len == 0) != c.empty || !c.nothing && !bytes.Equal(caller.Bytes(), c.caller.Bytes()) {
					t.Errorf("caller data %v, want %v", caller, c.caller)
				}
				if sqos != nil || gqos != nil || group == nil || *group != 0 {
					t.Error("flow specifications or a group from nowhere")
				}
				if local.AddrPort() != s.addr("root", 7001).AddrPort() {
					t.Errorf("callee id %v", local.AddrPort())
				}
				if callee == nil || callee.Len != 0 {
					t.Errorf("an offer of %v to one who takes nothing", callee)
				}
				if data != any(value) {
					t.Error("the callback value is another")
				}
				return CFAccept
			}
			done := make(chan uint64, 1)
			go func() {
				_, _, err := root.WSAAccept(cond, value)
				want(t, "accept", err, 0)
				done <- goroutine()
			}()
			_, err := k.JoinLeaf(s.addr("root", 7001), c.caller, nil, nil, nil, JoinBoth)
			want(t, "join", err, 0)
			if in, called := <-here, <-done; in != called {
				t.Errorf("the condition ran in goroutine %d, the call in %d", in, called)
			}
		}
	})
}

func TestR89_R90_R91_R106_AcceptAndReject(t *testing.T) {
	onStage(t, 56, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		no := &saying{answers: []int{CFReject, CFAccept}, also: func(callee *WSABUF, _ *uint32) { callee.Len = uint32(copy(callee.Buf, "secret")) }}
		got := accepting(root, no.condition)
		back := &WSABUF{16, make([]byte, 16)}
		_, err := k.JoinLeaf(s.addr("root", 7001), nil, back, nil, nil, JoinBoth)
		want(t, "rejected join", err, transport.WSAECONNREFUSED)
		a := <-got
		want(t, "rejecting accept", a.err, transport.WSAECONNREFUSED)
		if a.k != nil || a.from != nil || back.Len != 0 || !bytes.Equal(back.Buf, make([]byte, 16)) {
			t.Errorf("something came of a rejection: %v %v %v", a.k, a.from, back)
		}
		got = accepting(root, no.condition)
		back.Len = 16
		_, err = k.JoinLeaf(s.addr("root", 7001), nil, back, nil, nil, JoinBoth)
		want(t, "accepted join", err, 0)
		if a := <-got; a.k == nil || string(back.Bytes()) != "secret" {
			t.Errorf("accepted: %v, callee data %q", a.err, back.Bytes())
		}
	})
}

func TestR92_R93_R94_R95_R96_R97_Defer(t *testing.T) {
	onStage(t, 57, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		re := selecting(s, root, FDAccept)
		first, second := s.leaf(p), s.leaf(p)
		e1 := s.asks(first, "first")
		next(s, root, re, FDAccept)
		c := &saying{answers: []int{CFDefer}}
		_, _, err := root.WSAAccept(c.condition, nil)
		want(t, "deferring accept", err, transport.WSATRY_AGAIN)
		e2 := s.asks(second, "second")
		s.settle()
		if re.IsSet() || e1.IsSet() || e2.IsSet() {
			t.Error("an event though the first request is deferred")
		}
		s.must(root.EventSelect(re, FDAccept)) // anew: R94 all the same
		s.asks(s.leaf(p), "third")
		if s.settle(); re.IsSet() {
			t.Error("FD_ACCEPT by a new selection though the first request is deferred")
		}
		_, _, err = root.WSAAccept(c.condition, nil)
		want(t, "deferring accept", err, transport.WSATRY_AGAIN)
		if !slices.Equal(c.seen, []string{"first", "first"}) {
			t.Errorf("the condition saw %q", c.seen)
		}
		m, _, err := root.Accept() // admits the deferred one
		want(t, "accept", err, 0)
		if got := next(s, first, e1, FDConnect); got.Code(FDConnect) != 0 || m == nil {
			t.Errorf("the first: %+v", got)
		}
		next(s, root, re, FDAccept) // R96: now the second is told
		c.answers = []int{CFReject}
		_, _, err = root.WSAAccept(c.condition, nil)
		want(t, "rejecting accept", err, transport.WSAECONNREFUSED)
		if got := next(s, second, e2, FDConnect); got.Code(FDConnect) != transport.WSAECONNREFUSED {
			t.Errorf("the second: %+v", got)
		}
		next(s, root, re, FDAccept) // the failed call re-enabled it, for the third
	})
}

func TestR98_R99_R176_AnswersThatAreNone(t *testing.T) {
	onStage(t, 58, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		re := selecting(s, root, FDAccept)
		e := s.asks(k, "me")
		for i, answer := range []int{3, -1, 99} {
			next(s, root, re, FDAccept) // re-enabled each time, and still true
			c := &saying{answers: []int{answer}}
			_, _, err := root.WSAAccept(c.condition, nil)
			want(t, "answer", err, transport.WSAEINVAL)
			if len(c.seen) != 1 || c.seen[0] != "me" {
				t.Errorf("call %d saw %q", i, c.seen)
			}
		}
		c := &saying{answers: []int{CFAccept}, also: func(_ *WSABUF, group *uint32) { *group = 1 }}
		_, _, err := root.WSAAccept(c.condition, nil)
		want(t, "group", err, transport.WSAEINVAL)
		if e.IsSet() {
			t.Error("the joiner was told")
		}
		c = &saying{answers: []int{CFAccept}, also: func(callee *WSABUF, _ *uint32) { callee.Len = 1 }} // offered: 0
		_, _, err = root.WSAAccept(c.condition, nil)
		want(t, "callee data beyond the offer", err, transport.WSAEINVAL)
		if got := next(s, k, e, FDConnect).Code(FDConnect); got != transport.WSAECONNREFUSED {
			t.Errorf("the joiner of that: %v", got)
		}
		// Neither does memory of the condition's own make the offer larger.
		e = s.asks(k, "me again")
		c.also = func(callee *WSABUF, _ *uint32) { callee.Len, callee.Buf = 9, make([]byte, 9) }
		_, _, err = root.WSAAccept(c.condition, nil)
		want(t, "callee data beyond the offer, in another buffer", err, transport.WSAEINVAL)
		if got := next(s, k, e, FDConnect).Code(FDConnect); got != transport.WSAECONNREFUSED {
			t.Errorf("the joiner of that: %v", got)
		}
	})
}

func TestR100_R101_R163_R159_RequestsThatWentAway(t *testing.T) {
	onStage(t, 59, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		s.must(root.EventSelect(NewEvent(), FDAccept)) // nonblocking
		k := s.leaf(p)
		s.asks(k, "unseen")
		s.must(k.Close())
		s.settle()
		_, from, err := root.Accept()
		want(t, "never shown", err, transport.WSAECONNRESET)
		if from != nil {
			t.Error("an address came with the error")
		}
		k = s.leaf(p)
		s.asks(k, "seen")
		c := &saying{answers: []int{CFDefer}}
		_, _, err = root.WSAAccept(c.condition, nil)
		want(t, "deferred", err, transport.WSATRY_AGAIN)
		s.must(k.Close())
		s.settle()
		_, _, err = root.WSAAccept(c.condition, nil)
		want(t, "shown before", err, transport.WSAEACCES)
		_, _, err = root.Accept()
		want(t, "nothing is left", err, transport.WSAEWOULDBLOCK)
	})
}

func TestR101_R259_ADeferredRequestTimesOut(t *testing.T) {
	onStage(t, 60, func(s *stage) {
		root, k := s.root(s.provider("root", func(c *Config) { c.JoinWait = time.Hour }), "root"), s.leaf(s.provider("leaf", nil))
		s.must(root.EventSelect(NewEvent(), FDAccept))
		began := time.Now()
		e := s.asks(k, "patient")
		c := &saying{answers: []int{CFDefer}}
		_, _, err := root.WSAAccept(c.condition, nil)
		want(t, "deferred", err, transport.WSATRY_AGAIN)
		if got := next(s, k, e, FDConnect).Code(FDConnect); got != transport.WSAETIMEDOUT {
			t.Errorf("the joiner: %v", got)
		}
		if d := time.Since(began); d < 19*time.Second || d > 21*time.Second {
			t.Errorf("a wait of 20 s ended after %v", d)
		}
		s.settle()
		_, _, err = root.Accept()
		want(t, "accept of what has timed out", err, transport.WSAEACCES)
	})
}
