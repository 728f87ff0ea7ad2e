package netlab

import (
	"errors"
	"fmt"
)

// connect brings up hosts that have a namespace but no link yet, and makes
// them and the hosts that were there known to each other.
func (l *Lab) connect(hosts []*Host) error {
	if err := l.wire(hosts); err != nil {
		for _, h := range hosts {
			if h.ns != nil {
				err = errors.Join(err, h.ns.file.Close())
			}
			err = errors.Join(err, destroy([]string{l.name(h.name)}))
		}
		return err
	}
	return nil
}

func (l *Lab) wire(hosts []*Host) error {
	for _, h := range hosts {
		ns, err := openNamespace(l.name(h.name))
		if err != nil {
			return err
		}
		h.ns = ns
		// Nobody advertises routers here; asking for them is noise.
		if err := ns.sysctl("net/ipv6/conf/default/accept_ra", "0"); err != nil {
			return err
		}
	}
	if err := l.plug(hosts); err != nil {
		return err
	}
	all := append(append([]*Host(nil), l.hosts...), hosts...)
	for _, h := range hosts {
		if err := h.configure(all); err != nil {
			return err
		}
	}
	for _, h := range l.hosts {
		if err := h.ns.ip(h.neighbours(hosts)); err != nil {
			return err
		}
	}
	if l.router != nil {
		return l.router.ns.ip(l.router.neighbours(hosts))
	}
	return nil
}

// plug makes the links and puts their ends in place. Both ends are born in
// their namespaces; no name of the machine's is ever in use.
func (l *Lab) plug(hosts []*Host) error {
	var b batch
	for _, h := range hosts {
		b.add("link add name %s mtu %d type veth peer name %s address %s mtu %d netns %s",
			h.port(), l.o.MTU, Device, hardware(h.segment, h.number), l.o.MTU, h.ns.name)
		b.add("link set %s addrgenmode none", h.port())
		b.add("link set %s master %s", h.port(), bridge(h.segment))
		b.add("%s", h.floodLine())
		b.add("link set %s up", h.port())
	}
	return l.sw.ip(b)
}

// configure gives a link its addresses, again where need be: the kernel takes
// IPv6 addresses, routes and neighbours away from a link that goes down.
func (h *Host) configure(all []*Host) error {
	var b batch
	b.add("link set lo up")
	b.add("link set %s addrgenmode none", Device)
	b.add("link set %s up", Device)
	b.add("addr replace %s/24 dev %s", h.Addr4(), Device)
	b.add("addr replace %s/64 dev %s nodad", linkLocal(h.number), Device)
	b.add("addr replace %s/64 dev %s nodad", h.Addr6(), Device)
	b = append(b, h.neighbours(all)...)
	if r := h.lab.router; r != nil {
		b = append(b, r.routesOf(h)...)
	}
	return h.ns.ip(b)
}

// neighbours writes down what neighbour discovery would find. It asks by
// multicast, and so dies with the group traffic when a switch drops that; a
// lab must be able to lose the one and keep the other.
func (h *Host) neighbours(all []*Host) batch {
	var b batch
	for _, o := range all {
		if o == h || o.segment != h.segment {
			continue
		}
		mac := hardware(o.segment, o.number)
		b.add("neigh replace %s lladdr %s nud permanent dev %s", o.Addr6(), mac, Device)
		b.add("neigh replace %s lladdr %s nud permanent dev %s", linkLocal(o.number), mac, Device)
	}
	return b
}

// LinkDown takes the host's interface down, as an administrator does.
func (h *Host) LinkDown() error {
	return h.ns.ip(batch{"link set " + Device + " down"})
}

// LinkUp undoes LinkDown, addresses included. The kernel reports the host's
// groups again by itself.
func (h *Host) LinkUp() error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	return h.configure(h.lab.hosts)
}

// Unplug pulls the cable at the switch: the interface stays up and keeps its
// addresses, but loses its carrier.
func (h *Host) Unplug() error {
	return h.lab.sw.ip(batch{fmt.Sprintf("link set %s down", h.port())})
}

// Plug undoes Unplug.
func (h *Host) Plug() error {
	return h.lab.sw.ip(batch{fmt.Sprintf("link set %s up", h.port())})
}

// DeleteLink removes the host's interface, as a dock or a driver does. The
// kernel forgets its group memberships and tells no socket.
func (h *Host) DeleteLink() error {
	return h.lab.sw.ip(batch{fmt.Sprintf("link del %s", h.port())})
}

// RecreateLink makes the interface anew: same name, same addresses, another
// index. A link that is still there is deleted first. Loss, rate, flood and
// offload settings are put on again; a partition goes by name and holds.
func (h *Host) RecreateLink() error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if _, err := h.Index(); err == nil {
		if err := h.DeleteLink(); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.lab.plug([]*Host{h}); err != nil {
		return err
	}
	if err := h.configure(h.lab.hosts); err != nil {
		return err
	}
	return h.redress()
}
