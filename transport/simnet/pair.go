package simnet

// A pair is the way from one interface to another, one way.
type pair struct {
	from, to *iface
	gate
	cut     bool // by a partition
	jitter  dice
	twice   dice
	reorder dice
	stats   Stats

	lane  fifo[arrival] // under way, in order of arrival
	next  node          // the first of them
	late  uint64        // packets under way out of order
	lates uint64        // that there ever were
	down  uint64        // packets that wait at the receiver's downlink
}

// An arrival is a run of a packet under way. It holds a reference.
type arrival struct {
	at     int64
	p      *packet
	lo, hi int32
	pair   *pair
}

func (a arrival) run() run { return run{lo: a.lo, hi: a.hi, at: a.at} }

// pair finds the way to another interface.
func (i *iface) pair(to *iface) *pair {
	for len(i.pairs) <= to.id {
		i.pairs = append(i.pairs, nil)
	}
	if p := i.pairs[to.id]; p != nil {
		return p
	}
	n := i.host.net
	name := i.host.name + "%" + i.name + " to " + to.host.name + "%" + to.name
	p := &pair{from: i, to: to, gate: newGate(n.seed, name), jitter: newDice(n.seed, "jitter", name),
		twice: newDice(n.seed, "duplicate", name), reorder: newDice(n.seed, "reorder", name)}
	p.next = node{k1: key(classLane, i.id, to.id), fire: p.fire}
	l := n.link
	if i.host == to.host || i == n.outside {
		l = Link{}
	}
	for _, r := range n.rules {
		if r.covers(i, to) {
			r.apply(&l)
		}
	}
	p.set(l)
	p.cut = n.isCut(i.host, to.host)
	i.pairs[to.id] = p
	return p
}

// send puts a run on its way.
func (p *pair) send(pk *packet, r run, at int64) {
	n := p.from.host.net
	p.stats.Copies += pk.count(r)
	if p.cut {
		p.drop(pk, r, DropPartition)
		return
	}
	if n.filter == nil {
		p.cross(pk, r, at)
		return
	}
	pk.sift(r,
		func(one run) bool { return !n.filter(n.view(p, pk, one, 0)) },
		func(one run) { p.drop(pk, one, DropFilter) },
		func(rest run) { p.cross(pk, rest, at) })
}

// cross takes a run through the link.
func (p *pair) cross(pk *packet, r run, at int64) {
	n := p.from.host.net
	first := len(n.crossing)
	n.crossing = p.pass(n.crossing, pk, r)
	for i := first; i < len(n.crossing); i++ {
		switch r := n.crossing[i]; {
		case r.fate != 0:
			p.drop(pk, r, r.fate)
		case p.link.Duplicate > 0 || p.link.Reorder > 0:
			p.disturb(pk, r, at)
		default:
			p.queue(pk, r, at)
		}
	}
	n.crossing = n.crossing[:first]
}

// disturb draws for each packet of r whether it comes twice or late.
func (p *pair) disturb(pk *packet, r run, at int64) {
	var twice, late bool
	odd := func(run) bool {
		twice, late = p.twice.hit(p.link.Duplicate), p.reorder.hit(p.link.Reorder)
		return twice || late
	}
	pk.sift(r, odd, func(one run) {
		if late {
			p.delay(pk, one, at)
		} else {
			p.queue(pk, one, at)
		}
		if twice {
			p.stats.Copies++
			p.stats.Duplicates++
			p.queue(pk, one, at)
		}
	}, func(rest run) { p.queue(pk, rest, at) })
}

// queue puts a run behind all that is under way.
func (p *pair) queue(pk *packet, r run, at int64) {
	arrives := max(at, r.at+int64(p.link.Delay)+p.jitter.upTo(p.link.Jitter))
	if p.lane.len() > 0 {
		arrives = max(arrives, p.lane.last().at)
	}
	pk.hold()
	p.lane.push(arrival{arrives, pk, r.lo, r.hi, p})
	if p.next.index == 0 {
		p.from.host.net.arm(&p.next, p.lane.at(0).at)
	}
}

// delay sends one packet by a way of its own.
func (p *pair) delay(pk *packet, one run, at int64) {
	extra := p.link.ReorderDelay
	if extra == 0 {
		extra = defaultReorderDelay
	}
	arrives := max(at, one.at+int64(p.link.Delay)+p.jitter.upTo(p.link.Jitter)) + 1 + p.reorder.upTo(extra)
	pk.hold()
	p.late++
	p.lates++
	p.stats.Reordered++
	late := &node{k1: key(classLate, p.from.id, p.to.id), k2: p.lates}
	late.fire = func(at int64) {
		p.late--
		p.arrive(arrival{at, pk, one.lo, one.hi, p})
	}
	p.from.host.net.arm(late, arrives)
}

// fire lets everything arrive whose time has come.
func (p *pair) fire(at int64) {
	for p.lane.len() > 0 && p.lane.at(0).at <= at {
		p.arrive(p.lane.pop())
	}
	if p.lane.len() > 0 {
		p.from.host.net.arm(&p.next, p.lane.at(0).at)
	}
}

// arrive takes an arrival through the receiver's downlink, if it has one.
func (p *pair) arrive(a arrival) {
	if d := p.to.downlink; d == nil || p.from.host == p.to.host {
		p.to.hand(a)
		return
	}
	n := p.from.host.net
	first := len(n.crossing)
	n.crossing = p.to.downlink.pass(n.crossing, a.p, a.run())
	for _, r := range n.crossing[first:] {
		switch {
		case r.fate != 0:
			p.drop(a.p, r, r.fate)
		default:
			a.p.hold()
			p.down += a.p.count(r)
			p.to.inbound.push(arrival{r.at, a.p, r.lo, r.hi, p})
		}
	}
	n.crossing = n.crossing[:first]
	a.p.release()
	if p.to.inbound.len() > 0 && p.to.arriving.index == 0 {
		n.arm(&p.to.arriving, max(p.to.inbound.at(0).at, a.at))
	}
}

// fireInbound lets everything in that the downlink is through with.
func (i *iface) fireInbound(at int64) {
	for i.inbound.len() > 0 && i.inbound.at(0).at <= at {
		a := i.inbound.pop()
		a.pair.down -= a.p.count(a.run())
		i.hand(a)
	}
	if i.inbound.len() > 0 {
		i.host.net.arm(&i.arriving, i.inbound.at(0).at)
	}
}

func (p *pair) drop(pk *packet, r run, why Drop) {
	p.stats.Dropped[why] += pk.count(r)
	p.from.host.net.tell(p, pk, r, why)
}

// inFlight counts what is under way, packet by packet.
func (p *pair) inFlight() uint64 {
	n := p.late + p.down
	for i := range p.lane.len() {
		a := p.lane.at(i)
		n += a.p.count(a.run())
	}
	return n
}

// discard drops everything that is under way; for Close.
func (p *pair) discard() {
	p.stats.Dropped[DropClosed] += p.inFlight()
	p.lane, p.late, p.down = fifo[arrival]{}, 0, 0
}
