package control

import (
	"encoding/binary"
	"time"
)

// A Pipe makes an ordered, reliable way for frames out of datagrams that may be
// lost, come twice or out of order, for as long as both ends live: what TCP is
// to a root and its leaves, between equals that have DTLS. It is a machine.
//
// A datagram is one segment, and every segment says what has come:
//
//	0      1     5     9
//	+------+-----+-----+------
//	| kind | seq | ack | bytes     kind 1: the seq-th piece of the stream of frames
//	+------+-----+-----+------     kind 0: none, seq and bytes are empty; a sign of life
//
// ack is the lowest seq that has not come. Up to 32 pieces are under way;
// what is not acknowledged is sent again, from the oldest on.
type Pipe struct {
	room  int           // bytes of a piece
	most  int           // bytes of a frame that is taken
	every time.Duration // between signs of life

	out     []byte // of the stream, not cut into pieces yet
	sent    [][]byte
	base    uint32 // seq of sent[0]
	next    int    // of sent, to be sent now
	resend  time.Time
	patient time.Duration

	want  uint32            // seq that comes next
	early map[uint32][]byte // pieces behind a gap
	in    []byte            // of the stream, not cut into frames yet
	taken int               // bytes of in that were returned as frames

	owe   bool // an acknowledgement is due
	beat  time.Time
	heard time.Time
	fault Fault
}

const (
	segmentHead  = 9
	pipeWindow   = 32
	pipeRoom     = MaxFrame + 64<<10 // bytes that may wait to be sent
	pipeResend   = 120 * time.Millisecond
	pipeResendTo = 500 * time.Millisecond
	minSegment   = segmentHead + 64
)

// NewPipe makes one end. datagram is the longest datagram it writes; every is
// the longest pause between two of them.
func NewPipe(now time.Time, datagram int, every time.Duration) *Pipe {
	p := &Pipe{room: max(datagram, minSegment) - segmentHead, most: MaxFrame, every: every, heard: now, patient: pipeResend}
	p.beat = now.Add(every)
	return p
}

// Expect bounds the frames that are taken from now on. A new pipe takes MaxFrame.
func (p *Pipe) Expect(most int) { p.most = most }

// Write queues a whole frame. It reports false, for good, once more waits than
// the other end takes: the pipe is of no use any more.
func (p *Pipe) Write(frame []byte) bool {
	if p.fault == 0 && len(p.out)+len(frame) > pipeRoom {
		p.fault = FaultLimit
	}
	if p.fault != 0 {
		return false
	}
	p.out = append(p.out, frame...)
	return true
}

// segment is what one datagram says.
type segment struct {
	kind     uint8
	seq, ack uint32
	bytes    []byte
}

func (g segment) append(b []byte) []byte {
	b = append(b, g.kind)
	b = binary.BigEndian.AppendUint32(b, g.seq)
	b = binary.BigEndian.AppendUint32(b, g.ack)
	return append(b, g.bytes...)
}

func parseSegment(datagram []byte) (segment, error) {
	s := scan{rest: datagram}
	g := segment{kind: s.u8(), seq: s.u32(), ack: s.u32()}
	g.bytes = s.take(len(s.rest))
	s.check(g.kind <= 1 && (g.kind == 1) == (len(g.bytes) > 0) && (g.kind == 1 || g.seq == 0), FaultValue)
	if s.fault != 0 {
		return segment{}, s.fault
	}
	return g, nil
}

// Handle takes a datagram. A Fault means that the other end is no Pipe.
func (p *Pipe) Handle(now time.Time, datagram []byte) error {
	g, err := parseSegment(datagram)
	if err != nil {
		return err
	}
	switch n := g.ack - p.base; {
	case n <= uint32(len(p.sent)):
		p.acked(now, int(n))
	case n < 1<<31:
		return FaultValue // of what was never sent; a large number is an old one, overtaken
	}
	p.heard = now
	if g.kind == 1 {
		p.owe = true
		p.piece(g.seq, g.bytes)
	}
	return nil
}

