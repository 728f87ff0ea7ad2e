package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/door"
	"github.com/joinleaf/joinleaf/transport"
)

// controlPort is where a root listens when nothing else is said.
const controlPort = 7654

// hostPort reads HOST:PORT, :PORT or [IPv6%zone]:PORT, and looks a name up.
func hostPort(ctx context.Context, what, s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, usage("%s %q: want HOST:PORT, such as 10.0.0.5:%d", what, s, controlPort)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, usage("%s %q: the port must be a number up to 65535", what, s)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(n)), nil
	}
	a, err := door.LookUp(ctx, host)
	if err != nil {
		return netip.AddrPort{}, usage("%s %q: %w", what, s, err)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

// parseGroup reads --group; left out, a private group is drawn.
func parseGroup(s string) (transport.Group, error) {
	if s == "" {
		return drawGroup(), nil
	}
	g, err := transport.ParseGroup(s)
	if err != nil {
		return g, usage("--group: %w", err)
	}
	return g, nil
}

// drawGroup draws one of 239.192.0.0/14, the range for an organisation's own
// use (RFC 2365): none of its addresses shares a MAC address with the 224.0.0.x
// that switches flood to all ports (F-23). Ports stay below those that systems
// hand out.
func drawGroup() transport.Group {
	a := netip.AddrFrom4([4]byte{239, byte(192 + rand.IntN(4)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	return transport.Group{Addr: netip.AddrPortFrom(a, uint16(10_000+rand.IntN(20_000)))}
}

// quote writes s so that a shell takes it as one word.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+=,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
