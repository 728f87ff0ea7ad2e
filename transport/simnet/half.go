package simnet

import (
	"net"
	"time"
)

// streamBuffer is what one direction of a stream holds in all: written, under
// way and not read. A writer beyond it waits.
const streamBuffer = 64 << 10

// half is one direction of a stream. All that is said about it are positions
// in the stream of bytes; the end of the stream takes a position of its own.
//
//	edge, read <= got <= sent <= written <= edge + streamBuffer + 1
type half struct {
	net      *Net
	from, to *conn
	way      *pair // and back is the other half's
	dice     dice
	ring     []byte // byte p lies at p modulo its length

	written uint64
	before  uint64 // what was written before the instant stamp
	stamp   int64
	sent    uint64
	got     uint64
	read    uint64
	acked   uint64 // what the writer knows of got
	edge    uint64 // what the writer knows of read
	end     uint64 // position of the end; endless: not closed
	tries   int    // resends while the way is cut
	lost    int    // acknowledgements that a cut held back
	moved   int64  // when acked last moved

	arriving, acking          fifo[mark]
	flush, arrive, ack, stall node
}

// mark says what will be known at a time.
type mark struct {
	at        int64
	pos, read uint64
}

const endless = ^uint64(0)

func newHalf(from, to *conn, way *pair) *half {
	n := from.host.net
	h := &half{net: n, from: from, to: to, way: way, end: endless, stamp: -1,
		dice: newDice(n.seed, "stream", from.host.name, from.local.String(), to.host.name, to.local.String())}
	ports := uint64(from.local.Port())<<32 | uint64(to.local.Port())<<16
	h.flush = node{k1: key(classFlush, way.from.id, way.to.id), k2: ports, fire: h.send}
	h.arrive = node{k1: key(classArrive, way.from.id, way.to.id), k2: ports, fire: h.arrived}
	h.ack = node{k1: key(classAck, way.from.id, way.to.id), k2: ports, fire: h.known}
	h.stall = node{k1: key(classStall, way.from.id, way.to.id), k2: ports, fire: h.stalled}
	return h
}

func (h *half) room() int {
	return streamBuffer - int(min(h.written, h.end)-h.edge)
}

func (h *half) ready() int { return int(min(h.got, h.end) - h.read) }

// write takes what there is room for.
func (h *half) write(p []byte) int {
	p = p[:min(len(p), h.room())]
	if len(p) == 0 {
		return 0
	}
	h.grow(len(p))
	at := int(h.written % uint64(len(h.ring)))
	copy(h.ring, p[copy(h.ring[at:], p):])
	h.wrote(uint64(len(p)))
	return len(p)
}

// close writes the end.
func (h *half) close() {
	if h.end == endless {
		h.end = h.written
		h.wrote(1)
	}
}

func (h *half) wrote(n uint64) {
	now := h.net.now()
	if h.stamp != now {
		h.before, h.stamp = h.written, now
	}
	if h.acked == h.written {
		h.moved = now
		h.net.arm(&h.stall, now+int64(h.net.patience))
	}
	h.written += n
	if h.flush.index == 0 {
		h.net.arm(&h.flush, now+1)
	}
}

// grow makes room for n more bytes in the ring, which begins small: most
// streams of a control channel never hold much.
func (h *half) grow(n int) {
	need := int(h.written-h.read) + n
	if need <= len(h.ring) {
		return
	}
	size := max(2048, len(h.ring))
	for size < need {
		size *= 2
	}
	ring := make([]byte, size)
	for p := h.read; p < h.written; p++ {
		ring[p%uint64(size)] = h.ring[p%uint64(len(h.ring))]
	}
	h.ring = ring
}

// take reads what there is, and tells the writer.
func (h *half) take(p []byte) int {
	p = p[:min(len(p), h.ready())]
	at := int(h.read % uint64(len(h.ring)))
	n := copy(p, h.ring[at:])
	copy(p[n:], h.ring)
	h.read += uint64(len(p))
	h.acknowledge(h.net.now())
	return len(p)
}

