package joinleaf

import (
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR102_NoDescriptorForTheLeaf(t *testing.T) {
	onStage(t, 61, func(s *stage) {
		p := s.provider("root", func(c *Config) { c.Sockets = 2 })
		root, filler, k := s.root(p, "root"), s.leaf(p), s.leaf(s.provider("leaf", nil))
		s.must(root.EventSelect(NewEvent(), FDAccept))
		e := s.asks(k, "me")
		for range 2 {
			_, _, err := root.Accept()
			want(t, "accept", err, transport.WSAEMFILE)
		}
		if e.IsSet() {
			t.Error("the joiner was told")
		}
		s.must(filler.Close())
		_, _, err := root.Accept()
		want(t, "accept with room", err, 0)
	})
}

func TestR103_TheAddressComesWithAcceptanceOnly(t *testing.T) {
	onStage(t, 62, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		c := &saying{answers: []int{CFDefer, CFReject, CFAccept}}
		for i := range 3 {
			var err error
			if i != 1 { // the second call meets the deferred one
				selecting(s, k, FDConnect)
				_, err = joinTo(k, s.addr("root", 7001))
				s.must(err)
			}
			a := <-accepting(root, c.condition)
			if (a.from != nil) != (i == 2) || (a.k != nil) != (i == 2) {
				t.Errorf("answer %d gave %v, %v, %v", c.answers[i], a.k, a.from, a.err)
			}
			s.settle()
		}
	})
}

func TestR50_R105_CallsFromInsideTheCondition(t *testing.T) {
	onStage(t, 63, func(s *stage) {
		p := s.provider("root", nil)
		root, other := s.root(p, "root"), s.leaf(p)
		elsewhere := s.leaf(s.provider("leaf", nil))
		asking, elseDone := make(chan struct{}), make(chan struct{})
		cond := func(Sockaddr, *WSABUF, *QOS, *QOS, Sockaddr, *WSABUF, *uint32, any) int {
			for _, k := range []*Socket{root, other} {
				every(k, func(call string, err error) { want(t, "inside, "+call, err, transport.WSAEINPROGRESS) })
			}
			_, err := p.Socket(AFInet, SockRDM, ProtoRootedRooted, nil, 0, leafFlags)
			want(t, "inside, Socket", err, transport.WSAEINPROGRESS)
			want(t, "inside, Cleanup", p.Cleanup(), transport.WSAEINPROGRESS)
			_, err = elsewhere.p.EnumProtocols()
			want(t, "inside, another provider", err, 0)
			close(asking)
			<-elseDone
			return CFAccept
		}
		go func() { // another goroutine is not inside
			<-asking
			_, err := other.Select()
			want(t, "another goroutine", err, 0)
			close(elseDone)
		}()
		got := accepting(root, cond)
		_, err := joinTo(elsewhere, s.addr("root", 7001))
		want(t, "join", err, 0)
		want(t, "accept", (<-got).err, 0)
		_, err = other.Select()
		want(t, "afterwards", err, 0)
	})
}

func TestR105_AConditionThatPanicsLeavesNothingBehind(t *testing.T) {
	onStage(t, 64, func(s *stage) {
		p := s.provider("root", nil)
		root, k := s.root(p, "root"), s.leaf(s.provider("leaf", nil))
		caught := make(chan any, 1)
		go func() {
			defer func() {
				caught <- recover()
				_, err := root.Select()
				want(t, "in the same goroutine, later", err, 0)
				caught <- nil
			}()
			root.WSAAccept(func(Sockaddr, *WSABUF, *QOS, *QOS, Sockaddr, *WSABUF, *uint32, any) int { panic("oh") }, nil)
		}()
		_, err := joinTo(k, s.addr("root", 7001))
		want(t, "the joiner", err, transport.WSAECONNREFUSED)
		if got := <-caught; got != "oh" {
			t.Errorf("caught %v", got)
		}
		<-caught
		if len(p.sockets) != 1 {
			t.Errorf("%d descriptors", len(p.sockets))
		}
	})
}
