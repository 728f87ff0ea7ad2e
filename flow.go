package joinleaf

import (
	"context"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// carrier is a session's data: a rooted.Root or rooted.Leaf, or a peer.
type carrier interface {
	Send(ctx context.Context, p []byte) error
	Recv(ctx context.Context, p []byte) (rooted.Message, error)
	Drain(ctx context.Context) error
	Readable() (data, end bool)
	WaitReadable(ctx context.Context) error
	WaitRoom(ctx context.Context, n int) error
	Undelivered() bool
}

// regulated is a carrier that can be held to a rate; a peer cannot: there is no
// quality of service without a root.
type regulated interface {
	Limit(rate int64, burst int)
	Wire(n int) (bytes, packets int)
}

// chatter is a side chat: a rooted.Leaf's or a rooted.Member's.
type chatter interface {
	Chat(ctx context.Context, p []byte) error
	RecvChat(ctx context.Context, p []byte) (int, error)
}

// flow is what a joined socket sends and receives with.
type flow struct {
	car  carrier // nil on a member socket, which is not for session data (R112)
	chat chatter // nil where there is none
	peer netip.AddrPort
	self uint32
	addr func(id uint32) netip.AddrPort
	top  func() uint32   // the data's root is a leaf: which, 0 none yet (R241); nil: it is not
	done <-chan struct{} // the connection is over; nil for a c_root
	why  func() error
	// leave goes politely, drop at once.
	leave func(context.Context) error
	drop  func() error

	sends, receives bool
	noSend, noRecv  bool // shut down
	spec            FlowSpec
	bucket          bucket
	reserved        uint64 // of the provider's capacity

	inbox    []letter // side chats and own messages come back
	inSize   int
	missed   uint64 // own messages that found no room
	chatOver bool   // nothing more comes by the side chat
	endTold  bool   // FD_CLOSE was noted
	waiting  bool   // a send gave WSAEWOULDBLOCK: room is waited for
	peers    map[uint32]netip.AddrPort
}

// letter is a message that did not come by the data plane.
type letter struct {
	p       []byte
	private bool
	from    netip.AddrPort
	missed  uint64
}

// Bounds of the inbox.
const (
	inboxCount = 1024
	inboxRoom  = 1 << 20
)

// isOver reports whether the connection has ended.
func (f *flow) isOver() bool {
	if f.done == nil {
		return false
	}
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// limit holds sending to a specification: messages wait for the bucket, and
// what the session makes of them, repairs included, keeps to its rate (R208).
func (f *flow) limit(spec FlowSpec) {
	if spec == f.spec {
		return
	}
	f.spec = spec
	f.bucket = newBucket(spec, f.bucket)
	if car, ok := f.car.(regulated); ok {
		rate := spec.most()
		if !stated(rate) || spec.service() == ServiceNoTraffic {
			rate = 0
		}
		burst := 0 // at the peak there is none
		if rate == spec.TokenRate {
			burst = int(min(f.bucket.size, math.MaxInt32))
		}
		car.Limit(int64(rate), burst)
	}
}

// cost is what a message of n bytes takes from the bucket: what it is on the wire,
// each packet counted as MinimumPolicedSize at least. A side chat has no packets of
// its own.
func (f *flow) cost(n int) int {
	bytes, packets := n, 1
	if car, ok := f.car.(regulated); ok {
		bytes, packets = car.Wire(n)
	}
	return max(bytes, packets*int(f.spec.policed()))
}

// reachable reports whether there is somebody to send to, as far as that is the
// data's root (R241).
func (f *flow) reachable() bool { return f.top == nil || f.top() != 0 }

// put keeps a letter, or says that there is no room. One always has.
func (f *flow) put(l letter) bool {
	if len(f.inbox) >= inboxCount || len(f.inbox) > 0 && f.inSize+len(l.p) > inboxRoom {
		return false
	}
	f.inbox, f.inSize = append(f.inbox, l), f.inSize+len(l.p)
	return true
}

// noteReadable records FD_READ where there is something, and FD_CLOSE where
// there is nothing and will be nothing (R137, R140). The caller holds the lock.
func (s *Socket) noteReadable() {
	f := &s.flow
	data, end := false, f.car == nil && f.isOver()
	if f.car != nil {
		data, end = f.car.Readable()
	}
	switch {
	case len(f.inbox) > 0 || data && f.receives:
		s.note(FDRead, 0)
	case end && (f.chat == nil || f.chatOver) && !f.endTold && s.kind != kindRoot:
		f.endTold = true
		s.note(FDClose, s.endCode())
	}
}

// endCode is FD_CLOSE's (R138).
func (s *Socket) endCode() transport.Code {
	if s.flow.why == nil {
		return 0
	}
	switch code := transport.CodeOf(s.flow.why()); code {
	case 0, transport.WSAECONNRESET, transport.WSAECONNABORTED, transport.WSAENETDOWN:
		return code
	}
	return transport.WSAECONNABORTED
}

// follow records that data comes, and the end, for a socket with a selection.
func (s *Socket) follow() {
	s.mu.Lock()
	car := s.flow.car
	s.mu.Unlock()
	for {
		if car.WaitReadable(s.ctx) != nil {
			return
		}
		s.mu.Lock()
		s.noteReadable()
		over := s.flow.endTold
		s.mu.Unlock()
		if over {
			return
		}
		select {
		case <-s.turn:
		case <-s.ctx.Done():
			return
		}
	}
}

// pump takes side chats in, and sees the end of the connection.
func (s *Socket) pump() {
	s.mu.Lock()
	chat := s.flow.chat
	from := s.flow.peer
	s.mu.Unlock()
	p := make([]byte, largestConnectData)
	for {
		n, err := chat.RecvChat(s.ctx, p)
		if s.ctx.Err() != nil {
			return
		}
		if err == nil {
			s.took(p[:n], from)
			continue
		}
		if transport.CodeOf(err) != transport.WSAENOBUFS || s.overNow() {
			break
		}
	}
	s.mu.Lock()
	s.flow.chatOver = true
	back := s.flow.reserved
	s.flow.reserved = 0
	s.noteReadable()
	s.wake()
	s.nudge()
	parent := s.parent
	s.mu.Unlock()
	s.p.capacity.give(back)
	if s.kind == kindMember && parent != nil {
		parent.gone(s)
	}
}

func (s *Socket) overNow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flow.isOver()
}

// took keeps a side chat's message; while there is no room the other side waits.
func (s *Socket) took(p []byte, from netip.AddrPort) {
	if s.p.c.NoSideChat {
		return
	}
	s.keep(letter{p: append([]byte(nil), p...), private: true, from: from})
}

// keep puts a letter into the inbox; while there is no room it waits. It
// reports whether the socket is still there.
func (s *Socket) keep(l letter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.flow.put(l) {
		ctx, release := s.interruptible()
		s.mu.Unlock()
		<-ctx.Done()
		release()
		s.mu.Lock()
		if s.closed {
			return false
		}
	}
	s.noteReadable()
	s.wake()
	return true
}

// noteWritable records FD_WRITE where session data may be sent (R136). The
// caller holds the lock.
func (s *Socket) noteWritable() {
	if s.flow.car != nil && s.mayWrite() {
		s.note(FDWrite, 0)
	}
}

// mayWrite reports whether this socket sends session data to somebody.
func (s *Socket) mayWrite() bool {
	f := &s.flow
	if !f.sends || f.noSend || f.car == nil || !f.reachable() || s.kind != kindRoot && s.now() != joined {
		return false
	}
	return s.kind != kindRoot || !s.over && len(s.hub.members) > 0
}

// reach has all sockets look again whether the data's root is there (R241): one that
// listens has told it for those that it accepted.
func (p *Provider) reach() {
	p.mu.Lock()
	all := slices.Collect(maps.Keys(p.sockets))
	p.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		if s.flow.top != nil && !s.closed {
			s.noteWritable()
		}
		s.mu.Unlock()
	}
}

// awaitRoom records FD_WRITE once a message of n bytes may go again (R132).
func (s *Socket) awaitRoom(n int, wait time.Duration) {
	s.mu.Lock()
	car := s.flow.car
	s.mu.Unlock()
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return
		}
	}
	if car.WaitRoom(s.ctx, n) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow.waiting = false
	s.noteWritable()
}
