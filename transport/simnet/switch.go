package simnet

import "net/netip"

// transmit sends one written packet to everybody it is for, and returns when
// the sender's uplink is through with it.
func (n *Net) transmit(p *packet, at int64) (through int64) {
	whole := p.whole(p.stamp)
	home := n.receivers(p)
	if home != nil {
		p.from.pair(home).send(p, whole, at)
	}
	if p.local || home != nil && len(n.targets) == 0 && !p.dst.Addr().IsMulticast() {
		return at
	}
	if len(n.targets) == 0 && home == nil {
		p.from.lose(p, whole)
	}
	n.leaving = n.leaving[:0]
	if g := p.from.uplink; g != nil {
		n.leaving = g.pass(n.leaving, p, whole)
	} else {
		n.leaving = append(n.leaving, whole)
	}
	for _, r := range n.leaving {
		through = max(through, r.at)
		for _, to := range n.targets {
			way := p.from.pair(to)
			if r.fate != 0 {
				way.stats.Copies += p.count(r)
				way.drop(p, r, shared(r.fate))
				continue
			}
			way.send(p, r, at)
		}
	}
	return through
}

// shared: whatever an uplink loses, no receiver gets it.
func shared(d Drop) Drop {
	if d == DropQueue {
		return d
	}
	return DropShared
}

// lose books a packet that found no host.
func (i *iface) lose(p *packet, r run) {
	i.nowhere.Copies += p.count(r)
	i.nowhere.Dropped[DropNobody] += p.count(r)
	i.host.net.tell(&pair{from: i}, p, r, DropNobody)
}

// receivers sets targets to the interfaces of other hosts that p is for, and
// returns the one of its own host, if any. The switch knows where members are,
// as one that snoops IGMP does.
func (n *Net) receivers(p *packet) (home *iface) {
	n.targets = n.targets[:0]
	a := p.dst.Addr()
	if !a.IsMulticast() {
		return n.owner(p, a)
	}
	if p.from == n.outside {
		for _, s := range n.segments {
			n.members(p, s)
		}
		return nil
	}
	n.members(p, p.from.segment)
	if !p.muted && p.from.host.wants(p, p.from) {
		return p.from
	}
	return nil
}

// members appends those of other hosts on a segment.
func (n *Net) members(p *packet, s *segment) {
	for _, i := range s.ifaces {
		if i.host != p.from.host && i.host.wants(p, i) {
			n.targets = append(n.targets, i)
		}
	}
}

// owner finds the interface that has a unicast address.
func (n *Net) owner(p *packet, a netip.Addr) (home *iface) {
	for _, i := range p.from.host.ifaces {
		if i.owns(a) {
			return i
		}
	}
	for _, s := range n.segments {
		if s != p.from.segment && p.from != n.outside {
			continue
		}
		for _, i := range s.ifaces {
			if i.owns(a) {
				n.targets = append(n.targets, i)
				return nil
			}
		}
	}
	return nil
}

// wants tells whether a host has a socket for p that came in by i.
func (h *Host) wants(p *packet, i *iface) bool {
	if !i.up {
		return false
	}
	for _, s := range h.sockets[p.dst.Port()] {
		if s.hears(p, i) {
			return true
		}
	}
	return false
}

// hand gives an arrival to every socket of the host that it is for.
func (i *iface) hand(a arrival) {
	r, found := a.run(), false
	if i.up {
		for _, s := range i.host.sockets[a.p.dst.Port()] {
			if !s.hears(a.p, i) {
				continue
			}
			if found {
				a.pair.stats.Copies += a.p.count(r)
			}
			found = true
			s.take(a.pair, a.p, r, i)
		}
	}
	if !found {
		a.pair.drop(a.p, r, DropNobody)
	}
	a.p.release()
}
