package simnet

import (
	"fmt"
	"strings"
	"time"
)

// Net is a network: hosts, the segments that join them, and the one clock that
// moves everything. Make it with [New], inside the synctest bubble if there is
// one. All methods may be called from any goroutine.
type Net struct {
	schedule
	seed     uint64
	link     Link // between hosts, where no rule says otherwise
	hosts    []*Host
	segments []*segment
	ifaces   []*iface // by id
	outside  *iface   // where injected packets come from
	injected outbox
	pool     pool

	rules []rule     // of links, in order of SetLink and SetLoss
	ports []portRule // of uplinks and downlinks
	cuts  []cut      // partitions

	crossTalk bool
	patience  time.Duration // of streams
	filter    func(Packet) bool
	tap       func(Packet)
	trace     func(Event)

	targets           []*iface // scratch of transmit
	leaving, crossing []run
}

// segment is a switch: the interfaces that hear each other.
type segment struct {
	name   string
	number int
	ifaces []*iface
}

// New makes a network without hosts. The seed decides every draw; l is the
// link between any two hosts.
func New(seed uint64, l Link) *Net {
	l.check()
	n := &Net{seed: seed, link: l, patience: time.Minute}
	n.start, n.armed = time.Now(), never
	n.idle.L = &n.mu
	n.timer = time.AfterFunc(time.Hour, n.run)
	n.timer.Stop()
	outside := &Host{net: n, name: "outside"}
	n.outside = n.newInterface(outside, "out0", &segment{name: "outside"})
	n.injected = outbox{net: n, node: node{k1: key(classSend, 0, 0)}}
	n.injected.node.fire = n.injected.leave
	return n
}

// Close ends the network. Every call that waits returns an error that matches
// net.ErrClosed, what is under way is dropped, and no goroutine is left. A
// hook must not call it. Close again does nothing.
func (n *Net) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.stop()
	for _, a := range n.ifaces {
		for _, p := range a.pairs {
			if p != nil {
				p.discard()
			}
		}
	}
	for _, h := range n.hosts {
		h.shut()
	}
	return nil
}

// Now is the time since New.
func (n *Net) Now() time.Duration { return time.Duration(n.now()) }

// A rule changes the links it matches.
type rule struct {
	from, to string
	loss     bool // of SetLoss
	apply    func(*Link)
}

// matches: "*" is every host, "a" a host, "a%sim1" one of its interfaces.
func matches(pattern string, i *iface) bool {
	host, name, one := strings.Cut(pattern, "%")
	return pattern == "*" || host == i.host.name && (!one || name == i.name)
}

// covers: a host's way to itself is a perfect link unless a rule names both
// ends; what is injected comes by no link.
func (r rule) covers(a, b *iface) bool {
	if a.host == a.host.net.outside.host {
		return false
	}
	if a.host == b.host && (r.from == "*" || r.to == "*") {
		return false
	}
	return matches(r.from, a) && matches(r.to, b)
}

// SetLink sets the link from one host to another, one way: what leaves from
// now on. "*" stands for every other host, "host%interface" for one interface.
// Later calls win, and hosts made later are covered too. Packets under way
// keep their time of arrival, and nothing overtakes them.
func (n *Net) SetLink(from, to string, l Link) {
	l.check()
	n.setRule(rule{from, to, false, func(old *Link) { *old = l }})
}

// SetLinks is SetLink both ways.
func (n *Net) SetLinks(a, b string, l Link) {
	n.SetLink(a, b, l)
	if a != b {
		n.SetLink(b, a, l)
	}
}

// SetLoss changes nothing but Loss.
func (n *Net) SetLoss(from, to string, loss float64) {
	Link{Loss: loss}.check()
	n.setRule(rule{from, to, true, func(l *Link) { l.Loss = loss }})
}

func (n *Net) setRule(r rule) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known(r.from)
	n.known(r.to)
	kept := n.rules[:0]
	for _, old := range n.rules {
		if old.from != r.from || old.to != r.to || old.loss != r.loss {
			kept = append(kept, old) // the same rule as before is overridden whole
		}
	}
	n.rules = append(kept, r)
	for _, a := range n.ifaces {
		for _, p := range a.pairs {
			if p != nil && r.covers(p.from, p.to) {
				l := p.link
				r.apply(&l)
				p.set(l)
			}
		}
	}
}

// A portRule changes the uplinks or downlinks it matches.
type portRule struct {
	host     string
	down     bool
	lossOnly bool
	link     Link
}

// SetUplink sets what a host's packets go through before the switch, once for
// all receivers: its Loss is a shared loss, and its Bandwidth is the host's
// own. While its queue is full, writers wait. Links of uplinks have losses,
// Bandwidth and Queue only. "*" stands for every host.
func (n *Net) SetUplink(host string, l Link) { n.setPort(portRule{host, false, false, l}) }

// SetDownlink sets what everything that comes to a host from others goes
// through last: a bottleneck that its senders share.
func (n *Net) SetDownlink(host string, l Link) { n.setPort(portRule{host, true, false, l}) }

// SetSharedLoss changes nothing but the Loss of a host's uplink.
func (n *Net) SetSharedLoss(host string, loss float64) {
	n.setPort(portRule{host, false, true, Link{Loss: loss}})
}

func (n *Net) setPort(r portRule) {
	r.link.checkPort()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known(r.host)
	n.ports = append(n.ports, r)
	for _, i := range n.ifaces {
		i.setPort(r)
	}
}

// known panics on a host that is not there: a misspelt name would make a test
// that tests nothing.
func (n *Net) known(pattern string) {
	if pattern == "*" {
		return
	}
	for _, i := range n.ifaces {
		if matches(pattern, i) {
			return
		}
	}
	panic(fmt.Sprintf("simnet: there is no host or interface %q", pattern))
}

// SetStreamTimeout sets how long a stream or a dial waits for an answer of a
// host that it cannot reach before it fails with WSAETIMEDOUT. The default is
// one minute; operating systems have from ten seconds to a quarter of an hour.
func (n *Net) SetStreamTimeout(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.patience = d
}

// CrossTalk lets group sockets hear every group on their port, as those of a
// kernel without IP_MULTICAST_ALL=0 do when a switch floods: who reads must
// check Datagram.Dst.
func (n *Net) CrossTalk(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.crossTalk = on
}