// A resend comes after 200 ms as Linux has it, then after the double, at most
// two seconds.
const (
	firstResend = 200 * time.Millisecond
	lastResend  = 2 * time.Second
)

func resend(tries int) int64 { return int64(min(firstResend<<min(tries, 10), lastResend)) }

// lag is how long the next piece is under way: what the network would lose is
// late by its resends.
func (h *half) lag() int64 {
	l := h.way.link
	lag := int64(l.Delay) + h.dice.upTo(l.Jitter)
	for k := 0; k < 8 && h.dice.hit(min(1, l.Loss+l.BatchLoss+l.Burst.mean())); k++ {
		lag += int64(firstResend << k)
	}
	return lag
}

// send puts all that was written before this instant on its way.
func (h *half) send(at int64) {
	upTo := h.written
	if h.stamp >= at {
		upTo = h.before
		h.net.arm(&h.flush, h.stamp+1)
	}
	if upTo == h.sent {
		return
	}
	if h.way.blocked() {
		h.net.arm(&h.flush, at+resend(h.tries))
		h.tries++
		return
	}
	h.tries, h.sent = 0, upTo
	push(h.net, &h.arriving, &h.arrive, mark{at: max(at, at-1+h.lag()), pos: upTo})
}

// push adds m behind the others, and never before them.
func push(n *Net, f *fifo[mark], first *node, m mark) {
	if f.len() > 0 {
		last := f.last()
		if m.at <= last.at {
			last.pos, last.read = m.pos, m.read
			return
		}
	}
	f.push(m)
	if first.index == 0 {
		n.arm(first, f.at(0).at)
	}
}

// due takes what is known by now out of f.
func due(n *Net, f *fifo[mark], first *node, at int64) (m mark, ok bool) {
	for f.len() > 0 && f.at(0).at <= at {
		m, ok = f.pop(), true
	}
	if f.len() > 0 {
		n.arm(first, f.at(0).at)
	}
	return m, ok
}

// arrived: bytes are there, or the end.
func (h *half) arrived(at int64) {
	m, ok := due(h.net, &h.arriving, &h.arrive, at)
	if !ok || m.pos <= h.got {
		return
	}
	bytes := int(min(m.pos, h.end) - h.got)
	h.got = m.pos
	h.net.tellStream(at, StreamArrived, h.from, h.to, bytes)
	if h.to.err != nil || h.to.closed && bytes > 0 {
		h.to.fail(net.ErrClosed)
		h.to.reset(at)
		return
	}
	h.to.readable.Broadcast()
	h.acknowledge(at)
	h.to.settle()
}

// acknowledge tells the writer what has arrived and what was read.
func (h *half) acknowledge(at int64) {
	push(h.net, &h.acking, &h.ack, mark{at: at + max(1, int64(h.to.out.way.link.Delay)), pos: h.got, read: h.read})
}

// known: the writer hears of it.
func (h *half) known(at int64) {
	if h.to.out.way.blocked() {
		h.net.arm(&h.ack, at+resend(h.lost))
		h.lost++
		return
	}
	h.lost = 0
	m, ok := due(h.net, &h.acking, &h.ack, at)
	if !ok {
		return
	}
	if m.pos > h.acked {
		h.acked, h.moved = m.pos, at
	}
	h.edge = max(h.edge, m.read)
	h.from.writable.Broadcast()
	if h.acked == h.written {
		h.net.disarm(&h.stall)
	}
	h.from.settle()
}

// stalled gives a stream up whose other end has not answered for too long.
func (h *half) stalled(at int64) {
	if h.acked == h.written {
		return
	}
	if until := h.moved + int64(h.net.patience); until > at {
		h.net.arm(&h.stall, until)
		return
	}
	h.from.fail(timedOut)
	h.from.reset(at)
}

// stop lets what is under way arrive and sends no more.
func (h *half) stop() {
	h.net.disarm(&h.flush)
	h.net.disarm(&h.stall)
}

// blocked: nothing gets through to the other host.
func (p *pair) blocked() bool {
	return p.cut || p.link.Loss >= 1 || !p.from.up || !p.to.up
}
