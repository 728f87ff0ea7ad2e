package nonrooted

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

const (
	// maxMTU is where packets end even if the interface takes more.
	maxMTU = 9000
	// levelGroup is the number of authentication by the group's key.
	levelGroup = 2
	// The data planes' numbers in the parameters.
	planeRooted    = 0
	planeNonrooted = 1
)

// mtuFor is the packet size: the configured one, else the interface's.
// Loopback's 64 KiB is no network's, so it counts as an Ethernet.
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

// charter draws up a session of which this member is the founder.
func (c Config) charter(g transport.Group, i transport.Interface) (control.Charter, error) {
	id, err := crypto.NewSessionID()
	if err != nil {
		return control.Charter{}, err
	}
	suite := crypto.DefaultSuite()
	mtu := c.mtuFor(i)
	p := control.Params{
		Suite: uint8(suite), Plane: planeNonrooted, Level: levelGroup, Group: g.Addr, Source: g.Source, MTU: uint16(mtu),
		Symbol:     uint16(flow.SymbolSize(mtu, suite.Overhead(), g.Addr.Addr().Is6())),
		MaxMessage: uint32(c.MaxMessage), Window: uint32(c.Window), Name: c.Name, Ordered: c.Ordered,
	}
	if c.Plane == RootedData {
		p.Plane = planeRooted
	}
	for _, class := range c.Streams {
		p.Streams = append(p.Streams, uint8(class))
		if class == flow.Deadline {
			p.Latency = uint16(c.Latency / time.Millisecond)
		}
	}
	charter := control.Charter{Session: id, Limit: uint16(c.Limit), Params: p}
	for _, a := range c.Admins {
		charter.Admins = append(charter.Admins, a)
	}
	return charter, nil
}

// usable reports what a member of this version cannot take part in.
func usable(c control.Charter, g transport.Group, role Role) error {
	fail := func(f string, a ...any) error {
		return &transport.Error{Op: "join", Code: transport.WSAEPROTONOSUPPORT, Err: fmt.Errorf(f, a...)}
	}
	p := c.Params
	if err := c.Check(); err != nil {
		return fail("the session's charter: %w", err)
	}
	if err := crypto.Suite(p.Suite).Check(); err != nil {
		return fail("the session protects packets in a way this version does not know: %w", err)
	}
	switch {
	case p.Group != g.Addr:
		return fail("the session's group is %v, not %v", p.Group, g.Addr)
	case p.Plane > planeNonrooted:
		return fail("the session has a data plane (%d) that this version does not know between equals", p.Plane)
	case p.Level != levelGroup:
		return fail("the session authenticates data at level %d; this version knows %d only", p.Level, levelGroup)
	case p.Second.IsValid():
		return fail("the session has a second path, which this version does not know between equals")
	case p.Ordered && role != Both:
		return fail("in a session with a total order all members send and receive: any of them may have to tell the order")
	case orderNeeds(p.Ordered, p.Plane == planeRooted, classes(p.Streams), int(p.MaxMessage)) != "":
		return fail("a total order takes %s", orderNeeds(p.Ordered, p.Plane == planeRooted, classes(p.Streams), int(p.MaxMessage)))
	case int(p.Symbol) != flow.SymbolSize(int(p.MTU), crypto.Suite(p.Suite).Overhead(), p.Group.Addr().Is6()):
		return fail("a symbol of %d bytes does not fit packets of %d", p.Symbol, p.MTU)
	}
	return nil
}

// engine turns a charter into the values that make the data plane this member's.
// lead is the root of rooted data.
func (c Config) engine(p control.Params, self, lead uint32) session.Config {
	s := session.Config{
		Self: self, GroupAddr: p.Group, Symbol: int(p.Symbol), MaxMessage: int(p.MaxMessage), Window: int(p.Window),
		Rate: c.Rate, Law: c.law(), Logger: c.Logger, BusyPoll: c.BusyPoll, Latency: time.Duration(p.Latency) * time.Millisecond,
		NoQuarantine: !c.Quarantine, Budget: c.Budget, ReceiveOnly: !c.Role.Sends(), SendOnly: !c.Role.Receives(),
	}
	s.Streams = classes(p.Streams)
	if p.Ordered {
		s.Sequencer = lead
	}
	if p.Plane == planeRooted && self != lead {
		s.To = lead
	}
	return s
}

func classes(streams []uint8) (out []flow.Class) {
	for _, c := range streams {
		out = append(out, flow.Class(c))
	}
	return out
}

// leastOrdered is the least MaxMessage of a session with a total order, which is
// told in messages of its own.
const leastOrdered = 64

// orderNeeds says what a session lacks for a total order; "": nothing.
func orderNeeds(ordered, rooted bool, streams []flow.Class, longest int) string {
	switch {
	case !ordered:
		return ""
	case rooted:
		return "nonrooted data: with rooted data nobody but the root hears two senders"
	case len(streams) >= flow.MaxStreams:
		return "at most 15 streams: the order needs one"
	case longest < leastOrdered:
		return "a longest message of at least 64 bytes"
	case slices.ContainsFunc(streams, func(c flow.Class) bool { return c != flow.Reliable }):
		return "reliable streams only: what may be missing has no place"
	}
	return ""
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
		case g.Is6() && g.IsLinkLocalMulticast():
			linkLocal = a // unless one of the link is found
		default:
			return netip.AddrPortFrom(a, 0), nil
		}
	}
	if linkLocal.IsValid() {
		return netip.AddrPortFrom(linkLocal, 0), nil
	}
	return netip.AddrPort{}, &transport.Error{Op: "join", Code: transport.WSAEADDRNOTAVAIL, Err: fmt.Errorf("interface %s has no address of the group's family; give it one or name another", i.Name)}
}
