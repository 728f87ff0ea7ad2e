package simnet

import (
	"math/bits"
	"net/netip"
	"sync"
	"sync/atomic"
)

// maxUDP is the most that a UDP datagram of IPv4 holds.
const maxUDP = 65507

// A packet is one Datagram as it was written, shared by all copies: B holds
// one packet, or several of seg bytes back to back.
type packet struct {
	b        []byte
	src, dst netip.AddrPort
	from     *iface
	seg      int  // zero: one packet
	single   bool // its packets are never merged again
	local    bool // for this host only: TTL 0
	muted    bool // for other hosts only: no loopback
	stamp    int64
	refs     atomic.Int32
	pool     *pool
}

// Two sizes, so that a short packet does not hold 64 KiB in a queue.
const shortPacket = 2048

// pool keeps packets that are free, as many as were ever under way at once.
type pool struct {
	mu   sync.Mutex
	free [2][]*packet // short, long
}

// take copies what was written; the caller holds the one reference.
func (o *pool) take(b []byte, seg int) *packet {
	kind, size := 0, shortPacket
	if len(b) > shortPacket {
		kind, size = 1, 1<<16
	}
	o.mu.Lock()
	var p *packet
	if last := len(o.free[kind]) - 1; last >= 0 {
		p, o.free[kind] = o.free[kind][last], o.free[kind][:last]
	}
	o.mu.Unlock()
	if p == nil {
		p = &packet{pool: o, b: make([]byte, 0, size)}
	}
	p.b = append(p.b, b...)
	if seg > 0 && seg < len(b) {
		p.seg = seg
	}
	p.refs.Store(1)
	return p
}

func (p *packet) hold() { p.refs.Add(1) }

func (p *packet) release() {
	if p.refs.Add(-1) > 0 {
		return
	}
	kind, o := 0, p.pool
	if cap(p.b) > shortPacket {
		kind = 1
	}
	*p = packet{pool: o, b: p.b[:0]}
	o.mu.Lock()
	o.free[kind] = append(o.free[kind], p)
	o.mu.Unlock()
}

// A run is a part of a packet: whole packets back to back that share a fate.
type run struct {
	lo, hi int32
	at     int64
	fate   Drop
}

func (p *packet) whole(at int64) run { return run{hi: int32(len(p.b)), at: at} }

// count tells how many packets r holds.
func (p *packet) count(r run) uint64 {
	n := int(r.hi - r.lo)
	if p.seg == 0 || n <= p.seg {
		return 1
	}
	return uint64((n + p.seg - 1) / p.seg)
}

// split calls f for each packet of r.
func (p *packet) split(r run, f func(one run)) {
	for r.hi-r.lo > int32(p.seg) && p.seg > 0 {
		one := r
		one.hi = r.lo + int32(p.seg)
		f(one)
		r.lo = one.hi
	}
	f(r)
}

// sift splits r: each packet that is odd goes to one, the others go to rest in
// runs as long as they can be, all in order.
func (p *packet) sift(r run, odd func(run) bool, one, rest func(run)) {
	even, n := r, 0
	flush := func() {
		if n > 0 {
			rest(even)
		}
		n = 0
	}
	p.split(r, func(next run) {
		if odd(next) {
			flush()
			one(next)
			return
		}
		if n == 0 {
			even.lo = next.lo
		}
		even.hi = next.hi
		n++
	})
	flush()
}

// onWire is what r takes of a link: each packet with its headers, Ethernet's
// included. Fragments are not counted singly.
func (p *packet) onWire(r run) int64 {
	overhead := 20 + 8 + 18
	if p.dst.Addr().Is6() {
		overhead = 40 + 8 + 18
	}
	return int64(r.hi-r.lo) + int64(p.count(r))*int64(overhead)
}

// truesize is what a buffer costs in a socket's queue. Measured on Linux: a
// socket holds 63 % of its size as single packets of 1,448 bytes, 78, 93 and
// 99 % as merged buffers of 2, 8 and 45. So a single packet lies in memory of
// the next power of two, with 256 bytes for its descriptor; a merged one
// grows by its bytes alone.
func truesize(n int, merged bool) int {
	const descriptor, headers = 256, 426
	if merged {
		return n + 600 + descriptor
	}
	return 1<<bits.Len(uint(n+headers-1)) + descriptor
}
