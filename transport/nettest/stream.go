package nettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// listen opens a listener on a host, closed when the test ends.
func (k link) listen(t *testing.T, host int) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := k.Hosts[host].Network.Listen(t.Context(), netip.AddrPortFrom(k.addr(host), 0))
	if err != nil {
		t.Fatalf("host %d: Listen: %v", host, err)
	}
	t.Cleanup(func() { l.Close() })
	return l, netip.AddrPortFrom(k.addr(host), addrPort(t, l.Addr()).Port())
}

// addrPort reads a net.Addr; every stream address has this form.
func addrPort(t *testing.T, a net.Addr) netip.AddrPort {
	t.Helper()
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatalf("address %q is no address and port", a)
	}
	return ap
}

// pair connects a host's dialer to another host's listener.
func (k link) pair(t *testing.T, from, to int) (dialed, accepted net.Conn) {
	t.Helper()
	l, addr := k.listen(t, to)
	type result struct {
		c   net.Conn
		err error
	}
	got := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		got <- result{c, err}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dialed, err := k.Hosts[from].Network.Dial(ctx, netip.AddrPortFrom(k.addr(from), 0), addr)
	if err != nil {
		t.Fatalf("Dial %v: %v", addr, err)
	}
	t.Cleanup(func() { dialed.Close() })
	r, ok := within(got)
	if !ok || r.err != nil {
		t.Fatalf("Accept: %v, in time %v", r.err, ok)
	}
	t.Cleanup(func() { r.c.Close() })
	return dialed, r.c
}

// streamBothWays: a connection carries both ways at once, whole, and its ends
// know each other's addresses.
func streamBothWays(t *testing.T, k link) {
	a, b := k.pair(t, 1, 0)
	if got := addrPort(t, b.RemoteAddr()); plain(got.Addr()) != plain(k.addr(1)) || got.Port() != addrPort(t, a.LocalAddr()).Port() {
		t.Errorf("accepted from %v; the dialer is %v", got, a.LocalAddr())
	}
	if got := addrPort(t, a.RemoteAddr()); plain(got.Addr()) != plain(k.addr(0)) {
		t.Errorf("dialed %v; want %v", got, k.addr(0))
	}
	const size = 1 << 20
	ended := make(chan error, 4)
	for i, c := range []net.Conn{a, b} {
		go func() {
			n, err := c.Write(bytes.Repeat([]byte{byte('a' + i)}, size))
			if err == nil && n != size {
				err = fmt.Errorf("wrote %d of %d bytes without an error", n, size)
			}
			ended <- err
		}()
		go func() {
			p := make([]byte, size)
			_, err := io.ReadFull(c, p)
			if err == nil && !bytes.Equal(p, bytes.Repeat([]byte{byte('b' - i)}, size)) {
				err = errors.New("the bytes that arrived are not those that were written")
			}
			ended <- err
		}()
	}
	for range cap(ended) {
		if err, ok := within(ended); !ok || err != nil {
			t.Fatalf("carrying ended: %v, with %v", ok, err)
		}
	}
	a.Close()
	b.SetReadDeadline(time.Now().Add(patience))
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read after the other side closed = %d, %v; want io.EOF", n, err)
	}
}

// streamDeadlines: a deadline ends a Read and can be lifted; Close ends Read
// and Accept.
func streamDeadlines(t *testing.T, k link) {
	a, b := k.pair(t, 2, 0)
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err := a.Read(make([]byte, 1))
	var ne net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("Read past its deadline: %v; want os.ErrDeadlineExceeded", err)
	}
	a.SetReadDeadline(time.Time{})
	if _, err := b.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1)
	if n, err := a.Read(p); n != 1 || err != nil || p[0] != 'x' {
		t.Errorf("Read with the deadline lifted = %d, %v, %q", n, err, p)
	}

	ended := make(chan error, 1)
	go func() { _, err := a.Read(make([]byte, 1)); ended <- err }()
	time.Sleep(10 * time.Millisecond)
	a.Close()
	if err, ok := within(ended); !ok || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read ended: %v, with %v; want net.ErrClosed", ok, err)
	}
	l, _ := k.listen(t, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	time.Sleep(10 * time.Millisecond)
	l.Close()
	if err, ok := within(ended); !ok || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ended: %v, with %v; want net.ErrClosed", ok, err)
	}
}

// dialRefused: a port without a listener, a taken port, a done context and an
// address without a route each say what they are.
func dialRefused(t *testing.T, k link) {
	h := k.Hosts[1]
	l, addr := k.listen(t, 0)
	_, err := k.Hosts[0].Network.Listen(t.Context(), addr)
	wantCode(t, "Listen on a taken port", err, transport.WSAEADDRINUSE)
	l.Close()
	dial := func(ctx context.Context, what string, to netip.AddrPort, codes ...transport.Code) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		c, err := h.Network.Dial(ctx, netip.AddrPort{}, to)
		if err == nil {
			c.Close()
		}
		wantCode(t, "Dial "+what, err, codes...)
	}
	dial(t.Context(), "a port without a listener", addr, transport.WSAECONNREFUSED)

	done, cancel := context.WithCancel(t.Context())
	cancel()
	dial(done, "with a done context", addr, transport.WSAEINTR)

	nowhere := netip.MustParseAddr("192.0.2.77")
	if k.group.Is6() {
		nowhere = netip.MustParseAddr("2001:db8::77")
	}
	if _, _, err := h.Network.Route(nowhere); err == nil {
		return // there is a route out of the lab: nothing is to be sent there
	} else {
		wantCode(t, "Route to nowhere", err, transport.WSAENETUNREACH, transport.WSAEHOSTUNREACH)
	}
	dial(t.Context(), "without a route", netip.AddrPortFrom(nowhere, 9), transport.WSAENETUNREACH, transport.WSAEHOSTUNREACH)
}
