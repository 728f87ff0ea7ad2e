package rooted

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

var quick = simnet.Link{Delay: time.Millisecond}

func TestJoin_ThatIsCutShortOnTheLastStepsIsAnError(t *testing.T) {
	inRoom(t, 1, quick, func(r *room) {
		root := r.listen(nil)
		r.net.Filter(func(p simnet.Packet) bool { return !p.Dst.Addr().IsMulticast() }) // the leaf listens in vain
		accepted := make(chan error, 1)
		go func() {
			_, err := root.Accept(r.ctx)
			accepted <- err
		}()
		time.AfterFunc(150*time.Millisecond, func() { root.Close() })
		if l, err := Join(r.ctx, root.Addr(), nil, r.config("leaf")); !errors.Is(err, transport.WSAECONNRESET) || !strings.Contains(err.Error(), "closed the session") {
			r.Errorf("a join that the root broke off: %v, %v", l, err)
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			r.Errorf("an accept that Close broke off: %v", err)
		}
	})
}

func TestClose_EndsEveryCallWithErrClosed(t *testing.T) {
	inRoom(t, 2, quick, func(r *room) {
		root := r.listen(nil)
		l, m := r.join("leaf", nil, nil)
		waiting := make(chan error)
		wait := func(f func() error) { go func() { waiting <- f() }() }
		p := make([]byte, 10)
		wait(func() error { _, err := root.Accept(r.ctx); return err })
		wait(func() error { _, err := root.Recv(r.ctx, p); return err })
		wait(func() error { _, err := root.Invite(r.ctx, netip.MustParseAddrPort("10.0.0.77:1"), nil); return err })
		time.Sleep(time.Second)
		root.Close()
		for range 3 {
			if err := <-waiting; !errors.Is(err, net.ErrClosed) {
				r.Errorf("a call that waited: %v", err)
			}
		}
		ended := map[string]func() error{
			"Accept":       func() error { _, err := root.Accept(r.ctx); return err },
			"Invite":       func() error { _, err := root.Invite(r.ctx, root.Addr(), nil); return err },
			"Send":         func() error { return root.Send(r.ctx, p) },
			"Recv":         func() error { _, err := root.Recv(r.ctx, p); return err },
			"Drain":        func() error { return root.Drain(r.ctx) },
			"Shutdown":     func() error { return root.Shutdown(r.ctx) },
			"Chat":         func() error { return m.Chat(r.ctx, p) },
			"RecvChat":     func() error { _, err := m.RecvChat(r.ctx, p); return err },
			"leaf's Send":  func() error { return l.Send(r.ctx, p) },
			"leaf's Recv":  func() error { _, err := l.Recv(r.ctx, p); return err },
			"leaf's Drain": func() error { return l.Drain(r.ctx) },
			"leaf's Chat":  func() error { return l.Chat(r.ctx, p) },
			"leaf's chat":  func() error { _, err := l.RecvChat(r.ctx, p); return err },
		}
		<-l.Done()
		if err := ended["leaf's Send"](); !errors.Is(err, transport.WSAENOTCONN) {
			r.Errorf("sending after the root has gone: %v", err)
		}
		if err := ended["leaf's Recv"](); err != io.EOF {
			r.Errorf("reading after the root has gone: %v", err)
		}
		l.Close()
		for name, f := range ended {
			if err := f(); !errors.Is(err, net.ErrClosed) {
				r.Errorf("%s after Close: %v", name, err)
			}
		}
		for range 2 { // and once more changes nothing
			root.Close()
			l.Close()
			m.Close()
			m.Evict(0, "")
		}
	})
}

func TestClose_DoesNotWaitLongForAPeerThatDoesNotRead(t *testing.T) {
	inRoom(t, 3, quick, func(r *room) {
		patient := func(c *Config) { c.Silence = time.Minute }
		root := r.listen(patient)
		l, m := r.join("leaf", nil, patient)
		r.net.Partition([]string{"leaf"}) // nothing is read or acknowledged
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		for m.Chat(ctx, make([]byte, control.MaxChat)) == nil {
		}
		if m.Err() != nil {
			r.Errorf("side chat to a slow leaf ended its membership: %v", m.Err())
		}
		start := time.Now()
		root.Close()
		if d := time.Since(start); d > 2*linkFarewell+time.Second {
			r.Errorf("Close took %v", d)
		}
		r.net.Heal()
		l.Close()
	})
}

func TestLink_APeerThatReadsNothingIsLetGo(t *testing.T) {
	inRoom(t, 7, quick, func(r *room) {
		patient := func(c *Config) { c.Silence = time.Minute }
		root := r.listen(patient)
		l, m := r.join("leaf", nil, patient)
		free := make(chan struct{})
		go l.do(func(time.Time, *control.Leaf) { <-free }) // nothing is read from its connection
		start := time.Now()
		for m.Chat(r.ctx, make([]byte, control.MaxChat)) == nil {
		}
		if d := time.Since(start); d < linkProgress || d > 2*linkProgress || m.Err() == nil {
			r.Errorf("after %v: %v", d, m.Err())
		}
		if n := len(root.Members()); n != 0 {
			r.Errorf("%d members are left", n)
		}
		if n := root.Stats().Stuck; n != 1 {
			r.Errorf("%d were counted as stuck", n)
		}
		close(free)
		l.Close()
	})
}

