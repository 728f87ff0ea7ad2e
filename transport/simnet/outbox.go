package simnet

// outbox is what a socket wrote and the network has not taken yet. Everything
// that was written at one instant leaves a nanosecond later, so that the order
// among sockets is that of their keys and not that of goroutines.
type outbox struct {
	net     *Net
	packets fifo[*packet]
	node    node
	// left is told when a packet is through the uplink; may be nil.
	left func(bytes int, now, through int64)
}

// put takes over the caller's reference to p.
func (o *outbox) put(p *packet) {
	p.stamp = o.net.now()
	p.from.nowhere.Sent += p.count(p.whole(0))
	o.packets.push(p)
	if o.node.index == 0 {
		o.net.arm(&o.node, p.stamp+1)
	}
}

func (o *outbox) leave(at int64) {
	for o.packets.len() > 0 && (*o.packets.at(0)).stamp < at {
		p := o.packets.pop()
		size := len(p.b)
		through := o.net.transmit(p, at)
		p.release()
		if o.left != nil {
			o.left(size, at, through)
		}
	}
	if o.packets.len() > 0 {
		o.net.arm(&o.node, (*o.packets.at(0)).stamp+1)
	}
}
