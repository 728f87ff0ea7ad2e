package simnet

import (
	"fmt"
	"strings"
)

// Drop is why a copy of a packet did not arrive. Zero: it did.
type Drop uint8

const (
	// DropLoss: lost on the link, by Loss or Every.
	DropLoss Drop = iota + 1
	// DropBurst: lost while the link was bad.
	DropBurst
	// DropBatch: lost with all of its Datagram.
	DropBatch
	// DropShared: lost on the sender's uplink, before the switch, so that no
	// receiver got it.
	DropShared
	// DropQueue: no room before a link's bandwidth.
	DropQueue
	// DropBuffer: no room in the receiving socket's buffer.
	DropBuffer
	// DropPartition: the hosts are cut off from each other.
	DropPartition
	// DropFilter: the test's own Filter refused it.
	DropFilter
	// DropNobody: no socket at the destination, or no such host.
	DropNobody
	// DropClosed: the network was closed while it was under way.
	DropClosed

	drops
)

var dropNames = [drops]string{"delivered", "loss", "burst", "batch", "shared", "queue", "buffer", "partition", "filter", "nobody", "closed"}

func (d Drop) String() string {
	if d < drops {
		return dropNames[d]
	}
	return fmt.Sprintf("Drop(%d)", uint8(d))
}

// Stats are books of single packets; a Datagram with a Segment counts as many
// as it holds. They balance at any time:
//
//	Copies = Delivered + InFlight + all of Dropped
type Stats struct {
	Sent       uint64        // packets written, or injected
	Copies     uint64        // made of them: one for each receiving socket, and for each receiver of a lost one
	Delivered  uint64        // put into a socket's buffer
	InFlight   uint64        // under way
	Dropped    [drops]uint64 // by Drop; index 0 stays empty
	Duplicates uint64        // of the copies, those that Duplicate made
	Reordered  uint64        // of the copies, those that Reorder made late
}

// Lost is the sum of Dropped.
func (s Stats) Lost() (n uint64) {
	for _, d := range s.Dropped {
		n += d
	}
	return n
}

// Check says what does not balance; nil is what it should say.
func (s Stats) Check() error {
	if got := s.Delivered + s.InFlight + s.Lost(); got != s.Copies {
		return fmt.Errorf("simnet: %d copies were made, but %d are delivered, in flight or dropped: %v", s.Copies, got, s)
	}
	return nil
}

// String names what is not zero.
func (s Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sent %d, copies %d, delivered %d", s.Sent, s.Copies, s.Delivered)
	for i, n := range s.Dropped {
		if n > 0 {
			fmt.Fprintf(&b, ", %v %d", Drop(i), n)
		}
	}
	for _, e := range []struct {
		name string
		n    uint64
	}{{"in flight", s.InFlight}, {"duplicates", s.Duplicates}, {"reordered", s.Reordered}} {
		if e.n > 0 {
			fmt.Fprintf(&b, ", %s %d", e.name, e.n)
		}
	}
	return b.String()
}

func (s *Stats) add(o Stats) {
	s.Sent += o.Sent
	s.Copies += o.Copies
	s.Delivered += o.Delivered
	s.InFlight += o.InFlight
	s.Duplicates += o.Duplicates
	s.Reordered += o.Reordered
	for i := range s.Dropped {
		s.Dropped[i] += o.Dropped[i]
	}
}

// Stats are the books of the whole network.
func (n *Net) Stats() Stats {
	return n.sum(func(*iface, *iface) bool { return true })
}

// StatsOf are the books of what one host wrote, on its way to another. Either
// may be "*". Sent counts only when to is "*", for a packet to a group is sent
// once and to all; a packet that found no host at all is in the books of its
// sender and "*".
func (n *Net) StatsOf(from, to string) Stats {
	return n.sum(func(a, b *iface) bool { return matches(from, a) && (to == "*" || b != nil && matches(to, b)) })
}

// sum adds up the pairs that are wanted; b is nil for what concerns the sender
// alone.
func (n *Net) sum(want func(a, b *iface) bool) (s Stats) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.ifaces {
		if want(a, nil) {
			s.add(a.nowhere)
		}
		for _, p := range a.pairs {
			if p != nil && want(a, p.to) {
				one := p.stats
				one.InFlight = p.inFlight()
				s.add(one)
			}
		}
	}
	return s
}
