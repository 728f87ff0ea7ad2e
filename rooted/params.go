package rooted

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// maxMTU is where packets end even if the interface takes more.
const maxMTU = 9000

// mtuFor is the packet size of a session: the configured one, else the
// interface's. Loopback's 64 KiB is no network's, so it counts as an Ethernet.
func (c Config) mtuFor(i transport.Interface) int {
	mtu := i.MTU
	if i.Loopback || mtu <= 0 {
		mtu = 1500
	}
	if c.MTU > 0 {
		mtu = min(c.MTU, max(mtu, i.MTU))
	}
	return min(mtu, maxMTU)
}

// parameters are what the root fixes for the session.
func (c Config) parameters(g transport.Group, i transport.Interface, suite crypto.Suite) control.Params {
	mtu := c.mtuFor(i)
	p := control.Params{
		Suite: uint8(suite), Plane: uint8(c.Data), Level: uint8(c.Source),
		Group: g.Addr, Source: g.Source, MTU: uint16(mtu),
		Symbol:     uint16(flow.SymbolSize(mtu, suite.Overhead(), g.Addr.Addr().Is6())),
		MaxMessage: uint32(c.MaxMessage), Window: uint32(c.Window), Name: c.Name, Second: c.Second.Addr, Ordered: c.Ordered,
	}
	for _, class := range c.Streams {
		p.Streams = append(p.Streams, uint8(class))
		if class == flow.Deadline {
			p.Latency = uint16(c.Latency / time.Millisecond)
		}
	}
	return p
}

// hashOf enters every key: a parameter that was tampered with gives traffic
// that does not open.
func hashOf(p control.Params) [32]byte { return sha256.Sum256(p.Append(nil)) }

// usable reports what a leaf of this version cannot take part in.
func usable(p control.Params, w *control.Welcome, least SourceLevel) error {
	fail := func(c transport.Code, f string, a ...any) error {
		return &transport.Error{Op: "join", Code: c, Err: fmt.Errorf(f, a...)}
	}
	if err := p.Check(); err != nil {
		return fail(transport.WSAECONNABORTED, "the root's parameters: %w", err)
	}
	if err := crypto.Suite(p.Suite).Check(); err != nil {
		return fail(transport.WSAEPROTONOSUPPORT, "the root protects packets in a way this version does not know: %w", err)
	}
	switch level := SourceLevel(p.Level); {
	case level > Group, p.Plane != uint8(RootedData) && level != Group:
		return fail(transport.WSAEPROTONOSUPPORT, "the root authenticates data in a way (%d) that this version does not know", p.Level)
	case level > least:
		return fail(transport.WSAEACCES, "the session's data is authenticated at level %q, and Config.Source asks for %q at least", level, least)
	}
	if p.Plane > uint8(LeafRootedData) {
		return fail(transport.WSAEPROTONOSUPPORT, "the root has a data plane (%d) that this version does not know", p.Plane)
	}
	if err := (transport.Group{Addr: p.Group, Source: p.Source}).Check(); err != nil {
		return err
	}
	if int(p.Symbol) != flow.SymbolSize(int(p.MTU), crypto.Suite(p.Suite).Overhead(), p.Group.Addr().Is6()) {
		return fail(transport.WSAEPROTONOSUPPORT, "a symbol of %d bytes does not fit packets of %d", p.Symbol, p.MTU)
	}
	if why := whyNoOrder(p); why != "" {
		return fail(transport.WSAEPROTONOSUPPORT, "the root asks for a total order, which takes %s", why)
	}
	if !w.Root.IsValid() {
		return fail(transport.WSAECONNABORTED, "the root told no address for its data socket")
	}
	return nil
}

// plane turns parameters into the values that make an engine this member's.
func (c Config) plane(p control.Params, self uint32, role Role) session.Config {
	s := session.Config{
		Self: self, Hub: control.RootID, GroupAddr: p.Group,
		Symbol: int(p.Symbol), MaxMessage: int(p.MaxMessage), Window: int(p.Window),
		Rate: c.Rate, Law: c.law(), Logger: c.Logger, BusyPoll: c.BusyPoll, Latency: time.Duration(p.Latency) * time.Millisecond,
		Policy: c.Policy, Quorum: c.Quorum, NoQuarantine: c.NoQuarantine, NoParity: c.NoParity,
		ReceiveOnly: !role.Sends(), SendOnly: !role.Receives(),
	}
	for _, class := range p.Streams {
		s.Streams = append(s.Streams, flow.Class(class))
	}
	if p.Ordered {
		s.Sequencer, s.Policy = control.RootID, flow.Slowest
	}
	if DataPlane(p.Plane) == RootedData && self != control.RootID {
		s.To = control.RootID
	}
	return s
}

// localAddr is the interface's address that a member of g sends from.
func localAddr(i transport.Interface, g netip.Addr) (netip.AddrPort, error) {
	var linkLocal netip.Addr
	for _, p := range i.Addrs {
		a := p.Addr().Unmap()
		switch {
		case a.Is4() != g.Is4():
		case a.Is6() && a.IsLinkLocalUnicast():
			linkLocal = a.WithZone(i.Name)
		default:
			if g.Is6() && g.IsLinkLocalMulticast() && linkLocal.IsValid() {
				break
			}
			return netip.AddrPortFrom(a, 0), nil
		}
	}
	if linkLocal.IsValid() {
		return netip.AddrPortFrom(linkLocal, 0), nil
	}
	return netip.AddrPort{}, &transport.Error{Op: "open session", Code: transport.WSAEADDRNOTAVAIL, Err: fmt.Errorf("interface %s has no address of the group's family; give it one or name another", i.Name)}
}

func errOver(op string) error {
	return &transport.Error{Op: op, Code: transport.WSA_OPERATION_ABORTED, Err: errors.New("the session was closed")}
}
