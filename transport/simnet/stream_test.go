package simnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func listener(t *testing.T, h *simnet.Host) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := h.Listen(t.Context(), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	return l, netip.AddrPortFrom(h.Addr(), uint16(l.Addr().(*net.TCPAddr).Port))
}

// streams connects a to b.
func streams(t *testing.T, n *simnet.Net) (a, b net.Conn) {
	t.Helper()
	l, addr := listener(t, n.Host("b"))
	a, err := n.Host("a").Dial(t.Context(), netip.AddrPort{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	b, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	p := make([]byte, len(want))
	if _, err := io.ReadFull(c, p); err != nil || string(p) != want {
		t.Errorf("read %q, %v; want %q", p, err, want)
	}
}

func wantSince(t *testing.T, what string, began time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(began).Truncate(time.Microsecond); got != want {
		t.Errorf("%s took %v; want %v", what, got, want)
	}
}

func TestStream_TakesTheLinksDelay(t *testing.T) {
	inBubble(t, simnet.Link{Delay: 10 * time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		began := time.Now()
		l, addr := listener(t, n.Host("b"))
		a, err := n.Host("a").Dial(t.Context(), netip.AddrPort{}, addr)
		if err != nil {
			t.Fatal(err)
		}
		wantSince(t, "Dial", began, 20*time.Millisecond)
		b, _ := l.Accept()
		wantSince(t, "Accept", began, 30*time.Millisecond)
		began = time.Now()
		io.WriteString(a, "question")
		wantRead(t, b, "question")
		wantSince(t, "the question", began, 10*time.Millisecond)
		io.WriteString(b, "answer")
		wantRead(t, a, "answer")
		wantSince(t, "question and answer", began, 20*time.Millisecond)
	})
}

func TestStream_HalfCloseLetsTheOtherHalfGoOn(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		io.WriteString(a, "all there is")
		if err := a.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if p, err := io.ReadAll(b); string(p) != "all there is" || err != nil {
			t.Errorf("read %q, %v", p, err)
		}
		_, err := a.Write([]byte("more"))
		wantCode(t, "Write after CloseWrite", err, transport.WSAESHUTDOWN)
		io.WriteString(b, "thanks")
		b.Close()
		if p, err := io.ReadAll(a); string(p) != "thanks" || err != nil {
			t.Errorf("read %q, %v", p, err)
		}
	})
}

func TestStream_WriterWaitsForItsReader(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		sent := bytes.Repeat([]byte("0123456789"), 20000)
		wrote := make(chan error, 1)
		go func() {
			_, err := a.Write(sent)
			wrote <- err
		}()
		after(time.Hour)
		select {
		case err := <-wrote:
			t.Fatalf("wrote %d bytes that nobody read: %v", len(sent), err)
		default:
		}
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := a.Write([]byte("another")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a second Write = %d, %v; want a timeout", n, err)
		}
		if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the first Write: %v; want a timeout", err)
		}
		a.Close()
		got, err := io.ReadAll(b)
		if err != nil || len(got) != 64<<10 || !bytes.HasPrefix(sent, got) {
			t.Errorf("read %d bytes, %v; want the 64 KiB that fit", len(got), err)
		}
	})
}

func TestStream_CarriesMuchInOrderOverABadLink(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.05, Reorder: 0.5, Duplicate: 0.5}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		sent := make([]byte, 1<<20)
		for i := range sent {
			sent[i] = byte(i ^ i>>8 ^ i>>16)
		}
		began := time.Now()
		go func() {
			for p := sent; len(p) > 0; p = p[min(len(p), 1000):] {
				a.Write(p[:min(len(p), 1000)])
			}
			a.Close()
		}()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read %d bytes, %v; want the %d that were written", len(got), err, len(sent))
		}
		if took := time.Since(began); took < 200*time.Millisecond {
			t.Errorf("1 MiB over 5 %% loss took %v; loss shows as delay", took)
		}
	})
}

func TestStream_SurvivesAShortPartition(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		n.PartitionOneWay([]string{"a"}, []string{"b"})
		io.WriteString(a, "patience")
		after(40 * time.Second)
		b.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := b.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d, %v through a partition", n, err)
		}
		b.SetReadDeadline(time.Time{})
		n.Heal()
		began := time.Now()
		wantRead(t, b, "patience")
		if took := time.Since(began); took > 2100*time.Millisecond {
			t.Errorf("resumed after %v; want two seconds at most", took)
		}
	})
}

