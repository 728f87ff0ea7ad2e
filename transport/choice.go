package transport

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Choice is the interface that a session uses, and why; say it once in the
// log, so that a wrong choice is seen (F-2).
type Choice struct {
	Interface Interface
	Reason    string   // a phrase: "the control connection uses it (10.0.0.5)"
	Others    []string // one for each other interface: "docker0: virtual"
}

// String is the line for the log.
func (c Choice) String() string {
	s := fmt.Sprintf("%s: %s", c.Interface.Name, c.Reason)
	if len(c.Others) > 0 {
		s += " (others: " + strings.Join(c.Others, "; ") + ")"
	}
	return s
}

// Choose finds the interface for a group, since leaving it to the system picks
// a wrong one on every host that has more than one. In this order it takes
//
//  1. want: an interface's name, index or one of its addresses ("" and "auto"
//     leave it open), or the zone of the group's address;
//  2. the interface that owns via, the local address of the control connection;
//  3. the interface of the route to the group (IPv4 only: see below);
//  4. the interface of the default route;
//  5. the only one left that will do.
//
// An interface that is down, carries no multicast or has no address of the
// group's family will never do. Loopback and virtual ones do when they are
// named or the control connection uses them; point-to-point ones only when
// named, since most tunnels say that they carry multicast and do not (F-3).
// An invalid via leaves its rank out.
//
// IPv6 has a route to every group on every interface, which tells nothing, so
// rank 3 is left out. A link-local IPv6 group exists on every link apart, so
// rank 4 is as well: with several candidates Choose refuses to guess (F-19).
func Choose(n Network, want string, group netip.Addr, via netip.Addr) (Choice, error) {
	all, err := n.Interfaces()
	if err != nil {
		return Choice{}, Explain("choose interface", Group{}, err)
	}
	c := chooser{network: n, all: all, group: group.Unmap(), via: via.Unmap()}
	if want == "auto" {
		want = ""
	}
	if z := group.Zone(); want == "" && z != "" {
		want = z
	}
	if want != "" {
		return c.named(want)
	}
	return c.automatic()
}

type chooser struct {
	network Network
	all     []Interface
	group   netip.Addr
	via     netip.Addr
}

// named takes the interface that was asked for, or says why it cannot serve.
func (c *chooser) named(want string) (Choice, error) {
	i, why := c.find(want)
	if i == nil {
		return Choice{}, c.fail(WSAEADDRNOTAVAIL, "there is no interface %s", want)
	}
	switch c.unfit(i, byName) {
	case "":
		return c.take(i, why), nil
	case down:
		return Choice{}, c.fail(WSAENETDOWN, "the interface %s is down; bring it up or name another", i.Name)
	case noMulticast:
		return Choice{}, c.fail(WSAEOPNOTSUPP, "the interface %s carries no multicast; name another", i.Name)
	}
	return Choice{}, c.fail(WSAEADDRNOTAVAIL, "the interface %s has no %s address; give it one or name another", i.Name, familyName(c.group))
}

// find looks for a name first: an interface may be called "2".
func (c *chooser) find(want string) (*Interface, string) {
	for n := range c.all {
		if c.all[n].Name == want {
			return &c.all[n], "named"
		}
	}
	if index, err := strconv.Atoi(want); err == nil {
		if i := c.byIndex(index); i != nil {
			return i, "named by its index " + want
		}
	}
	if a, err := netip.ParseAddr(want); err == nil {
		if i := c.owner(a.Unmap()); i != nil {
			return i, "named by its address " + want
		}
	}
	return nil, ""
}

// automatic goes down the ranks.
func (c *chooser) automatic() (Choice, error) {
	if c.via.IsValid() && !c.via.IsUnspecified() {
		if i := c.owner(c.via); i != nil && c.unfit(i, byControl) == "" {
			return c.take(i, fmt.Sprintf("the control connection uses it (%v)", c.via)), nil
		}
	}
	if ch, ok := c.byRoute(); ok {
		return ch, nil
	}
	var fit []*Interface
	for n := range c.all {
		if c.unfit(&c.all[n], byRule) == "" {
			fit = append(fit, &c.all[n])
		}
	}
	switch len(fit) {
	case 0:
		return Choice{}, c.fail(WSAENETUNREACH, "no interface will do; name one (lo reaches this host only)")
	case 1:
		return c.take(fit[0], "the only one that will do"), nil
	}
	return Choice{}, c.fail(WSAENETUNREACH, "several interfaces would do, and no route decides; name one")
}

