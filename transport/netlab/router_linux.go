package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
)

// routerNumber is the last part of the router's addresses on every segment.
const routerNumber = 254

// Router joins all segments of a lab: unicast at once, groups as [Router.Route]
// says. It has 10.77.<segment>.254 and fd77:0:0:<segment>::fe.
type Router struct {
	lab    *Lab
	ns     *namespace
	name   string
	tables [2]*mroute // IPv4, IPv6
}

// AddRouter makes the lab's one router and tells all hosts, those to come too,
// to use it.
func (l *Lab) AddRouter(name string) (*Router, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, fmt.Errorf("netlab: add router %s: %w", name, net.ErrClosed)
	case l.router != nil:
		return nil, fmt.Errorf("netlab: there is a router already: %s", l.router.name)
	case l.o.Segments < 2:
		return nil, errors.New("netlab: a router needs two segments; see Options.Segments")
	}
	for _, h := range l.hosts {
		if h.name == name {
			return nil, fmt.Errorf("netlab: there is a host %s already", name)
		}
	}
	if _, err := l.plan(name, 0, 1); err != nil {
		return nil, err
	}
	if err := makeNamespaces(l.name(name)); err != nil {
		return nil, err
	}
	r := &Router{lab: l, name: name}
	if err := r.build(); err != nil {
		return nil, errors.Join(err, r.close(), destroy([]string{l.name(name)}))
	}
	l.router = r
	for _, h := range l.hosts {
		if err := h.ns.ip(r.routesOf(h)); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *Router) build() (err error) {
	if r.ns, err = openNamespace(r.lab.name(r.name)); err != nil {
		return err
	}
	for _, s := range [][2]string{
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv6/conf/all/forwarding", "1"},
		{"net/ipv6/conf/default/forwarding", "1"},
		{"net/ipv4/conf/all/send_redirects", "0"},
	} {
		if err := r.ns.sysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	if err := r.plug(); err != nil {
		return err
	}
	if err := r.ns.ip(r.neighbours(r.lab.hosts)); err != nil {
		return err
	}
	return r.ns.do(func() error {
		legs := make([]int, r.lab.o.Segments)
		for s := range legs {
			i, err := net.InterfaceByName(leg(s))
			if err != nil {
				return fmt.Errorf("netlab: router: %w", err)
			}
			legs[s] = i.Index
		}
		if r.tables[0], err = openMroute4(legs); err != nil {
			return err
		}
		r.tables[1], err = openMroute6(legs)
		return err
	})
}

func leg(segment int) string { return fmt.Sprintf("e%d", segment) }

// plug gives the router a leg in every segment. The switch sends all groups to
// it (mcast_router 2), as to a port where it has heard a multicast router.
func (r *Router) plug() error {
	var sw, own batch
	own.add("link set lo up")
	for s := range r.lab.o.Segments {
		port := fmt.Sprintf("p-%s-%d", r.name, s)
		sw.add("link add name %s mtu %d type veth peer name %s address %s mtu %d netns %s",
			port, r.lab.o.MTU, leg(s), hardware(s, routerNumber), r.lab.o.MTU, r.ns.name)
		sw.add("link set %s addrgenmode none", port)
		sw.add("link set %s master %s", port, bridge(s))
		sw.add("link set dev %s type bridge_slave mcast_router 2", port)
		sw.add("link set %s up", port)
		own.add("link set %s addrgenmode none", leg(s))
		own.add("link set %s up", leg(s))
		own.add("addr replace %s/24 dev %s", address4(s, routerNumber), leg(s))
		own.add("addr replace %s/64 dev %s nodad", linkLocal(routerNumber), leg(s))
		own.add("addr replace %s/64 dev %s nodad", address6(s, routerNumber), leg(s))
	}
	if err := r.lab.sw.ip(sw); err != nil {
		return err
	}
	return r.ns.ip(own)
}

// neighbours does for the router what [Host.neighbours] does for a host.
func (r *Router) neighbours(hosts []*Host) batch {
	var b batch
	for _, h := range hosts {
		mac := hardware(h.segment, h.number)
		b.add("neigh replace %s lladdr %s nud permanent dev %s", h.Addr6(), mac, leg(h.segment))
		b.add("neigh replace %s lladdr %s nud permanent dev %s", linkLocal(h.number), mac, leg(h.segment))
	}
	return b
}

// routesOf are the routes that a host needs to the other segments.
func (r *Router) routesOf(h *Host) batch {
	b := batch{fmt.Sprintf("neigh replace %s lladdr %s nud permanent dev %s",
		linkLocal(routerNumber), hardware(h.segment, routerNumber), Device)}
	for s := range r.lab.o.Segments {
		if s == h.segment {
			continue
		}
		b.add("route replace %s via %s dev %s", netip.PrefixFrom(address4(s, 0), 24), address4(h.segment, routerNumber), Device)
		b.add("route replace %s via %s dev %s", netip.PrefixFrom(address6(s, 0), 64), linkLocal(routerNumber), Device)
	}
	return b
}

// Route forwards what a host sends to a group into all other segments, from
// now on and until the lab is closed. The sender's TTL must be 2 or more.
func (r *Router) Route(from *Host, group netip.Addr) error {
	if !group.IsMulticast() {
		return fmt.Errorf("netlab: route: %v is no group", group)
	}
	if group.Is4() {
		return r.tables[0].add(from.Addr4(), group, from.segment)
	}
	return r.tables[1].add(from.Addr6(), group, from.segment)
}

// Namespace is the name that ip netns knows the router by.
func (r *Router) Namespace() string { return r.ns.name }

// Exec prepares a command that runs inside the router, as [Host.Exec] does.
func (r *Router) Exec(ctx context.Context, name string, args ...string) *exec.Cmd {
	return r.lab.exec(ctx, r.ns, name, args...)
}

// close ends the kernel's group routing, which lasts as long as its sockets.
func (r *Router) close() error {
	var errs []error
	for _, t := range r.tables {
		if t != nil {
			errs = append(errs, t.close())
		}
	}
	if r.ns != nil {
		errs = append(errs, r.ns.file.Close())
	}
	return errors.Join(errs...)
}
