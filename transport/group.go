package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Group names what a session's data is sent to: a multicast address with its
// port, for source-specific multicast the one source, and the interface.
// It is comparable and may be a map key.
type Group struct {
	// Addr is the group and its UDP port. Its zone, if any, is the interface.
	Addr netip.AddrPort
	// Source restricts the group to one sender (SSM). Invalid means any source.
	Source netip.Addr
	// Interface is the name of the interface. Empty means that Choose decides.
	Interface string
}

// ParseGroup reads "GROUP:PORT", "SRC@GROUP:PORT" and their IPv6 forms
// "[GROUP]:PORT", "SRC@[GROUP%zone]:PORT". An empty source ("@GROUP:PORT", as
// media players write it) means any source.
func ParseGroup(s string) (Group, error) {
	var g Group
	fail := func(why string) (Group, error) {
		return Group{}, &Error{Op: fmt.Sprintf("parse group %q", s), Code: WSAEINVAL, Err: errors.New(why)}
	}
	rest := s
	if src, after, found := strings.Cut(s, "@"); found {
		rest = after
		if src != "" {
			a, err := netip.ParseAddr(strings.Trim(src, "[]"))
			if err != nil {
				return fail("the source before @ is not an IP address")
			}
			g.Source = a.Unmap()
		}
	}
	ap, err := netip.ParseAddrPort(rest)
	if err != nil {
		return fail("want GROUP:PORT, SRC@GROUP:PORT or [IPv6-GROUP]:PORT, such as 239.192.7.1:7000")
	}
	if z := ap.Addr().Zone(); z != "" {
		g.Interface = z
	}
	g.Addr = netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	if err := g.Check(); err != nil {
		return Group{}, err
	}
	return g, nil
}

// Check reports whether g can carry a session: a multicast group, a port, a
// source of the same family.
func (g Group) Check() error {
	fail := func(c Code, why string) error {
		return &Error{Op: "check group", Group: g, Code: c, Err: errors.New(why)}
	}
	a := g.Addr.Addr()
	switch {
	case !a.IsValid():
		return &Error{Op: "check group", Code: WSAEADDRNOTAVAIL, Err: errors.New("no group address given; 239.192.0.0/14 is free for private use")}
	case !a.IsMulticast():
		return fail(WSAEADDRNOTAVAIL, a.String()+" is not a multicast group; use one of 239.192.0.0/14 or [ff15::]/16")
	case g.Addr.Port() == 0:
		return fail(WSAEADDRNOTAVAIL, "a group needs a port other than 0")
	case g.Source.IsValid() && g.Source.Is4() != a.Is4():
		return fail(WSAEAFNOSUPPORT, "source and group are of different families")
	case g.Source.IsValid() && (g.Source.IsMulticast() || g.Source.IsUnspecified()):
		return fail(WSAEADDRNOTAVAIL, "the source must be a host's address")
	}
	return nil
}

// String is the form that ParseGroup reads; an interface shows as %name.
func (g Group) String() string {
	if !g.Addr.IsValid() {
		return "no group"
	}
	var b strings.Builder
	if g.Source.IsValid() {
		b.WriteString(g.Source.String() + "@")
	}
	a := g.Addr
	if g.Interface != "" && a.Addr().Is6() {
		a = netip.AddrPortFrom(a.Addr().WithZone(g.Interface), a.Port())
	}
	b.WriteString(a.String())
	if g.Interface != "" && g.Addr.Addr().Is4() {
		b.WriteString("%" + g.Interface)
	}
	return b.String()
}
