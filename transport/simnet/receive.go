package simnet

import "github.com/joinleaf/joinleaf/transport"

// hears tells whether p, come in by i, is for the socket.
func (s *socket) hears(p *packet, i *iface) bool {
	to := p.dst.Addr()
	if !s.group.Addr.IsValid() {
		return s.local.Addr() == to || s.local.Addr().IsUnspecified() && s.local.Addr().Is4() == to.Is4() && !to.IsMulticast()
	}
	if s.iface != i || !s.joined {
		return false
	}
	if to == s.local.Addr() {
		return !s.group.Source.IsValid() || s.group.Source == p.src.Addr()
	}
	return i.host.net.crossTalk && to.IsMulticast() && to.Is4() == s.local.Addr().Is4()
}

// take puts a run into the socket's buffer: merged if that may be, else packet
// by packet.
func (s *socket) take(from *pair, p *packet, r run, i *iface) {
	merged := p.seg > 0 && int(r.hi-r.lo) > p.seg
	if merged && (p.single || !s.info.ReceiveOffload) {
		p.split(r, func(one run) { s.keep(from, p, one, i, false) })
	} else {
		s.keep(from, p, r, i, merged)
	}
	s.readable.Signal()
}

// keep queues one buffer, or drops it whole when there is no room. An empty
// queue takes anything.
func (s *socket) keep(from *pair, p *packet, r run, i *iface, merged bool) {
	cost := truesize(int(r.hi-r.lo), merged)
	if s.queued > 0 && s.queued+cost > s.capacity {
		s.overflow++
		from.drop(p, r, DropBuffer)
		return
	}
	p.hold()
	s.queued += cost
	s.queue.push(buffer{p, r.lo, r.hi, int32(i.index), s.overflow, int32(cost), merged})
	from.stats.Delivered += p.count(r)
	from.from.host.net.tell(from, p, r, 0)
}

// ReadBatch waits for a datagram and takes all there are room for. Bytes are
// copied outside the network's lock.
func (s *socket) ReadBatch(ds []transport.Datagram) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	if s.o.NoBatch {
		ds = ds[:1]
	}
	var room [16]buffer
	got, err := s.pull(room[:min(len(room), len(ds))])
	for i, b := range got {
		s.fill(&ds[i], b)
		b.p.release()
	}
	return len(got), err
}

// pull takes buffers out of the queue.
func (s *socket) pull(room []buffer) ([]buffer, error) {
	mu := &s.host.net.mu
	mu.Lock()
	defer mu.Unlock()
	for {
		if err := s.ended("read"); err != nil {
			return nil, err
		}
		if s.queue.len() > 0 && !s.host.paused {
			break
		}
		s.readable.Wait()
	}
	n := 0
	for n < len(room) && s.queue.len() > 0 {
		room[n] = s.queue.pop()
		s.queued -= int(room[n].cost)
		n++
	}
	return room[:n], nil
}

func (s *socket) fill(d *transport.Datagram, b buffer) {
	*d = transport.Datagram{B: d.B[:copy(d.B, b.p.b[b.lo:b.hi])], Addr: b.p.src, IfIndex: int(b.ifIndex)}
	if b.merged {
		d.Segment = b.p.seg
	}
	if s.info.DestinationSeen {
		d.Dst = b.p.dst.Addr()
	}
	if s.info.OverflowSeen {
		d.Overflow = b.overflow
	}
}
