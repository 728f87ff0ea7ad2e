package door

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// Kind says what an Endpoint is.
type Kind uint8

// The kinds.
const (
	Path   Kind = iota // a file, device or named pipe
	Pipe               // "-": stdin or stdout
	Socket             // udp:// or rtp://
)

// Direction says which way payload goes.
type Direction uint8

// The directions.
const (
	In Direction = iota
	Out
)

// Pace says when datagrams leave.
type Pace uint8

// The paces.
const (
	PaceArrival Pace = iota // as they came in at the sender
	PaceNone                // at once
)

// The defaults that media tools agree on.
const (
	DefaultPacketSize = 7 * tsPacket     // 1316: what fits one Ethernet packet
	DefaultFIFO       = 28672 * tsPacket // ffmpeg's fifo_size
	tsPacket          = 188              // MPEG transport stream
	tsSync            = 0x47
	maxDatagram       = 65507
)

// Endpoint is one end of a pipe, as a user types it: "lab.iso", "-",
// "udp://@239.192.1.1:5000?iface=eth0".
type Endpoint struct {
	Kind Kind
	Path string // of a Path
	URL  string // of a Socket, as typed

	// Of a Socket. Host is kept until Resolve, which fills in Addr.
	Host string
	Port uint16
	Addr netip.AddrPort

	Interface  string        // name, index or address; empty: the command's
	TTL        int           // zero: 1
	DSCP       int           // zero: best effort
	PacketSize int           // bytes a datagram, where a stream is cut into them
	Buffer     int           // kernel buffer in bytes; zero: transport's default
	FIFO       int           // bytes of datagrams waiting to be sent on
	Sources    []netip.Addr  // only from these
	Block      []netip.Addr  // not from these
	Timeout    time.Duration // an input this long silent has ended; zero: never
	Pace       Pace
	Notes      []string // sentences about options that change nothing
}

// Parse reads an endpoint. Addresses are not looked up yet: see Resolve.
func Parse(dir Direction, s string) (Endpoint, error) {
	switch {
	case s == "":
		return Endpoint{}, fmt.Errorf("an empty name is no endpoint: give a file, - or udp://HOST:PORT")
	case s == "-":
		return Endpoint{Kind: Pipe}, nil
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		return Endpoint{Kind: Path, Path: s}, nil
	}
	switch strings.ToLower(scheme) {
	case "udp", "rtp":
		return parseSocket(dir, s, rest)
	}
	return Endpoint{}, fmt.Errorf("%s:// is no door of joinleaf; there are udp://, rtp://, a file's name and -", scheme)
}

func parseSocket(dir Direction, whole, rest string) (Endpoint, error) {
	e := Endpoint{Kind: Socket, URL: whole, PacketSize: DefaultPacketSize, FIFO: DefaultFIFO}
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimSuffix(rest, "/")
	src, addr, found := strings.Cut(rest, "@")
	if !found {
		src, addr = "", rest
	}
	if src != "" { // udp://SRC@GROUP:PORT; the empty one of VLC's udp://@GROUP means nothing
		a, err := netip.ParseAddr(strings.Trim(src, "[]"))
		if err != nil {
			return e, fmt.Errorf("%s: the source %q before @ is not an IP address", whole, src)
		}
		e.Sources = []netip.Addr{a.Unmap()}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return e, fmt.Errorf("%s: want HOST:PORT, such as udp://127.0.0.1:5000 or udp://239.192.1.1:5000", whole)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return e, fmt.Errorf("%s: the port must be a number from 1 to 65535", whole)
	}
	e.Host, e.Port = host, uint16(n)
	if err := e.options(dir, query); err != nil {
		return e, fmt.Errorf("%s: %w", whole, err)
	}
	return e, e.literal()
}

// literal fills in Addr when Host needs no look-up.
func (e *Endpoint) literal() error {
	if e.Host == "" {
		e.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), e.Port)
	} else if a, err := netip.ParseAddr(e.Host); err == nil {
		if z := a.Zone(); z != "" && e.Interface == "" {
			e.Interface = z
		}
		if a.IsMulticast() {
			a = a.WithZone("")
		}
		e.Addr = netip.AddrPortFrom(a.Unmap(), e.Port)
	} else {
		return nil
	}
	if len(e.Sources) > 0 && !e.IsGroup() {
		e.Notes = append(e.Notes, "sources of a unicast address are checked here, packet by packet")
	}
	return nil
}

// Resolve looks the host up where it is a name.
func (e *Endpoint) Resolve(ctx context.Context) error {
	if e.Kind != Socket || e.Addr.IsValid() {
		return nil
	}
	a, err := LookUp(ctx, e.Host)
	if err == nil {
		e.Addr = netip.AddrPortFrom(a, e.Port)
	}
	return err
}

// LookUp gives a host's first address, IPv4 before IPv6.
func LookUp(ctx context.Context, host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap(), nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(all) == 0 {
		return netip.Addr{}, fmt.Errorf("%s is no address and no known host name; type the address", host)
	}
	for _, a := range all {
		if a = a.Unmap(); a.Is4() {
			return a, nil
		}
	}
	return all[0], nil
}

// IsGroup reports whether a Socket's address is a multicast group.
func (e *Endpoint) IsGroup() bool { return e.Addr.IsValid() && e.Addr.Addr().IsMulticast() }

// Group is the socket's group, on the interface named.
func (e *Endpoint) group(iface string) transport.Group {
	g := transport.Group{Addr: e.Addr, Interface: iface}
	if len(e.Sources) == 1 { // several: filtered here, one membership holds one source
		g.Source = e.Sources[0]
	}
	return g
}

// String is what the user typed.
func (e *Endpoint) String() string {
	switch e.Kind {
	case Pipe:
		return "-"
	case Path:
		return e.Path
	}
	return e.URL
}
