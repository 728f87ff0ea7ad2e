package joinleaf

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// equals are sockets on hosts of their own, joined to one session.
func (s *stage) equals(hosts ...string) (all []*Socket) {
	s.Helper()
	for _, host := range hosts {
		k := s.socket(s.provider(host, nil), ProtoNonrooted, leafFlags)
		got, err := joinTo(k, groupName())
		if err != nil || got != k {
			s.Fatalf("%s: %v, %v", host, got, err)
		}
		all = append(all, k)
	}
	return all
}

func TestR66_R70_R72_R148_R238_R243_R224_ASessionOfEquals(t *testing.T) {
	onStage(t, 200, func(s *stage) {
		first := s.equals("a")[0] // nobody else is there
		_, err := first.Send([]byte("nobody"))
		want(t, "send alone", err, 0)
		hears(s, first, "nobody") // its own
		others := s.equals("b", "c")
		_, err = joinTo(first, groupName())
		want(t, "join again", err, transport.WSAEISCONN)
		_, err = first.Send([]byte("to both"))
		want(t, "send", err, 0)
		for _, k := range append(others, first) {
			hears(s, k, "to both")
		}
		events := NewEvent()
		for _, k := range []*Socket{first, others[0]} {
			s.must(k.EventSelect(events, FDClose))
		}
		s.must(others[1].Close())
		s.settle()
		s.settle()
		if events.IsSet() {
			t.Error("FD_CLOSE though just another member has left")
		}
		_, err = others[0].Send([]byte("two of us"))
		want(t, "send", err, 0)
		s.must(blocking(first))
		hears(s, first, "two of us")
	})
}

func TestR71_R249_R191_EventsLoopbackAndSenders(t *testing.T) {
	onStage(t, 201, func(s *stage) {
		a := s.equals("a")[0]
		b := s.socket(s.provider("b", nil), ProtoNonrooted, leafFlags)
		e := selecting(s, b, FDConnect|FDWrite|FDRead)
		_, err := b.JoinLeaf(groupName(), nil, nil, nil, nil, SenderOnly)
		want(t, "begin", err, 0)
		_, err = b.JoinLeaf(groupName(), nil, nil, nil, nil, SenderOnly)
		want(t, "another", err, transport.WSAEALREADY)
		if got := next(s, b, e, FDConnect); got.Code(FDConnect) != 0 {
			t.Errorf("FD_CONNECT %v", got.Code(FDConnect))
		}
		s.must(loopback(a, 0))
		_, err = a.Send([]byte("not for b"))
		want(t, "send", err, 0)
		_, err = b.Send([]byte("from b"))
		want(t, "send", err, 0)
		if r := hears(s, a, "from b"); r.From.AddrPort().Addr() != s.net.Host("b").Addr() {
			t.Errorf("from %v", r.From.AddrPort())
		}
		s.settle()
		silent(s, "a without loopback", a)
		if got := events(s, b); got.Events&FDRead != 0 {
			t.Error("FD_READ at a sender")
		}
		_, err = b.Recv(make([]byte, 9))
		want(t, "receive on a sender", err, transport.WSAEOPNOTSUPP)
	})
}

func TestR239_OutsidersAreNotHeard(t *testing.T) {
	onStage(t, 202, func(s *stage) {
		k := s.equals("a")[0]
		stranger, err := s.net.Host("x").OpenUnicast(s.ctx, s.addr("x", 0).AddrPort(), transport.SocketOptions{Interface: "sim0"})
		s.must(err)
		defer stranger.Close()
		_, err = stranger.WriteBatch([]transport.Datagram{{B: []byte("let me in"), Addr: groupName().AddrPort()}})
		s.must(err)
		time.Sleep(time.Second)
		silent(s, "the member", k)
	})
}

func TestR159_R162_ClosingWhileAmongEqualsJoining(t *testing.T) {
	onStage(t, 203, func(s *stage) {
		k := s.socket(s.provider("a", nil), ProtoNonrooted, leafFlags)
		done := make(chan error, 1)
		go func() { _, err := joinTo(k, groupName()); done <- err }()
		time.Sleep(10 * time.Millisecond)
		s.must(k.Close())
		want(t, "the join", <-done, transport.WSA_OPERATION_ABORTED)
	})
}
