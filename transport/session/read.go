package session

import (
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

const (
	slabsRead   = 8  // slabs under one read where the kernel merges packets, to begin with
	slabsMost   = 32 // and where it did not merge them, and more were there
	plainRead   = 64 // datagrams under one read where it does not
	plainRoom   = 2 << 10
	chunk       = 128 // packets opened before the lock is taken once for them
	mergedBytes = 16 << 10
)

// reader is what one socket is read with: a batch at a time, every packet of which
// is opened in place without any lock; the receive lock is taken once per chunk
// to hand them to their senders' machines. One goroutine at a time has it: its
// own, which runs run, or who waits in Recv, see turn.
type reader struct {
	s     *Session
	conn  transport.PacketConn
	group netip.AddrPort     // that the socket hears; not valid: unicast
	turns transport.TurnConn // conn, if it is one
	own   transport.Bell     // run's place to wait at it
	turn  *turn              // nil: it is always run's
	away  away

	merged  bool // the kernel merges: a datagram may be a whole slab
	slabs   []*flow.Slab
	plain   []byte // room of single datagrams, copied into small on the way
	small   *flow.Slab
	used    int // bytes of small that are taken
	ds      []transport.Datagram
	opened  [chunk]opened
	n       int
	touched []*peer
	apart   []opened // of this chunk: feedback for the sending half, the session's own frames
	drops   [NumDrops]uint64
	packets uint64
	pace    pace
	single  bool // one packet came last, and nothing is behind it in all likelihood
	sparse  bool // few packets came last, and not densely
	asked   bool // questions came for the sending half
	mail    mail

	rejected []SymbolID
	symbols  [chunk]Symbol // to hash
	hashes   [chunk]Hash
	again    uint64 // packets that the other path had brought
}

type opened struct {
	Opened
	slab     *flow.Slab
	addr     netip.AddrPort
	overflow uint32
	hashed   bool
	hash     Hash
}

// startReader starts a socket's reader; leads: it is the one that Recv reads
// itself where it can. The caller holds the receive lock.
func (s *Session) startReader(conn transport.PacketConn, group netip.AddrPort, leads bool) {
	r := &reader{s: s, conn: conn, group: group, merged: conn.Info().ReceiveOffload}
	if r.merged {
		for range slabsRead {
			r.slabs = append(r.slabs, s.rx.pool.Get())
		}
		r.ds = make([]transport.Datagram, slabsRead)
	} else {
		room := max(plainRoom, conn.Info().MTU)
		r.plain = make([]byte, plainRead*room)
		r.ds = make([]transport.Datagram, plainRead)
	}
	r.small = s.rx.pool.Get()
	if conn, ok := conn.(transport.TurnConn); ok {
		if own, err := conn.NewBell(); err == nil {
			r.turns, r.own = conn, own
		}
	}
	if leads {
		s.rx.lead(r)
	}
	s.wg.Go(r.run)
}

func (r *reader) run() {
	defer r.release()
	for {
		n, err := r.read()
		if err != nil {
			if r.s.readerGone(r, err) {
				return
			}
			continue
		}
		if d := r.work(time.Now(), n); d > 0 {
			r.gather(d)
		}
	}
}

// read waits for the next packets.
func (r *reader) read() (int, error) {
	if r.own == nil {
		r.offer()
		return r.conn.ReadBatch(r.ds)
	}
	for wait := r.single; ; wait = true {
		if wait {
			if err := r.wait(); err != nil {
				return 0, err
			}
		}
		r.offer()
		if n, err := r.turns.ReadNow(r.ds); n > 0 || err != nil {
			return n, err
		}
	}
}

// work takes what was read. It returns how long packets may gather before the
// next read.
func (r *reader) work(now time.Time, n int) time.Duration {
	merged := r.ds[n-1].Segment > 0
	r.single = n == 1 && len(r.ds) > 1 && !merged
	for i := range r.ds[:n] {
		r.datagram(now, i)
	}
	r.hand(now)
	if r.asked {
		r.asked = false
		r.s.tx.nudge()
	}
	r.s.settle(now, r)
	d := r.rest(now, n)
	r.sparse = n <= 4 && n < len(r.ds) && !merged && !r.pace.dense
	if r.merged && n == len(r.ds) && n < slabsMost {
		r.grow()
	}
	return d
}

// grow gives the next read more slabs: packets come singly, and so many that a
// read does not take all.
func (r *reader) grow() {
	rx := &r.s.rx
	rx.mu.Lock()
	for range len(r.slabs) {
		r.slabs = append(r.slabs, rx.pool.Get())
	}
	rx.mu.Unlock()
	r.ds = make([]transport.Datagram, len(r.slabs))
}

// offer lays out the room for the next read.
func (r *reader) offer() {
	if r.merged {
		for i, slab := range r.slabs {
			r.ds[i] = transport.Datagram{B: slab.B}
		}
		return
	}
	room := len(r.plain) / len(r.ds)
	for i := range r.ds {
		r.ds[i] = transport.Datagram{B: r.plain[i*room : (i+1)*room]}
	}
}

// datagram opens the packets of one element of the batch.
func (r *reader) datagram(now time.Time, i int) {
	d := &r.ds[i]
	if r.group.IsValid() && d.Dst.IsValid() && d.Dst != r.group.Addr() {
		r.drops[DropDestination]++ // another group's, from a kernel that mixes them
		return
	}
	var slab *flow.Slab
	if r.merged && len(d.B) > mergedBytes {
		slab = r.slabs[i]
	}
	step := d.Segment
	if step <= 0 {
		step = len(d.B)
	}
	longest := r.s.longestPacket()
	for b := d.B; len(b) > 0; {
		p := b[:min(step, len(b))]
		b = b[len(p):]
		r.packets++
		if len(p) > longest {
			r.drops[DropKind]++
			continue
		}
		o, drop := r.s.c.Sealer.Open(p)
		if r.group.IsValid() {
			r.note(&o, Drop(drop))
		}
		switch {
		case drop == uint8(DropReplay) && r.group.IsValid() && r.s.c.SecondAddr.IsValid():
			r.again++ // the other path was faster
			continue
		case drop != 0:
			r.drops[drop]++
			continue
		case o.Sender == r.s.c.Self:
			continue // our own, looped back by the kernel
		case o.Kind == kindManifest:
			r.manifest(now, &opened{Opened: o, addr: d.Addr, overflow: d.Overflow})
			continue
		case o.Kind != kindData:
			r.keys(&o, d.Overflow)
			continue
		case len(o.Payload) == 0:
			r.drops[DropFrame]++
			continue
		}
		r.opened[r.n] = opened{Opened: o, slab: slab, addr: d.Addr, overflow: d.Overflow}
		if r.n++; r.n == chunk {
			r.hand(now)
		}
	}
	if slab != nil { // its packets must be handed on before the slab is read into again
		r.hand(now)
		r.renew(i)
	}
}

// renew swaps a slab that a machine may refer to for another.
func (r *reader) renew(i int) {
	rx := &r.s.rx
	rx.mu.Lock()
	rx.pool.Put(r.slabs[i])
	r.slabs[i] = rx.pool.Get()
	rx.mu.Unlock()
}

// hand gives the opened packets to the machines, in one go under the lock.
func (r *reader) hand(now time.Time) {
	if r.n == 0 {
		return
	}
	r.hash()
	rx := &r.s.rx
	forger, forged := uint32(0), 0
	rx.mu.Lock()
	for i := range r.opened[:r.n] {
		o := &r.opened[i]
		if o.Payload[0] >= frameStart || flow.ForSender(o.Payload) {
			r.apart = append(r.apart, *o)
			continue
		}
		p := rx.peers[o.Sender]
		if p == nil {
			r.drops[DropSender]++
			continue
		}
		if o.slab == nil {
			r.pack(o)
		}
		if drop := p.handle(now, o); drop != DropNone {
			if r.drops[drop]++; drop == FlowDrop(flow.DropForged) {
				forger, forged = o.Sender, forged+1
			}
		}
		if !p.touched {
			p.touched = true
			r.touched = append(r.touched, p)
		}
	}
	rx.mu.Unlock()
	r.n = 0
	r.alarm(forger, forged, 0)
	if len(r.apart) > 0 {
		r.handApart(now)
	}
}

// pack copies a single packet into the small slab, so that its read buffer can
// be used again at once: held memory stays near what the payloads need.
func (r *reader) pack(o *opened) {
	rx := &r.s.rx
	if r.used+len(o.Payload) > len(r.small.B) {
		rx.pool.Put(r.small)
		r.small, r.used = rx.pool.Get(), 0
	}
	n := copy(r.small.B[r.used:], o.Payload)
	o.Payload, o.slab = r.small.B[r.used:r.used+n:r.used+n], r.small
	r.used += (n + 63) &^ 63
}

// handApart takes what is not a sender's data: feedback for this member's own
// sending half, and the session's own frames.
func (r *reader) handApart(now time.Time) {
	t := &r.s.tx
	for i := range r.apart {
		o := &r.apart[i]
		if !o.Pairwise && o.Payload[0] != frameProbe && r.s.keyFor(o.Sender) != 0 {
			r.drops[DropFrame]++ // some member's, in the name of one who has a key of its own
			continue
		}
		if o.Payload[0] < frameStart {
			if t.sender == nil || !t.reports.add(kindData, o.Sender, o.addr, o.Payload) {
				r.drops[DropKind]++
			}
			continue
		}
		if drop := r.s.own(now, o); drop != DropNone {
			r.drops[drop]++
		}
	}
	t.nudge()
	clear(r.apart)
	r.apart = r.apart[:0]
}

// note remembers that the group is heard, and under which epoch. That the
// network lets the group through is shown by a packet of a key that is not known
// here as well: a joiner may not have it yet. Only what opens is counted.
func (r *reader) note(o *Opened, drop Drop) {
	x := &r.s.rx
	if drop != DropNone && drop != DropKey && drop != DropClosed && drop != DropSender {
		return
	}
	x.heardOnce.Do(func() { close(x.heard) })
	if drop != DropNone {
		return
	}
	x.groupPackets.Add(1)
	if r.s.c.Heard == nil {
		return
	}
	for {
		old := x.epoch.Load()
		if o.Epoch <= old {
			return
		}
		if x.epoch.CompareAndSwap(old, o.Epoch) {
			r.s.c.Heard(r.s, o.Epoch)
			return
		}
	}
}

func (r *reader) release() {
	if r.turn != nil {
		r.turn.retire()
	}
	rx := &r.s.rx
	rx.mu.Lock()
	defer rx.mu.Unlock()
	for _, slab := range r.slabs {
		rx.pool.Put(slab)
	}
	rx.pool.Put(r.small)
	rx.account(r)
}