// acked forgets the oldest n pieces: the other end has them.
func (p *Pipe) acked(now time.Time, n int) {
	if n == 0 {
		return
	}
	clear(p.sent[:n])
	p.sent, p.base = p.sent[n:], p.base+uint32(n)
	p.next = max(0, p.next-n)
	p.patient = pipeResend
	p.resend = now.Add(p.patient)
}

// piece takes one piece of the stream.
func (p *Pipe) piece(seq uint32, b []byte) {
	ahead := seq - p.want // a far one, or an old one, is a large number
	if ahead >= pipeWindow || len(p.in)-p.taken > p.most+pipeWindow*p.room {
		return
	}
	if ahead > 0 {
		if p.early == nil {
			p.early = make(map[uint32][]byte)
		}
		if _, ok := p.early[seq]; !ok {
			p.early[seq] = append([]byte(nil), b...)
		}
		return
	}
	p.compact()
	p.in = append(p.in, b...)
	p.want++
	for {
		b, ok := p.early[p.want]
		if !ok {
			return
		}
		delete(p.early, p.want)
		p.in = append(p.in, b...)
		p.want++
	}
}

func (p *Pipe) compact() {
	if p.taken > 0 {
		p.in = append(p.in[:0], p.in[p.taken:]...)
		p.taken = 0
	}
}

// Next returns the next whole frame, valid until the next Handle, or nil. A
// length that no frame has is a Fault, for good.
func (p *Pipe) Next() ([]byte, error) {
	if p.fault != 0 {
		return nil, p.fault
	}
	b := p.in[p.taken:]
	if len(b) < 4 {
		return nil, nil
	}
	n := binary.BigEndian.Uint32(b)
	if n == 0 || n > uint32(p.most) {
		p.fault = FaultLength
		return nil, p.fault
	}
	if uint32(len(b)-4) < n {
		return nil, nil
	}
	p.taken += 4 + int(n)
	return b[: 4+n : 4+n], nil
}

// Heard is when the other end last said anything.
func (p *Pipe) Heard() time.Time { return p.heard }

// Idle reports whether the other end has everything that was written.
func (p *Pipe) Idle() bool { return len(p.out) == 0 && len(p.sent) == 0 }

// NextTimeout is when Poll has something to send at the latest.
func (p *Pipe) NextTimeout() time.Time {
	if len(p.sent) > 0 && p.resend.Before(p.beat) {
		return p.resend
	}
	return p.beat
}

// Poll appends the next datagram to b, until false.
func (p *Pipe) Poll(now time.Time, b []byte) ([]byte, bool) {
	if len(p.sent) > 0 && p.next >= len(p.sent) && !now.Before(p.resend) {
		p.next = 0
		p.patient = min(2*p.patient, pipeResendTo)
		p.resend = now.Add(p.patient)
	}
	p.cut()
	if p.next < len(p.sent) {
		if p.next == 0 && p.resend.Before(now) {
			p.resend = now.Add(p.patient)
		}
		b = p.segment(now, 1, p.base+uint32(p.next), p.sent[p.next]).append(b)
		p.next++
		return b, true
	}
	if p.owe || !now.Before(p.beat) {
		return p.segment(now, 0, 0, nil).append(b), true
	}
	return b, false
}

func (p *Pipe) segment(now time.Time, kind uint8, seq uint32, bytes []byte) segment {
	p.owe, p.beat = false, now.Add(p.every)
	return segment{kind, seq, p.want, bytes}
}

// cut makes pieces of what waits, as far as the window allows.
func (p *Pipe) cut() {
	for len(p.out) > 0 && len(p.sent) < pipeWindow {
		n := min(p.room, len(p.out))
		p.sent = append(p.sent, append([]byte(nil), p.out[:n]...))
		p.out = p.out[n:]
	}
	if len(p.out) == 0 {
		p.out = nil
	}
}