func TestStream_TimesOutInALongOne(t *testing.T) {
	for name, cut := range map[string]func(n *simnet.Net){
		"both ways":    func(n *simnet.Net) { n.Partition([]string{"a"}) },
		"there":        func(n *simnet.Net) { n.PartitionOneWay([]string{"a"}, []string{"b"}) },
		"and back":     func(n *simnet.Net) { n.PartitionOneWay([]string{"b"}, []string{"a"}) },
		"by loss of 1": func(n *simnet.Net) { n.SetLoss("b", "a", 1) },
	} {
		inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
			a, b := streams(t, n)
			n.SetStreamTimeout(90 * time.Second)
			cut(n)
			began := time.Now()
			io.WriteString(a, "anybody?")
			_, err := a.Read(make([]byte, 1))
			wantCode(t, name+": Read", err, transport.WSAETIMEDOUT)
			if !errors.Is(err, syscall.ETIMEDOUT) {
				t.Errorf("%v does not match ETIMEDOUT, which a kernel says", err)
			}
			wantSince(t, name, began, 90*time.Second)
			// The other side learns of it when it writes.
			n.Heal()
			n.SetLoss("b", "a", 0)
			if name != "there" && name != "both ways" {
				wantRead(t, b, "anybody?")
			}
			io.WriteString(b, "here")
			_, err = b.Read(make([]byte, 1))
			wantCode(t, name+": Read of the other side", err, transport.WSAECONNRESET)
		})
	}
}

func TestStream_IsResetByKill(t *testing.T) {
	inBubble(t, simnet.Link{Delay: 5 * time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		io.WriteString(a, "last words")
		n.Kill("a")
		began := time.Now()
		wantRead(t, b, "last words")
		_, err := b.Read(make([]byte, 1))
		wantCode(t, "Read", err, transport.WSAECONNRESET)
		wantSince(t, "the reset", began, 5*time.Millisecond)
		_, err = b.Write([]byte("x"))
		if !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after a reset: %v; want EPIPE", err)
		}
		_, err = a.Read(make([]byte, 1))
		wantCode(t, "Read on the killed host", err, transport.WSAENETDOWN)
	})
}

// As TCP has it: who closes without reading all resets the stream. What was
// written before still arrives.
func TestStream_CloseWithUnreadDataResets(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		io.WriteString(a, "not read")
		after(time.Second)
		io.WriteString(b, "go away")
		b.Close()
		wantRead(t, a, "go away")
		_, err := a.Read(make([]byte, 1))
		wantCode(t, "Read", err, transport.WSAECONNRESET)
	})
}

func TestPause_StopsStreamsToo(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		n.Host("b").Pause()
		io.WriteString(a, "asleep?")
		time.AfterFunc(time.Minute, n.Host("b").Resume)
		began := time.Now()
		wantRead(t, b, "asleep?")
		wantSince(t, "reading on a paused host", began, time.Minute)
	})
}

func TestStream_WritingToAClosedOneResets(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := streams(t, n)
		b.Close()
		after(time.Second)
		if _, err := a.Write([]byte("hello?")); err != nil {
			t.Errorf("the first Write: %v; nobody has told it yet", err)
		}
		after(time.Second)
		if _, err := a.Write([]byte("hello?")); transport.CodeOf(err) != transport.WSAECONNRESET {
			t.Errorf("the second Write: %v; want WSAECONNRESET", err)
		}
	})
}

