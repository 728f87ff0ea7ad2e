package simnet

// A cut is a rule of who cannot reach whom.
type cut func(from, to *Host) bool

// Partition cuts the network into groups of hosts that cannot reach each
// other, datagrams and streams alike. Hosts that are not named form one more
// group. Partitions add up until Heal.
func (n *Net) Partition(groups ...[]string) {
	side := map[string]int{}
	for i, g := range groups {
		for _, name := range g {
			side[name] = i + 1
		}
	}
	n.cut(groups, func(a, b *Host) bool { return side[a.name] != side[b.name] })
}

// PartitionOneWay stops what the hosts of from send to those of to; the way
// back stays open. Streams need both ways: they come to a halt.
func (n *Net) PartitionOneWay(from, to []string) {
	stops := func(names []string, h *Host) bool {
		for _, name := range names {
			if name == h.name {
				return true
			}
		}
		return false
	}
	n.cut([][]string{from, to}, func(a, b *Host) bool { return stops(from, a) && stops(to, b) })
}

func (n *Net) cut(named [][]string, c cut) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range named {
		for _, name := range g {
			n.known(name)
		}
	}
	n.cuts = append(n.cuts, c)
	n.settleCuts()
}

// Heal ends all partitions. Streams go on at their next resend, at most two
// seconds later.
func (n *Net) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts = nil
	n.settleCuts()
}

func (n *Net) settleCuts() {
	for _, a := range n.ifaces {
		for _, p := range a.pairs {
			if p != nil {
				p.cut = n.isCut(p.from.host, p.to.host)
			}
		}
	}
}

func (n *Net) isCut(from, to *Host) bool {
	if from == to || from == n.outside.host {
		return false
	}
	for _, c := range n.cuts {
		if c(from, to) {
			return true
		}
	}
	return false
}