func TestR230_SideChatInALoopWaitsForItsReader(t *testing.T) {
	inRoom(t, 4, quick, func(r *room) {
		r.listen(nil)
		l, m := r.join("leaf", nil, nil)
		const n = 200
		go func() {
			for i := range n {
				p := make([]byte, control.MaxChat)
				p[0] = byte(i)
				if err := m.Chat(r.ctx, p); err != nil {
					r.Errorf("chat %d: %v", i, err)
					return
				}
			}
		}()
		p := make([]byte, control.MaxChat)
		for i := range n {
			if _, err := l.RecvChat(r.ctx, p); err != nil || p[0] != byte(i) {
				r.Fatalf("chat %d: number %d, %v", i, p[0], err)
			}
		}
		l.Close()
	})
}

func TestInbox_TellsWhatItDidNotKeepInItsPlace(t *testing.T) {
	var b inbox
	b.init()
	for i := range chatCount + 7 {
		b.add([]byte{byte(i)})
	}
	over, p := make(chan struct{}), make([]byte, 1)
	recv := func() error {
		_, err := b.recv(t.Context(), over, func() error { return io.EOF }, p)
		return err
	}
	if err := recv(); err != nil {
		t.Fatal(err)
	}
	b.add([]byte("x")) // after the gap
	for range chatCount - 1 {
		if err := recv(); err != nil {
			t.Fatal(err)
		}
	}
	if err := recv(); !errors.Is(err, transport.WSAENOBUFS) || !strings.Contains(err.Error(), "7 messages") {
		t.Errorf("in the gap's place: %v", err)
	}
	if err := recv(); err != nil || p[0] != 'x' {
		t.Errorf("behind the gap: %q, %v", p, err)
	}
	close(over)
	if err := recv(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestR216_WhoIsClosedIsToldHowMuchItMisses(t *testing.T) {
	for name, end := range map[string]func(r *room, m *Member){
		"the member's Close": func(_ *room, m *Member) { m.Close() },
		"the root's Close":   func(r *room, _ *Member) { r.root.Close() },
	} {
		inRoom(t, 8, quick, func(r *room) {
			root := r.listen(nil)
			l, m := r.join("leaf", nil, nil)
			time.Sleep(time.Second)
			r.net.Filter(func(p simnet.Packet) bool { return p.From != "root" })
			for i := range 10 {
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Fatal(err)
				}
			}
			end(r, m)
			if got, missed, err := take(r.T, r.ctx, l.Recv, 0); got != 0 || missed != 10 || err != nil {
				r.Errorf("%s: %d came, %d told missing, %v", name, got, missed, err)
			}
			l.Close()
		})
	}
}

func TestSend_ThatWaitsEndsWithTheMembership(t *testing.T) {
	inRoom(t, 5, quick, func(r *room) {
		root := r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		blocked := make(chan error, 1)
		go func() {
			for ; ; time.Sleep(time.Millisecond) { // the root reads nothing
				if err := l.Send(context.Background(), make([]byte, 1<<16)); err != nil {
					blocked <- err
					return
				}
			}
		}()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		select {
		case err := <-blocked:
			r.Fatalf("ended before the membership did: %v", err)
		default:
		}
		root.Close()
		if err := <-blocked; !errors.Is(err, transport.WSAENOTCONN) {
			r.Errorf("a send that waited while the root closed: %v", err)
		}
		l.Close()
	})
}

func TestRoot_WithoutKeysEndsForAll(t *testing.T) {
	inRoom(t, 6, quick, func(r *room) {
		root := r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		other, m := r.join("other", nil, nil)
		root.ring.Close() // a stand-in for a system that gives no random numbers
		m.Evict(transport.WSAEACCES, "out")
		<-root.Done()
		<-l.Done()
		if !errors.Is(l.Err(), transport.WSAECONNABORTED) {
			r.Errorf("the leaf hears %v", l.Err())
		}
		for name, f := range map[string]func() error{
			"Accept": func() error { _, err := root.Accept(r.ctx); return err },
			"Send":   func() error { return root.Send(r.ctx, []byte("x")) },
			"Recv":   func() error { _, err := root.Recv(r.ctx, nil); return err },
		} {
			if err := f(); !errors.Is(err, transport.WSASYSCALLFAILURE) || !strings.Contains(err.Error(), "epoch") {
				r.Errorf("%s: %v", name, err)
			}
		}
		root.Close()
		l.Close()
		other.Close()
	})
}
