package session

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// Bounds of what is held for a sender whose start is not known yet: the
// control channel's word may arrive after the first packets.
const (
	heldPackets = 1024
	heldBytes   = 1 << 20
)

// receiver is the receiving half: one machine per sender, under one mutex.
type receiver struct {
	mu    sync.Mutex
	s     *Session
	pool  *flow.Pool
	peers map[uint32]*peer
	group transport.PacketConn // nil: this member does not hear the group
	ready []*peer              // have something to read, in turn
	first int                  // ready[first:] is the queue
	bell  bell
	turn  *turn     // of the socket that Recv reads itself; nil: none
	end   error     // what Recv says once everything was read; nil: more may come
	room  int       // packets a socket buffer holds
	now   time.Time // when the last packets came

	heard        chan struct{} // closed by the first packet on the group
	heardOnce    sync.Once
	groupPackets atomic.Uint64
	epoch        atomic.Uint64 // highest seen in a group packet

	drops      [NumDrops]uint64
	packets    uint64
	unsent     atomic.Uint64 // feedback that the system refused to send
	readErrors uint64
	paths      [2]PathStats
	gone       flow.ReceiverStats // sums of the senders that were dropped
	scratch    [1][]byte
	out        *mail // what a Recv has to send when it has let go of the lock
	spare      []*mail
	tail       uint64 // messages lost behind the last one, of senders that left
}

// peer is one sender as this member hears it.
type peer struct {
	id      uint32
	addr    netip.AddrPort
	r       *flow.Receiver
	v       Verifier // nil: what opens is believed
	started bool
	held    []held
	heldLen int
	queued  bool                    // in ready
	touched bool                    // had a packet in this read
	leaving bool                    // Finish was called
	out     bool                    // the order says that it is gone
	before  bool                    // it was gone when this member came in, or came back
	owed    [flow.MaxStreams]uint64 // messages from here on are
	missed  [flow.MaxStreams]uint64 // told with the next message of the stream
}

type held struct {
	frame []byte
	meta  flow.Meta
}

func (x *receiver) init(s *Session) {
	x.s, x.pool, x.peers = s, flow.NewPool(s.c.Budget), make(map[uint32]*peer)
	x.heard, x.now = make(chan struct{}), s.origin
	conn := s.c.Unicast
	if s.c.Group != nil {
		conn = s.c.Group
	}
	x.room = roomOf(conn.Info())
}

// AdmitSender starts to listen to a member. Data it sealed for the group is
// owed from edges on; nil edges mean that Start tells later, and its packets
// are held until then. addr is where feedback goes.
func (s *Session) AdmitSender(id uint32, addr netip.AddrPort, edges []flow.Edge) error {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	if s.c.SendOnly || s.ord != nil && s.ord.isPast(id) {
		return nil
	}
	if x.peers[id] == nil {
		if err := x.add(id, addr); err != nil {
			return err
		}
	}
	if edges != nil {
		x.start(time.Now(), x.peers[id], edges)
	}
	return nil
}

func (x *receiver) add(id uint32, addr netip.AddrPort) error {
	var v Verifier
	var judge flow.Judge // must not hold a nil Verifier
	if x.s.c.Verifier != nil {
		if v = x.s.c.Verifier(id); v != nil {
			judge = v
		}
	}
	r, err := flow.NewReceiver(flow.ReceiverConfig{
		Judge: judge, Eager: x.s.c.Eager,
		Sender: id, Symbol: x.s.c.Symbol, Streams: x.s.streams, MaxMessage: x.s.c.MaxMessage,
		Window: x.s.c.Window, Skew: x.skew(), Latency: x.s.c.Latency, Room: x.room, Seed: uint64(x.s.c.Self), Start: x.s.origin, Reserve: x.s.reserve(),
	}, x.pool)
	if err != nil {
		return fail("admit sender", transport.WSAENOBUFS, err)
	}
	x.peers[id] = &peer{id: id, addr: addr, r: r, v: v}
	if x.s.seq != nil {
		x.s.seq.sender(x.now, id, true)
	}
	return nil
}

// mostSkew is how far two paths may be apart.
const mostSkew = 50 * time.Millisecond

func (x *receiver) skew() time.Duration {
	if x.s.c.SecondGroup == nil {
		return 0
	}
	return mostSkew
}

func (x *receiver) start(now time.Time, p *peer, edges []flow.Edge) {
	if p.started {
		return
	}
	p.started = true
	if p.id == x.s.c.Sequencer {
		x.markGone()
	}
	for _, e := range edges {
		if int(e.Stream) < len(p.owed) {
			p.owed[e.Stream] = e.Message
		}
	}
	p.r.Start(now, edges)
	for _, h := range p.held {
		slab := x.pool.Get()
		n := copy(slab.B, h.frame)
		if d := FlowDrop(p.r.Handle(now, h.meta, slab.B[:n:n], slab)); d != DropNone {
			x.drops[d]++
		}
		x.pool.Put(slab)
	}
	p.held, p.heldLen = nil, 0
	x.after(now, p)
	x.rouse(nil)
	x.s.wake.arm(now)
}

