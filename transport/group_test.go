package transport_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

func TestParseGroup_RefusesWhatIsNoGroup(t *testing.T) {
	for s, code := range map[string]transport.Code{
		"":                           transport.WSAEINVAL,
		"239.192.7.1":                transport.WSAEINVAL,
		"nobody@239.192.7.1:7000":    transport.WSAEINVAL,
		"239.192.7.1:0":              transport.WSAEADDRNOTAVAIL,
		"10.0.0.1:7000":              transport.WSAEADDRNOTAVAIL,
		"239.1.1.1@239.192.7.1:7000": transport.WSAEADDRNOTAVAIL,
		"fe80::1@239.192.7.1:7000":   transport.WSAEAFNOSUPPORT,
	} {
		if g, err := transport.ParseGroup(s); !errors.Is(err, code) {
			t.Errorf("ParseGroup(%q) = %v, %v; want %s", s, g, err, code.Name())
		}
	}
	if g, err := transport.ParseGroup("@239.192.7.1:7000"); err != nil || g.Source.IsValid() {
		t.Errorf("an empty source is any source: %v, %v", g, err)
	}
}

// FuzzParseGroup: what parses can carry a session and reads the same again;
// what does not is an *Error.
func FuzzParseGroup(f *testing.F) {
	for _, s := range []string{"239.192.7.1:7000", "10.0.0.1@232.1.1.1:5004", "@239.0.0.1:1", "[ff15::1%eth0]:7000",
		"fe80::1%x@[ff12::1%y]:9", "[::ffff:239.1.1.1]:5", "[fe80::1]@[ff05::2]:80", "239.1.1.1:99999", "@@:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := transport.ParseGroup(s)
		if err != nil {
			if _, ok := errors.AsType[*transport.Error](err); !ok {
				t.Errorf("ParseGroup(%q): %v is no *Error", s, err)
			}
			return
		}
		if err := g.Check(); err != nil {
			t.Errorf("ParseGroup(%q) = %v, which Check refuses: %v", s, g, err)
		}
		if g.Addr.Addr().Is4() {
			g.Interface = "" // no form that is read names it
		}
		again, err := transport.ParseGroup(g.String())
		if err != nil || again != g {
			t.Errorf("%q reads as %v and then as %v, %v", s, g, again, err)
		}
		if g.Addr.Addr() != g.Addr.Addr().WithZone("") || g.Addr.Addr().Is4In6() || g.Addr == (netip.AddrPort{}) {
			t.Errorf("ParseGroup(%q).Addr = %v", s, g.Addr)
		}
	})
}
