package crypto

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Opened is what a packet held. It is an unnamed struct so that packages which
// must not import this one can name the same type.
type Opened = struct {
	Payload       []byte // aliases the packet
	Sender        uint32 // who sealed it; in a group, some member who says so
	Number, Epoch uint64 // packet number; epoch, zero for pairwise packets
	Kind, Flags   uint8
	Pairwise      bool
}

// RingConfig says whose keys a ring holds and for which session and group.
type RingConfig struct {
	Suite   Suite          // zero means DefaultSuite
	Session SessionID      // required
	Self    uint32         // our member id, required; never used before in this session
	Group   netip.AddrPort // the group's address and port, required: part of every packet's tag

	Insecure Insecure // zero seals; else Suite counts only for keys that nothing is sealed with
}

// Bounds of a ring.
const (
	MaxEpochs  = 3    // live at once; adding a fourth ends the oldest
	MaxSenders = 1024 // admitted to seal for the group

	maxRows = 4 * MaxSenders // senders an epoch remembers, those expelled too
	maxOver = 8              // key ids of ended epochs that are told apart from unknown ones
)

// Ring seals and opens packets under the live epochs and the pairwise keys. All
// methods are safe for concurrent use. Goroutines that open share no lock while
// they decrypt; those that seal take turns.
//
// One Ring per session and member id, ever: another one would count packet
// numbers from zero again under the same keys.
type Ring struct {
	suite    Suite
	version  uint8
	overhead int
	session  SessionID
	tag      uint32
	self     uint32
	group    [aadSize - headerSize]byte
	build    maker

	view  atomic.Pointer[view] // what Open reads
	pairs table[pair]
	spare sync.Pool // *scratch for Open

	sealing struct {
		sync.Mutex
		scratch scratch
		active  *liveEpoch
	}

	change struct { // taken before sealing and before any inbound's lock
		sync.Mutex
		admitted map[uint32]struct{}
		highest  uint64 // number of the newest epoch added
	}
}

// view is the set of live epochs. It is never changed, only replaced.
type view struct {
	live   []liveView // newest last
	over   []uint32   // key ids of epochs that ended, newest last
	closed bool
}

type liveView struct {
	*liveEpoch
	only uint32 // not 0: open for this sender alone
}

// liveEpoch is an epoch in use.
type liveEpoch struct {
	number  uint64
	keyID   uint32
	secret  *secret // for senders admitted later; guarded by change
	senders table[inbound]
	out     outbound // guarded by sealing
}

// NewRing makes a ring without keys: it opens and seals nothing yet.
func NewRing(c RingConfig) (*Ring, error) {
	if c.Suite == 0 {
		c.Suite = DefaultSuite()
	}
	if err := c.Suite.Check(); err != nil {
		return nil, fmt.Errorf("crypto: key ring: %w", err)
	}
	if err := c.Insecure.Check(); err != nil {
		return nil, fmt.Errorf("crypto: key ring: %w", err)
	}
	switch {
	case c.Session == SessionID{}:
		return nil, errors.New("crypto: key ring: Session is missing; use the root's session id")
	case c.Self == 0:
		return nil, errors.New("crypto: key ring: Self is missing; 0 stands for the group and is no member")
	case !c.Group.Addr().IsValid() || c.Group.Port() == 0:
		return nil, errors.New("crypto: key ring: Group is missing; packets are bound to the group's address and port")
	}
	r := &Ring{suite: c.Suite, version: version, overhead: c.Suite.Overhead(), session: c.Session, tag: c.Session.tag(), self: c.Self}
	r.build = func(key *secret) cipher.AEAD { return newAEAD(c.Suite, key) }
	if c.Insecure == InsecurePlaintextForTesting {
		r.version, r.overhead, r.tag = plainVersion, headerSize, c.Session.plainTag()
		r.build = func(*secret) cipher.AEAD { return plain{} }
	}
	addr := c.Group.Addr().As16()
	copy(r.group[:], addr[:])
	r.group[16], r.group[17] = byte(c.Group.Port()>>8), byte(c.Group.Port())
	copy(r.sealing.scratch.aad[headerSize:], r.group[:])
	r.spare.New = func() any {
		s := new(scratch)
		copy(s.aad[headerSize:], r.group[:])
		return s
	}
	r.change.admitted = make(map[uint32]struct{})
	r.view.Store(new(view))
	return r, nil
}

// Overhead is what Seal adds to a payload, in bytes.
func (r *Ring) Overhead() int { return r.overhead }

// Suite returns the suite in use.
func (r *Ring) Suite() Suite { return r.suite }

// Close ends every epoch and pair and wipes their keys. Afterwards Seal and the
// methods that change the ring match net.ErrClosed and Open drops everything as
// closed. Closing twice is harmless.
func (r *Ring) Close() {
	r.change.Lock()
	defer r.change.Unlock()
	old := r.view.Swap(&view{closed: true})
	r.sealing.Lock()
	if r.sealing.active != nil {
		r.sealing.active.out.wipe()
		r.sealing.active = nil
	}
	for _, e := range old.live {
		e.out.wipe()
	}
	r.pairs.each(func(_ uint32, p *pair) { p.out.wipe() })
	r.sealing.Unlock()
	for _, e := range old.live {
		e.end()
	}
	r.pairs.each(func(_ uint32, p *pair) { p.in.wipe() })
	clear(r.change.admitted)
}

var errClosed = fmt.Errorf("crypto: key ring: %w", net.ErrClosed)

// String hides the keys.
func (r *Ring) String() string {
	return fmt.Sprintf("key ring of member %d, session %v, %v", r.self, r.session, r.suite)
}

// GoString is String.
func (r *Ring) GoString() string { return r.String() }

// Format is String for every verb.
func (r *Ring) Format(f fmt.State, _ rune) { redact(f, r.String()) }

// LogValue is String.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }
