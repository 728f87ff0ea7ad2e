package session

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// pipe is a socket of a network that loses nothing and allocates nothing:
// what is written to one is read from the others it leads to.
type pipe struct {
	mu     sync.Mutex
	cond   *sync.Cond
	to     []*pipe
	slots  [1024]transport.Datagram
	first  int
	n      int
	merge  bool
	closed bool
	lost   int
}

func newPipe(merge bool) *pipe {
	p := &pipe{merge: merge}
	p.cond = sync.NewCond(&p.mu)
	room := 2 << 10
	if merge {
		room = 64 << 10
	}
	for i := range p.slots {
		p.slots[i].B = make([]byte, 0, room)
	}
	return p
}

// put queues a datagram; a pipe that does not merge takes it apart.
func (p *pipe) put(d *transport.Datagram) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.merge || d.Segment == 0 {
		p.queue(d.B, d.Segment)
		return
	}
	for b := d.B; len(b) > 0; {
		n := min(d.Segment, len(b))
		p.queue(b[:n], 0)
		b = b[n:]
	}
}

func (p *pipe) queue(b []byte, segment int) {
	if p.n == len(p.slots) {
		p.lost++
		return
	}
	s := &p.slots[(p.first+p.n)%len(p.slots)]
	s.B, s.Segment = append(s.B[:0], b...), segment
	p.n++
	p.cond.Signal()
}

func (p *pipe) WriteBatch(ds []transport.Datagram) (int, error) {
	for i := range ds {
		for _, q := range p.to {
			q.put(&ds[i])
		}
	}
	return len(ds), nil
}

func (p *pipe) ReadBatch(ds []transport.Datagram) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.n == 0 && !p.closed {
		p.cond.Wait()
	}
	if p.closed {
		return 0, net.ErrClosed
	}
	n := 0
	for n < len(ds) && p.n > 0 {
		s := &p.slots[p.first]
		ds[n].B = ds[n].B[:copy(ds[n].B, s.B)]
		ds[n].Segment = s.Segment
		p.first, p.n = (p.first+1)%len(p.slots), p.n-1
		n++
	}
	return n, nil
}

func (p *pipe) LocalAddr() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:1") }
func (p *pipe) Info() transport.SocketInfo {
	return transport.SocketInfo{MTU: 1500, ReadBuffer: 4 << 20, ReceiveOffload: p.merge}
}

func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cond.Broadcast()
	return nil
}

// clearSealer numbers packets and hides nothing: sender 4, number 8, payload.
type clearSealer struct {
	self   uint32
	number uint64
}

func (c *clearSealer) Overhead() int { return 40 }

func (c *clearSealer) SealAll(dst []byte, to uint32, kind, flags uint8, payloads [][]byte) ([]byte, error) {
	for _, p := range payloads {
		var head [40]byte
		binary.BigEndian.PutUint32(head[:], c.self)
		binary.BigEndian.PutUint64(head[4:], c.number)
		head[12], head[13] = kind, flags
		if to != 0 {
			head[14] = 1
		}
		c.number++
		dst = append(append(dst, head[:]...), p...)
	}
	return dst, nil
}

func (c *clearSealer) Open(p []byte) (o Opened, drop uint8) {
	if len(p) < 40 {
		return o, uint8(DropShort)
	}
	return Opened{Payload: p[40:], Sender: binary.BigEndian.Uint32(p), Number: binary.BigEndian.Uint64(p[4:]), Epoch: 1,
		Kind: p[12], Flags: p[13], Pairwise: p[14] == 1}, 0
}

// pair is a sender with one receiver.
func pair(t testing.TB, merge bool, class flow.Class, change ...func(recv *Config)) (send, recv *Session) {
	return pairOf(t, merge, Config{Streams: []flow.Class{class}}, change...)
}

// pairOf is a pair in a session of that kind; a Sealer is the sender's.
func pairOf(t testing.TB, merge bool, c Config, change ...func(recv *Config)) (send, recv *Session) {
	group := netip.MustParseAddrPort("239.192.9.9:9")
	a, b, g := newPipe(false), newPipe(false), newPipe(merge)
	a.to, b.to = []*pipe{g}, []*pipe{a}
	c.GroupAddr, c.Symbol = group, flow.SymbolSize(1500, 40, false)
	open := func(c Config) *Session {
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	ca, cb := c, c
	if ca.Self, ca.Unicast = 1, a; ca.Sealer == nil {
		ca.Sealer = &clearSealer{self: 1}
	}
	cb.Self, cb.Unicast, cb.Sealer, cb.Group, cb.ReceiveOnly = 2, b, &clearSealer{self: 2}, g, true
	for _, f := range change {
		f(&cb)
	}
	send, recv = open(ca), open(cb)
	addr := netip.MustParseAddrPort("127.0.0.1:1")
	edges := send.AddMember(2, addr, flow.Admission{})
	if err := recv.AdmitSender(1, addr, edges); err != nil {
		t.Fatal(err)
	}
	return send, recv
}
