package transport_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// An address left out stands for all, in both families.
func TestListen_NoAddressHearsBothFamilies(t *testing.T) {
	l, err := transport.Kernel{}.Listen(t.Context(), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	for _, home := range []string{"127.0.0.1", "::1"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(home), port)
		c, err := transport.Kernel{}.Dial(t.Context(), netip.AddrPort{}, to)
		if errors.Is(err, transport.WSAEADDRNOTAVAIL) || errors.Is(err, transport.WSAENETUNREACH) {
			t.Logf("this host has no %s: %v", home, err)
			continue
		}
		if err != nil {
			t.Errorf("Dial %v: %v", to, err)
			continue
		}
		c.Close()
	}
}

func TestDial_SaysWhyNot(t *testing.T) {
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	home := netip.MustParseAddrPort("127.0.0.1:9")
	for _, c := range []struct {
		story  string
		ctx    context.Context
		local  netip.AddrPort
		remote netip.AddrPort
		want   error
	}{
		{"no address", t.Context(), netip.AddrPort{}, netip.AddrPort{}, transport.WSAEADDRNOTAVAIL},
		{"no port", t.Context(), netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:0"), transport.WSAEADDRNOTAVAIL},
		{"from an address of another host", t.Context(), netip.MustParseAddrPort("192.0.2.7:0"), home, transport.WSAEADDRNOTAVAIL},
		{"too late", late, netip.AddrPort{}, home, transport.WSAETIMEDOUT},
		{"too late, in Go's words", late, netip.AddrPort{}, home, os.ErrDeadlineExceeded},
		{"by an interface that is not there", t.Context(), netip.AddrPort{}, netip.MustParseAddrPort("[fe80::1%nosuch0]:9"), transport.WSAEADDRNOTAVAIL},
	} {
		conn, err := transport.Kernel{}.Dial(c.ctx, c.local, c.remote)
		if err == nil {
			conn.Close()
		}
		if _, ok := errors.AsType[*transport.Error](err); !ok || !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", c.story, err, c.want)
		}
	}
}