// byRoute follows the route to the group, then the default route. IPv6 has a
// route to all groups on every interface, so there the first says nothing, and
// for a link-local group neither does.
func (c *chooser) byRoute() (Choice, bool) {
	type rank struct {
		to     netip.Addr
		reason string
	}
	ranks := []rank{
		{c.group, fmt.Sprintf("the route to %v leaves by it", c.group)},
		{c.elsewhere(), "the default route leaves by it"},
	}
	if c.group.Is6() {
		ranks = ranks[1:]
		if c.group.IsLinkLocalMulticast() || c.group.IsInterfaceLocalMulticast() {
			ranks = nil
		}
	}
	for _, r := range ranks {
		index, _, err := c.network.Route(r.to)
		if err != nil {
			continue // isolated hosts have neither (F-7)
		}
		if i := c.byIndex(index); i != nil && c.unfit(i, byRule) == "" {
			return c.take(i, r.reason), true
		}
	}
	return Choice{}, false
}

// elsewhere is an address of nobody (RFC 5737, RFC 3849), which only a default
// route leads to. Asking for the route sends nothing.
func (c *chooser) elsewhere() netip.Addr {
	if c.group.Is6() {
		return netip.MustParseAddr("2001:db8::1")
	}
	return netip.MustParseAddr("192.0.2.1")
}

func (c *chooser) byIndex(index int) *Interface {
	for n := range c.all {
		if c.all[n].Index == index {
			return &c.all[n]
		}
	}
	return nil
}

// owner finds the interface that has an address; lo has all of 127.0.0.0/8.
func (c *chooser) owner(a netip.Addr) *Interface {
	for n := range c.all {
		i := &c.all[n]
		if z := a.Zone(); z != "" && z != i.Name && z != strconv.Itoa(i.Index) {
			continue
		}
		for _, p := range i.Addrs {
			if p.Addr() == a.WithZone("") || i.Loopback && a.IsLoopback() {
				return i
			}
		}
	}
	return nil
}

// Why an interface will not do.
const (
	down        = "down"
	noMulticast = "no multicast"
)

// How the choice came upon an interface.
type way int

const (
	byRule way = iota
	byControl
	byName
)

// unfit says why an interface will not do; empty when it will. Linux's lo has
// no MULTICAST flag and carries IPv4 groups all the same, but not IPv6 ones.
func (c *chooser) unfit(i *Interface, w way) string {
	switch {
	case !i.Up:
		return down
	case i.Loopback && w == byRule:
		return "loopback"
	case i.PointToPoint && w != byName:
		return "point-to-point"
	case i.Virtual && w == byRule:
		return "virtual"
	case !i.Multicast && (!i.Loopback || c.group.Is6()):
		return noMulticast
	}
	for _, p := range i.Addrs {
		if p.Addr().Is4() == c.group.Is4() {
			return ""
		}
	}
	return "no " + familyName(c.group) + " address"
}

func (c *chooser) take(i *Interface, reason string) Choice {
	ch := Choice{Interface: *i, Reason: reason}
	for n := range c.all {
		if c.all[n].Index != i.Index {
			ch.Others = append(ch.Others, c.all[n].Name+": "+c.account(&c.all[n]))
		}
	}
	return ch
}

func (c *chooser) account(i *Interface) string {
	if why := c.unfit(i, byRule); why != "" {
		return why
	}
	return "would do as well"
}

// fail ends with the interfaces there are, so that the next try can name one.
func (c *chooser) fail(code Code, format string, a ...any) error {
	if len(c.all) == 0 {
		return refuse("choose interface", Group{}, code, "the host has no interfaces")
	}
	there := make([]string, len(c.all))
	for n := range c.all {
		there[n] = fmt.Sprintf("%s (%s)", c.all[n].Name, c.account(&c.all[n]))
	}
	return refuse("choose interface for "+c.group.String(), Group{}, code,
		"%s; there are: %s", fmt.Sprintf(format, a...), strings.Join(there, ", "))
}
