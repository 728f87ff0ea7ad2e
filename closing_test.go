package joinleaf

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// closes waits for FD_CLOSE on k and compares its code.
func closes(t testing.TB, what string, k *Socket, e *Event, code transport.Code) {
	t.Helper()
	if got := next(t, k, e, FDClose).Code(FDClose); got != code {
		t.Errorf("%s: FD_CLOSE with %v, want %s", what, got, name0(code))
	}
}

func lingering(k *Socket, seconds byte) error {
	return k.SetSockOpt(SOLSocket, SOLinger, []byte{1, 0, seconds, 0})
}

func TestR214_R220_R138_R139_ALeafCloses(t *testing.T) {
	onStage(t, 130, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		a, b := s.leaf(s.provider("a", nil)), s.leaf(s.provider("b", nil))
		ma, mb := s.pair(root, "root", a), s.pair(root, "root", b)
		e, own := selecting(s, ma, FDClose), selecting(s, a, FDClose)
		others := NewEvent()
		for _, k := range []*Socket{root, b, mb} {
			s.must(k.EventSelect(others, FDClose))
		}
		s.must(a.Close())
		closes(s, "the leaf's member", ma, e, 0)
		s.settle()
		if others.IsSet() || own.IsSet() {
			t.Error("somebody else was told")
		}
		_, err := root.Send([]byte("go on"))
		want(t, "send", err, 0)
		s.must(blocking(b))
		hears(s, b, "go on")
		_, err = joinTo(ma, s.addr("a", 7001))
		want(t, "join on a broken member", err, transport.WSAEINVAL)
	})
}

func TestR215_R221_R222_R227_TheRootClosesAMember(t *testing.T) {
	onStage(t, 131, func(s *stage) {
		c := s.session()
		e := selecting(s, c.leaf, FDClose|FDRead)
		s.must(c.member.Close())
		closes(s, "the leaf", c.leaf, e, 0)
		if got := events(t, c.leaf); got.Events != 0 {
			t.Errorf("also %#x", got.Events) // R140
		}
		_, err := c.leaf.Recv(make([]byte, 9))
		want(t, "receive", err, transport.WSAEDISCON)
		_, err = joinTo(c.leaf, s.addr("root", 7001))
		want(t, "join again", err, transport.WSAEINVAL)
		s.pair(c.root, "root", s.leaf(c.leaf.p)) // a new socket may
	})
}

func TestR216_R217_R218_TheRootEndsTheSession(t *testing.T) {
	for what, end := range map[string]func(*Socket) error{
		"close":    (*Socket).Close,
		"shutdown": func(k *Socket) error { return k.Shutdown(SDBoth) },
	} {
		onStage(t, 132, func(s *stage) {
			root := s.root(s.provider("root", nil), "root")
			var all []*Socket
			for _, host := range []string{"a", "b"} {
				k := s.leaf(s.provider(host, nil))
				all = append(all, k, s.pair(root, "root", k))
			}
			es := make([]*Event, len(all))
			for i, k := range all {
				es[i] = selecting(s, k, FDClose)
			}
			s.must(end(root))
			for i, k := range all {
				closes(s, what, k, es[i], 0)
			}
			if what == "shutdown" {
				_, err := root.Send([]byte("x"))
				want(t, "send after shutdown", err, transport.WSAENOTCONN)
				_, err = joinTo(root, s.addr("a", 7001))
				want(t, "invite after shutdown", err, transport.WSAEINVAL)
			}
		})
	}
}

func TestR137_R140_R131_FDCloseWaitsForTheLastData(t *testing.T) {
	onStage(t, 133, func(s *stage) {
		c := s.session()
		e := selecting(s, c.leaf, FDClose|FDRead)
		for _, text := range []string{"one", "two"} {
			_, err := c.root.Send([]byte(text))
			want(t, "send", err, 0)
		}
		s.must(lingering(c.root, 0))
		s.must(c.root.SetSockOpt(SOLSocket, SOLinger, []byte{0, 0, 0, 0}))
		s.settle()
		s.must(c.root.Close())
		for range 5 {
			s.settle()
		}
		got := next(s, c.leaf, e, FDRead)
		if got.Events&FDClose != 0 {
			t.Error("FD_CLOSE before the data was read")
		}
		p := make([]byte, 16)
		if _, err := c.leaf.Recv(p); err != nil {
			t.Error(err)
		}
		if got := events(t, c.leaf); got.Events&FDClose != 0 || got.Events&FDRead == 0 { // re-enabled, and there is more
			t.Errorf("after the first message: %#x", got.Events)
		}
		e.Reset()
		if _, err := c.leaf.Recv(p); err != nil {
			t.Error(err)
		}
		closes(s, "after the last", c.leaf, e, 0)
		_, err := c.leaf.Recv(p)
		want(t, "receive after the end", err, transport.WSAEDISCON)
	})
}

