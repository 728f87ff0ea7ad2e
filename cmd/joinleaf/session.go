package main

import (
	"context"
	"net/netip"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// What the commands need of a session, apart from the library that gives it:
// sessions of tests lose what no loopback loses.

// rootSession is a session as its root sees it.
type rootSession interface {
	// Accept admits the next leaf that is neither refused nor deferred.
	Accept(ctx context.Context) (memberSession, error)
	// Send gives p to every leaf, waiting for room. SendLast sends what must
	// not be lost whatever the class is. Flush lets go what is held back to fill
	// a packet.
	Send(ctx context.Context, p []byte) error
	SendLast(ctx context.Context, p []byte) error
	Flush(ctx context.Context) error
	// Answer waits for what a leaf says over the data plane.
	Answer(ctx context.Context, p []byte) (n int, leaf uint32, err error)
	// Drain waits until every leaf has everything.
	Drain(ctx context.Context) error
	// Heed waits for a leaf's standing to change.
	Heed(ctx context.Context) (standing, error)
	// Holder is the leaf that has taken least, if there is something that it
	// could take.
	Holder() (leaf uint32, ok bool)
	Figures() figures
	Facts() facts
	Shutdown(ctx context.Context) error
	Close() error
}

// memberSession is one leaf as the root sees it.
type memberSession interface {
	ID() uint32
	Addr() netip.AddrPort
	Hear(ctx context.Context, p []byte) (int, error) // its side chat
	Err() error                                      // why it is gone; io.EOF in good order
}

// leafSession is a session as a leaf sees it.
type leafSession interface {
	ID() uint32
	CalleeData() []byte
	// Recv gives the next message; missed counts messages that were lost just
	// before it, and a loss may come alone with n zero. io.EOF is the good end.
	Recv(ctx context.Context, p []byte) (n int, missed uint64, err error)
	Say(ctx context.Context, p []byte) error    // to the root, over the side chat
	Answer(ctx context.Context, p []byte) error // to the root, over the data plane, at once
	// Heed waits for this leaf's standing to change.
	Heed(ctx context.Context) (standing, error)
	Figures() figures
	Facts() facts
	Shutdown(ctx context.Context) error
	Close() error
}

// figures are a session's counts, in the words of the command.
type figures struct {
	Repairs uint64 // packets sent to repair, or come so or rebuilt
	Missed  uint64 // messages lost for good
	Moved   uint64 // packets of data sent, the repairs included; of a root
	Epoch   uint64 // of the group's keys
}

// standing is news of how a leaf is served.
type standing struct {
	Leaf  uint32 `json:"leaf"`
	Place place  `json:"-"`
	Why   string `json:"text"` // "holds everybody back"
}

// place is where a leaf stands.
type place uint8

const (
	standsInStep place = iota // it keeps up again
	standsApart               // it drags the others, and is not waited for any more
	standsOut                 // its membership has ended, and not in good order; a leaf's own
)

// facts are what the start-up block tells of a session.
type facts struct {
	Session    string // its name or number
	Control    netip.AddrPort
	Group      transport.Group
	Interface  string
	Why        string // why that interface
	TTL        int
	ReadBuffer int // granted, in bytes
	WantBuffer int // asked for
	Encryption string
	Pin        string // the root's fingerprint
	Warnings   []string
}

// plan is what the commands ask of a session.
type plan struct {
	Network   transport.Network
	Code      crypto.JoinCode
	Interface string
	Source    source // how data is known to be the sender's

	// Of a root.
	Name      string // what leaves see the session called
	Group     transport.Group
	Listen    netip.AddrPort
	Terms     terms
	Rate      int64 // bytes a second; zero: no limit
	TTL, DSCP int
	Admit     func(callerData []byte, from netip.AddrPort) (calleeData []byte, refusal string)

	// Of a leaf.
	Root       netip.AddrPort
	CallerData []byte
	From       from
}

// opener opens sessions.
type opener interface {
	Open(ctx context.Context, p plan) (rootSession, error)
	Join(ctx context.Context, p plan) (leafSession, error)
}
