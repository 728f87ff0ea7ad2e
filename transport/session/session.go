package session

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// Config says what this member hears, writes to and admits. Root, leaf and peer
// differ in these values only.
type Config struct {
	// Self is this member's id, required.
	Self uint32
	// Sealer protects every packet, required.
	Sealer Sealer
	// Unicast sends everything and hears what is sent to this member alone,
	// required. The session closes it.
	Unicast transport.PacketConn
	// Group hears the group; nil for a member that does not. The session
	// closes it.
	Group transport.PacketConn
	// GroupAddr is where packets to the group go, required.
	GroupAddr netip.AddrPort
	// To is whom this member's data goes to: 0 is the group, otherwise the one
	// member it names, by unicast.
	To uint32

	// Second is another path for packets to the group: the same sealed packets
	// go to SecondAddr through SecondUnicast as well, and are heard on
	// SecondGroup. The first copy of a packet counts, so only what both paths
	// lost is asked for. Where SecondAddr is not valid there is one path; either
	// socket may be nil. The session closes them.
	SecondAddr    netip.AddrPort
	SecondUnicast transport.PacketConn
	SecondGroup   transport.PacketConn

	// Hub is the member that shares a key of its own with every other one, the
	// root; 0: there is none, and unicast packets are protected by the group's.
	Hub uint32
	// Keyless says that Sealer has no key to seal with yet: what is to be sent waits
	// for the first Cut.
	Keyless bool
	// Heard is told the epoch of group packets when it rises; nil: nobody asks.
	// It runs in a reader, or in Recv, without locks held.
	Heard func(s *Session, epoch uint64)
	// Keys is given the packets that opened and are not data: news of the keys,
	// see SendKeys. It returns whether it takes that kind; nil takes none. body is
	// valid during the call, which comes from a reader, or from Recv, without locks
	// held, and must not wait.
	Keys func(kind uint8, body []byte, from uint32, pairwise bool) bool

	// Sequencer is the member that puts the messages of all senders into one
	// order, the same for all members: see the package's guide. 0: each sender's
	// own order. All streams are then reliable, at most 15, the pace is the
	// slowest member's, and a member's own messages come back to it.
	Sequencer uint32
	// View is told where in an order members come in and go: between the
	// messages with the places before at and from at on, at all members alike.
	// It runs with the session locked: it must not call it, nor wait. nil:
	// nobody asks.
	View func(member uint32, in bool, at uint64)
	// Signer proves what this member sends to the group; nil: the group's key is
	// proof enough. Verifier makes what checks the proofs of one sender; it, or what
	// it returns, nil: none are looked for. Hashes makes what both know symbols by;
	// it is called by several goroutines at once.
	Signer   Signer
	Verifier func(sender uint32) Verifier
	Hashes   func(dst []Hash, of []Symbol)
	// Eager has data read before it is proven; Message.Unproven tells. Who sends has
	// no proof made early for a Flush then: nobody waits for it.
	Eager bool
	// Forged is told that somebody sealed data in a sender's name: how many
	// symbols, and how many of those were read. It runs in a reader, or in Recv,
	// without locks held, and must not wait.
	Forged func(sender uint32, symbols, read int)

	// Symbol is the coding unit in bytes, see flow.SymbolSize; required.
	Symbol int
	// Streams lists the class of each stream; required, the same at all members.
	Streams []flow.Class
	// MaxMessage, Window and History are flow's, in bytes; zero is its default.
	MaxMessage, Window, History int
	// Rate bounds what is sent, in bytes a second; zero leaves it to credit and
	// to what Law finds.
	Rate int64
	Law  flow.RateLaw
	// Policy says whose pace counts; Quorum, WaitFor, NoQuarantine, NoParity,
	// Replay and Latency are flow's.
	Policy                 flow.Policy
	Quorum, WaitFor        int
	NoQuarantine, NoParity bool
	Replay                 int
	Latency                time.Duration
	// Notice is told what the sending machine noticed of its members; nil:
	// nobody asks. It runs without locks held, in whichever goroutine found it,
	// and must not wait.
	Notice func(flow.Event)
	// ReceiveOnly members have no sender; SendOnly ones keep no data.
	ReceiveOnly, SendOnly bool
	// BusyPoll is how long Recv looks for a packet before it sleeps, where it reads the
	// socket itself.
	BusyPoll time.Duration
	// Budget bounds the receive buffers in bytes; zero means 64 MiB.
	Budget int
	// Logger hears of state changes, never of packets. nil is silence.
	Logger *slog.Logger
}

// Session is one member's data plane. All methods may be called by several
// goroutines.
type Session struct {
	c      Config
	log    *slog.Logger
	origin time.Time
	done   chan struct{}
	once   sync.Once
	wg     sync.WaitGroup

	tx   transmitter
	rx   receiver
	wr   writer
	wake alarm

	streams []flow.Class // with the hidden one
	seq     *sequencer   // this member is the sequencer
	ord     *order       // there is an order, and this member receives
}

// New starts a data plane: its readers and its timer.
func New(c Config) (*Session, error) {
	switch {
	case c.Self == 0, c.Sealer == nil, c.Unicast == nil, len(c.Streams) == 0, !c.GroupAddr.IsValid():
		return nil, fail("start data plane", transport.WSAEINVAL, errors.New("missing one of Self, Sealer, Unicast, GroupAddr, Streams: all are required"))
	}
	if err := c.checkOrder(); err != nil {
		return nil, err
	}
	s := &Session{c: c, log: c.Logger, origin: time.Now(), done: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.initOrder()
	if err := s.tx.init(s); err != nil {
		return nil, err
	}
	s.rx.init(s)
	s.wr.init(s)
	s.wake.init(s)
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	s.startReader(c.Unicast, netip.AddrPort{}, c.Group == nil)
	if c.Group != nil {
		s.rx.group = c.Group
		s.startReader(c.Group, c.GroupAddr, true)
	}
	if c.SecondGroup != nil {
		s.startReader(c.SecondGroup, c.SecondAddr, false)
	}
	return s, nil
}

// Close stops everything, closes the sockets and waits for the goroutines.
// What was not sent is lost; Drain first to avoid that. Closing twice is
// harmless.
func (s *Session) Close() error {
	s.once.Do(func() {
		close(s.done)
		s.wr.settle()
		s.c.Unicast.Close()
		for _, conn := range []transport.PacketConn{s.c.SecondUnicast, s.c.SecondGroup} {
			if conn != nil {
				conn.Close()
			}
		}
		s.rx.mu.Lock()
		if s.rx.group != nil {
			s.rx.group.Close()
		}
		s.rx.mu.Unlock()
		s.wr.pipe.end()
		s.wake.stop() // after the sockets: a callback may be stuck in a write
	})
	s.wg.Wait()
	s.rx.close()
	return nil
}

func (s *Session) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func fail(op string, c transport.Code, err error) error {
	return &transport.Error{Op: op, Code: c, Err: err}
}

func errClosed(op string) error {
	return fail(op, transport.WSA_OPERATION_ABORTED, fmt.Errorf("the session was closed"))
}