func TestR223_LingerZeroIsAbortive(t *testing.T) {
	onStage(t, 134, func(s *stage) {
		c := s.session()
		e := selecting(s, c.member, FDClose)
		s.must(lingering(c.leaf, 0))
		s.must(c.leaf.Close())
		closes(s, "the member", c.member, e, transport.WSAECONNRESET)
		k := s.leaf(c.leaf.p)
		s.pair(c.root, "root", k)
		e = selecting(s, k, FDClose)
		s.must(lingering(c.root, 0))
		s.must(c.root.Close())
		closes(s, "the leaf", k, e, transport.WSAECONNRESET)
		_, err := k.Recv(make([]byte, 9))
		want(t, "receive", err, transport.WSAECONNRESET) // R222
	})
}

func TestR222_R223_LingerOffAndOn(t *testing.T) {
	onStage(t, 135, func(s *stage) {
		c := s.session()
		began := time.Now()
		for range 50 {
			_, err := c.root.Send([]byte("queued"))
			want(t, "send", err, 0)
		}
		s.must(c.root.Close()) // off: at once, and the data still goes
		if time.Since(began) > 0 {
			t.Errorf("closing took %v", time.Since(began))
		}
		for range 50 {
			hears(s, c.leaf, "queued")
		}
		_, err := c.leaf.Recv(make([]byte, 9))
		want(t, "then", err, transport.WSAEDISCON)
	})
	onStage(t, 136, func(s *stage) {
		c := s.session()
		s.net.Partition([]string{"leaf"})
		_, err := c.root.Send([]byte("lost"))
		want(t, "send", err, 0)
		s.must(lingering(c.root, 2))
		s.must(c.root.EventSelect(NewEvent(), FDRead))
		want(t, "close of a nonblocking socket", c.root.Close(), transport.WSAEWOULDBLOCK)
		_, err = c.root.Select()
		want(t, "it is still open", err, 0)
		s.must(blocking(c.root))
		began := time.Now()
		s.must(c.root.Close())
		if d := time.Since(began); d < 2*time.Second || d > 6*time.Second {
			t.Errorf("a linger of 2 s took %v", d)
		}
	})
}

func TestR225_R138_DeathAndSilence(t *testing.T) {
	onStage(t, 137, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		a, b := s.leaf(s.provider("a", nil)), s.leaf(s.provider("b", nil))
		ma, mb := s.pair(root, "root", a), s.pair(root, "root", b)
		ea, eb, e := selecting(s, ma, FDClose), selecting(s, mb, FDClose), selecting(s, b, FDClose)
		s.net.Kill("a")
		closes(s, "a leaf that died", ma, ea, transport.WSAECONNRESET)
		s.net.Partition([]string{"b"})
		began := time.Now()
		closes(s, "a silent leaf", mb, eb, transport.WSAECONNABORTED)
		closes(s, "a silent root", b, e, transport.WSAECONNABORTED)
		if d := time.Since(began); d < 3*time.Second || d > 10*time.Second {
			t.Errorf("silence was noticed after %v", d)
		}
		_, err := b.Recv(make([]byte, 9))
		want(t, "receive", err, transport.WSAECONNABORTED)
	})
}

func TestR226_WaitingRequestsWhenTheRootCloses(t *testing.T) {
	onStage(t, 138, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		e := s.asks(k, "waiting")
		s.must(root.Close())
		if got := next(s, k, e, FDConnect).Code(FDConnect); got != transport.WSAECONNREFUSED {
			t.Errorf("FD_CONNECT %v", got)
		}
	})
}

func TestR260_R189_Shutdown(t *testing.T) {
	onStage(t, 139, func(s *stage) {
		c := s.session()
		s.must(c.leaf.Shutdown(SDSend))
		_, err := c.leaf.Send([]byte("x"))
		want(t, "send", err, transport.WSAESHUTDOWN)
		_, err = c.root.Send([]byte("still"))
		want(t, "the other way", err, 0)
		hears(s, c.leaf, "still")
		s.must(c.leaf.Shutdown(SDReceive))
		_, err = c.leaf.Recv(make([]byte, 9))
		want(t, "receive", err, transport.WSAESHUTDOWN)
		want(t, "nonsense", c.leaf.Shutdown(3), transport.WSAEINVAL)
		want(t, "nonsense", c.leaf.Shutdown(-1), transport.WSAEINVAL)
	})
}

func TestR230_R137_AClosedMembersChatIsReadFirst(t *testing.T) {
	onStage(t, 140, func(s *stage) {
		c := s.session()
		e := selecting(s, c.leaf, FDRead|FDClose)
		_, err := c.member.Send([]byte("goodbye"))
		want(t, "chat", err, 0)
		s.must(c.member.Close())
		if got := next(s, c.leaf, e, FDRead); got.Events&FDClose != 0 {
			t.Error("FD_CLOSE first")
		}
		s.settle()
		if r := hears(s, c.leaf, "goodbye"); !r.Private {
			t.Error("not private")
		}
		closes(s, "the leaf", c.leaf, e, 0)
	})
}