func TestDial_RefusalsAreNamed(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		n.Host("c")
		n.Partition([]string{"c"})
		try := func(what, to string, within time.Duration, code transport.Code, want time.Duration) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			began := time.Now()
			c, err := a.Dial(ctx, netip.AddrPort{}, netip.MustParseAddrPort(to))
			if err == nil {
				c.Close()
			}
			wantCode(t, what, err, code)
			wantSince(t, what, began, want)
		}
		try("nobody listens", "10.0.0.2:9", time.Hour, transport.WSAECONNREFUSED, 2*time.Millisecond)
		try("no such host", "10.0.0.77:9", time.Hour, transport.WSAEHOSTUNREACH, 3*time.Second)
		try("no route", "192.0.2.1:9", time.Hour, transport.WSAENETUNREACH, 0)
		try("cut off", "10.0.0.3:9", time.Hour, transport.WSAETIMEDOUT, 31*time.Second)
		try("cut off, with little time", "10.0.0.3:9", time.Second, transport.WSAETIMEDOUT, time.Second)
		try("no port", "10.0.0.2:0", time.Hour, transport.WSAEADDRNOTAVAIL, 0)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := a.Dial(ctx, netip.AddrPort{}, netip.MustParseAddrPort("10.0.0.3:9"))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled Dial: %v", err)
		}
		l, addr := listener(t, b)
		_, err = b.Listen(t.Context(), addr)
		wantCode(t, "Listen on a taken port", err, transport.WSAEADDRINUSE)
		_, err = b.Dial(t.Context(), addr, addr)
		wantCode(t, "Dial from a taken port", err, transport.WSAEADDRINUSE)
		_, err = b.Listen(t.Context(), netip.MustParseAddrPort("10.0.0.1:0"))
		wantCode(t, "Listen on another host's address", err, transport.WSAEADDRNOTAVAIL)
		l.Close()
		if _, err = b.Listen(t.Context(), addr); err != nil {
			t.Errorf("Listen on a port that is free again: %v", err)
		}
	})
}

// A listener that nobody accepts from fills up; who comes then waits.
func TestBacklog_FillsAndDialersTryAgain(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b", simnet.HostConfig{Backlog: 3})
		l, addr := listener(t, b)
		for range 3 {
			if _, err := a.Dial(t.Context(), netip.AddrPort{}, addr); err != nil {
				t.Fatal(err)
			}
		}
		dialed := make(chan error, 1)
		go func() {
			_, err := a.Dial(t.Context(), netip.AddrPort{}, addr)
			dialed <- err
		}()
		after(2 * time.Second)
		if len(dialed) != 0 {
			t.Fatalf("a full listener answered: %v", <-dialed)
		}
		first, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := <-dialed; err != nil {
			t.Errorf("after one was accepted: %v", err)
		}
		time.Sleep(time.Second)
		l.Close() // resets the three that nobody accepted
		first.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := first.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the accepted one, after the listener closed: %v; want it alive", err)
		}
	})
}

func TestClose_EndsEveryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(seed, simnet.Link{Delay: time.Millisecond})
		a, b := streams(t, n)
		l, _ := listener(t, n.Host("c"))
		n.Host("d")
		n.Partition([]string{"d"})
		g, u := member(t, n.Host("a"), group, transport.SocketOptions{}), speaker(t, n.Host("a"), transport.SocketOptions{WriteBuffer: 1000, NoLoopback: true})
		n.SetUplink("a", simnet.Link{Bandwidth: 1})
		ended := make(chan error, 6)
		for _, wait := range []func() error{
			func() error { _, err := a.Read(make([]byte, 1)); return err },
			func() error { _, err := b.Write(make([]byte, 1<<20)); return err },
			func() error { _, err := l.Accept(); return err },
			func() error {
				_, err := n.Host("a").Dial(t.Context(), netip.AddrPort{}, netip.AddrPortFrom(n.Host("d").Addr(), 9))
				return err
			},
			func() error { _, err := g.ReadBatch([]transport.Datagram{{}}); return err },
			func() error {
				_, err := u.WriteBatch([]transport.Datagram{{B: make([]byte, 900), Addr: group}, {B: make([]byte, 900), Addr: group}})
				return err
			},
		} {
			go func() { ended <- wait() }()
		}
		// a reads what b writes at once, and then waits as the others do.
		time.Sleep(time.Second)
		n.Close()
		n.Close()
		eof := 0
		for range cap(ended) {
			if err := <-ended; err == nil {
				eof++
			} else if !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v; want net.ErrClosed", err)
			}
		}
		if eof != 1 {
			t.Errorf("%d calls succeeded; want the one Read", eof)
		}
		check(t, n)
		wantCode(t, "Inject", n.Inject(group, group, nil), transport.WSAENOTSOCK)
	})
}