// ExpelSender stops listening to a member. What it sent and was not read yet
// stays readable; holes become gaps. edges, if known, tell how far it had got.
func (s *Session) ExpelSender(id uint32, edges []flow.Edge) {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	p, now := x.peers[id], time.Now()
	if p == nil {
		if s.ord != nil {
			s.ord.expelled(now, id, nil)
		}
		return
	}
	if edges != nil {
		p.r.Finish(now, edges)
	}
	p.r.GiveUp(now)
	x.after(now, p)
	p.leaving = true
	if s.ord != nil {
		x.outOfOrder(now, p)
	} else if !p.queued {
		x.lost(p)
		x.drop(p)
	}
	x.rouse(nil)
	x.s.wake.arm(now)
}

// FinishSender says how far a member will have sent when it is done: repairs
// may still come, until ExpelSender.
func (s *Session) FinishSender(id uint32, edges []flow.Edge) {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.peers[id]; p != nil {
		now := time.Now()
		p.r.Finish(now, edges)
		x.after(now, p)
		x.rouse(nil)
		x.s.wake.arm(now)
	}
}

// drop forgets a sender for good.
func (x *receiver) drop(p *peer) {
	add(&x.gone, p.r.Stats())
	p.r.Close()
	delete(x.peers, p.id)
}

func (p *peer) handle(now time.Time, o *opened) Drop {
	meta := metaOf(&o.Opened, o.overflow)
	meta.Hashed, meta.Hash = o.hashed, o.hash
	if p.started {
		return FlowDrop(p.r.Handle(now, meta, o.Payload, o.slab))
	}
	if len(p.held) == heldPackets || p.heldLen+len(o.Payload) > heldBytes {
		return DropHeld
	}
	p.held = append(p.held, held{append([]byte(nil), o.Payload...), meta})
	p.heldLen += len(o.Payload)
	return DropNone
}

// settle ends one read: gaps are judged, who waits wakes, feedback leaves.
func (s *Session) settle(now time.Time, r *reader) {
	x := &s.rx
	x.mu.Lock()
	x.now = now
	for _, p := range r.touched {
		p.touched = false
		if p.started {
			x.after(now, p)
			s.wake.arm(p.next())
		}
	}
	for _, p := range r.touched {
		if p.started {
			x.gather(&r.mail, now, p)
		}
	}
	clear(r.touched)
	r.touched = r.touched[:0]
	x.account(r)
	x.rouse(r)
	x.mu.Unlock()
	s.send(&r.mail)
	s.orderOn(now)
}

// after lets a machine judge its gaps and queues it when it can be read.
func (x *receiver) after(now time.Time, p *peer) {
	p.r.Advance(now)
	if p.v != nil {
		p.v.Crowd(p.r.Leaves())
	}
	if x.s.ord != nil {
		x.placeable(p)
		return
	}
	x.enqueue(p)
}

func (x *receiver) enqueue(p *peer) {
	if p.queued || !x.readable(p) {
		return
	}
	p.queued = true
	if x.first > 0 && len(x.ready) == cap(x.ready) {
		x.ready = append(x.ready[:0], x.ready[x.first:]...)
		x.first = 0
	}
	x.ready = append(x.ready, p)
}

// rouse wakes a Recv that waits for what is there, but for the one that read it with r.
func (x *receiver) rouse(r *reader) {
	if x.s.ord != nil {
		x.rouseOrder()
		return
	}
	if x.first < len(x.ready) {
		x.ring(r)
	}
}

func (x *receiver) readable(p *peer) bool {
	for st := range x.s.c.Streams {
		if _, ok := p.r.Next(flow.Stream(st)); ok {
			return true
		}
	}
	return false
}

// advanceReceivers runs what is due on the receiving side and returns when to
// look again.
func (s *Session) advanceReceivers(now time.Time) (next time.Time) {
	x := &s.rx
	x.mu.Lock()
	var m *mail
	for _, p := range x.peers {
		if !p.started {
			continue
		}
		if t := p.next(); !t.IsZero() && !t.After(now) {
			x.after(now, p)
		}
		m = x.gather(m, now, p)
		next = earliest(next, p.next())
	}
	x.rouse(nil)
	x.mu.Unlock()
	x.post(m)
	return next
}

func (x *receiver) account(r *reader) {
	for i, n := range r.drops {
		x.drops[i] += n
	}
	x.packets += r.packets
	if r.group.IsValid() {
		path := &x.paths[0]
		if r.group == x.s.c.SecondAddr {
			path = &x.paths[1]
		}
		path.Heard += r.packets
		path.Again += r.again
	}
	r.drops, r.packets, r.again = [NumDrops]uint64{}, 0, 0
}

// readerGone judges a read error. A closed socket ends the reader; anything
// else, such as an ICMP error that a peer's absence caused, is counted.
func (s *Session) readerGone(r *reader, err error) bool {
	if s.closed() || errors.Is(err, net.ErrClosed) {
		return true
	}
	s.readFailed(r, err)
	select {
	case <-s.done:
		return true
	case <-time.After(retryAfter):
		return false
	}
}

func (s *Session) readFailed(r *reader, err error) {
	s.rx.mu.Lock()
	s.rx.readErrors++
	first := s.rx.readErrors == 1
	s.rx.mu.Unlock()
	if first {
		s.log.Warn("reading fails; going on", "socket", r.conn.LocalAddr(), "cause", err)
	}
}

// close gives every buffer back; the readers have ended.
func (x *receiver) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.peers {
		x.lost(p) // who reads on is told of it
		x.drop(p)
	}
	x.ready, x.first = nil, 0
}
