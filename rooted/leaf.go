package rooted

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// Leaf is one leaf's membership. All methods may be called by several
// goroutines.
type Leaf struct {
	c      Config
	log    *slog.Logger
	link   *link
	events events
	inbox  inbox

	ctx    context.Context // ends with the membership's resources
	cancel context.CancelCauseFunc
	in     chan func(time.Time, *control.Leaf)
	loop   chan struct{}
	wg     sync.WaitGroup
	end    once

	// Owned by the loop until started, read-only afterwards.
	machine *control.Leaf
	id      uint32
	role    Role // this leaf's
	root    netip.AddrPort
	group   transport.Group
	choice  transport.Choice
	params  control.Params
	session crypto.SessionID
	hash    [32]byte
	ring    *crypto.Ring
	s       *session.Session
	callee  []byte
	caller  []byte
	qos     []byte // as WELCOME has it
	theirs  Role   // the root's towards this leaf

	// Owned by the loop.
	epoch      *crypto.Epoch // the newest
	path       *crypto.Path
	witness    *crypto.Witness
	lastNotice uint64                  // the newest epoch that the root said, signed, is in use
	peers      map[uint32]control.Peer // nonrooted data: the other members
	silent     silence
	junk       junk

	news     chan news
	missed   atomic.Uint64 // news that found no room
	outcomes [crypto.Outcomes]atomic.Uint64
	checker  atomic.Pointer[checker]
	alarm    alarm

	turn    sync.Mutex // held while the epoch in use changes
	ages    crypto.Ages
	sealing atomic.Uint64 // the epoch in use
	top     top           // LeafRootedData: the data's root

	invited chan control.Invite
	entered chan struct{} // closed when the membership began, or failed
	done    chan struct{} // closed when it is over
	over    atomic.Bool   // err is set
	mu      sync.Mutex
	member  bool  // the membership began
	err     error // why it is over; io.EOF in good order
	failure error // what went wrong on this side while entering
}

// newLeaf runs a leaf's machine over a proven connection.
func newLeaf(c Config, ch *crypto.Channel) *Leaf {
	l := &Leaf{
		c: c, log: c.Logger, link: newLink(ch), in: make(chan func(time.Time, *control.Leaf)), loop: make(chan struct{}),
		peers: make(map[uint32]control.Peer), news: make(chan news, newsRoom),
		invited: make(chan control.Invite, 1), entered: make(chan struct{}), done: make(chan struct{}),
	}
	l.machine = control.NewLeaf(time.Now(), control.LeafConfig{
		JoinTimeout: c.JoinTimeout, Silence: c.Silence, Seed: seed(), Data: l.framesOfRoot,
	})
	l.events.init()
	l.end.init()
	l.inbox.init()
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.wg.Go(func() {
		defer close(l.loop)
		control.Run(l.ctx, l.machine, l.in, l.out)
	})
	l.link.run(func(f []byte) {
		if control.TypeOf(f) == control.TypeWelcome {
			l.link.frames.Raise()
		}
		l.do(func(now time.Time, m *control.Leaf) { m.Handle(now, control.RootID, f) })
	}, func(err error) {
		code, fault := lostCode(err)
		l.do(func(now time.Time, m *control.Leaf) {
			if fault != 0 {
				m.Unreadable(now, fault)
				return
			}
			m.Lost(now, code)
		})
	})
	return l
}

func (l *Leaf) do(f func(time.Time, *control.Leaf)) error {
	done := make(chan struct{})
	select {
	case l.in <- func(now time.Time, m *control.Leaf) { f(now, m); close(done) }:
		<-done
		return nil
	case <-l.loop:
		return errOver("use session")
	}
}

// Join asks the root at that address to be let in, with caller data (nil is
// none), and returns once it is: everything the root sends from then on
// arrives. It fails with WSAECONNREFUSED when the root refuses, or knows another
// join code; with WSAETIMEDOUT when it does not answer within JoinTimeout; with
// WSAENETUNREACH where there is no way to it. All three may be tried again.
func Join(ctx context.Context, root netip.AddrPort, data []byte, c Config) (*Leaf, error) {
	c = c.withDefaults()
	if err := c.check("join", crypto.RoleLeaf); err != nil {
		return nil, err
	}
	join := c.request(data)
	if err := join.Check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.JoinTimeout)
	defer cancel()
	ch, err := c.reach(ctx, "join", root, crypto.RoleLeaf)
	if err != nil {
		return nil, err
	}
	l := newLeaf(c, ch)
	l.caller, l.role = data, c.Role
	if e := l.do(func(now time.Time, m *control.Leaf) { err = m.Join(now, join) }); e != nil {
		err = e
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l.enter(ctx, "join")
}

// request is the JOIN of this configuration.
func (c Config) request(data []byte) control.Join {
	j := control.Join{Role: c.Role, Name: c.Name, Room: int32(c.CalleeRoom), Token: control.Secret(c.Identity.Token), Data: data,
		From: control.From{Kind: control.FromKind(c.From.Kind), N: c.From.N}, QoS: c.QoS}
	for _, s := range []crypto.Suite{crypto.AES256GCM, crypto.ChaCha20Poly1305, crypto.AES256GCMRandomNonce} {
		if s.Check() == nil {
			j.Suites = append(j.Suites, uint8(s))
		}
	}
	rand.Read(j.Nonce[:])
	return j
}

// reach dials and proves. A connection that is cut before it is proven is
// dialled again after a short random while: who is under attack closes the
// oldest ones.
func (c Config) reach(ctx context.Context, op string, to netip.AddrPort, role crypto.Role) (*crypto.Channel, error) {
	for try := 0; ; try++ {
		conn, err := c.Network.Dial(ctx, netip.AddrPort{}, to)
		if err != nil {
			return nil, err
		}
		ch, err := c.prove(ctx, conn, role)
		if err == nil {
			return ch, nil
		}
		if try == reachTries || !cutOff(err) || ctx.Err() != nil {
			return nil, proofError(op, err)
		}
		select {
		case <-time.After(reachPause()):
		case <-ctx.Done():
			return nil, proofError(op, err)
		}
	}
}

// enter waits until the membership began or failed.
func (l *Leaf) enter(ctx context.Context, op string) (*Leaf, error) {
	select {
	case <-l.entered:
	case <-ctx.Done():
		l.do(func(now time.Time, m *control.Leaf) {
			m.Leave(now, transport.WSA_OPERATION_ABORTED, "the leaf cancelled", nil)
		})
		l.Close()
		return nil, transport.Explain(op, transport.Group{}, context.Cause(ctx))
	}
	l.mu.Lock()
	err := l.failure
	if err == nil && !l.member {
		err = l.err
	}
	l.mu.Unlock()
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// ID is this leaf's member id.
func (l *Leaf) ID() uint32 { return l.id }

// Root is the control address of the root.
func (l *Leaf) Root() netip.AddrPort { return l.link.ch.Peer.AddrPort }

// Peer is what the root proved of itself.
func (l *Leaf) Peer() crypto.PeerInfo { return l.link.ch.Peer }

// Group is the session's group, with the interface in use.
func (l *Leaf) Group() transport.Group { return l.group }

// Choice is the interface in use and the reason for it.
func (l *Leaf) Choice() transport.Choice { return l.choice }

// Name is the session's name.
func (l *Leaf) Name() string { return l.params.Name }

// Streams is the class of each of the session's streams.
func (l *Leaf) Streams() []flow.Class {
	var out []flow.Class
	for _, c := range l.params.Streams {
		out = append(out, flow.Class(c))
	}
	return out
}

// Role is what this leaf does in the data plane.
func (l *Leaf) Role() Role { return l.role }

// CalleeData is what the called side answered: the root, or this leaf when it
// was invited. nil is none.
func (l *Leaf) CalleeData() []byte { return l.callee }

// CallerData is what the calling side asked with. nil is none.
func (l *Leaf) CallerData() []byte { return l.caller }

// Epoch is the number of the keys in use.
func (l *Leaf) Epoch() uint64 { return l.sealing.Load() }

// Send gives one message to whom the data plane says: the root, or all other
// members. See Root.Send for when it waits.
func (l *Leaf) Send(ctx context.Context, p []byte) error { return l.SendStream(ctx, 0, p) }

// SendStream is Send on one of the session's streams.
func (l *Leaf) SendStream(ctx context.Context, st flow.Stream, p []byte) error {
	if err := cmp.Or(l.ended("send"), l.unreachable()); err != nil {
		return err
	}
	if err := l.s.Send(ctx, st, p); err != nil {
		return err
	}
	return l.ended("send") // it may have waited until then
}

// ended is nil while the leaf is in.
func (l *Leaf) ended(op string) error {
	switch {
	case !l.over.Load():
		return nil
	case l.ctx.Err() != nil:
		return errOver(op)
	}
	return notIn(op, l.Err())
}

// Recv waits for the next message and copies it to p. After the root closed the
// session in good order and all was read it returns io.EOF.
func (l *Leaf) Recv(ctx context.Context, p []byte) (Message, error) {
	m, err := l.s.Recv(ctx, p)
	if err != nil && l.ctx.Err() != nil {
		err = errOver("receive")
	}
	return m, err
}

// Flush sends small messages that wait for company.
func (l *Leaf) Flush() { l.s.Flush() }

// Drain waits until what was sent so far on reliable streams was delivered.
func (l *Leaf) Drain(ctx context.Context) error {
	if err := l.s.Drain(ctx); err != nil {
		return err
	}
	return l.ended("drain")
}

// NextEvent waits for the next event.
func (l *Leaf) NextEvent(ctx context.Context) (Event, error) { return l.events.next(ctx, l.done) }

// Done is closed when the membership is over; Err says why.
func (l *Leaf) Done() <-chan struct{} { return l.done }

// Err is nil while the leaf is in, io.EOF after a good end, and otherwise an
// error with the code: WSAECONNRESET when the root broke off, WSAECONNABORTED
// when it fell silent, or the code it evicted this leaf with.
func (l *Leaf) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// LeafStats is a snapshot of a leaf.
type LeafStats struct {
	Data    session.Stats
	Control control.LeafStats
	Keys    KeyStats
	Proofs  crypto.VerifierStats // of the root's data; where it signs
	Epoch   uint64
}

// Stats returns a snapshot.
func (l *Leaf) Stats() LeafStats {
	st := LeafStats{Data: l.s.Stats(), Epoch: l.sealing.Load(), Keys: l.keyStats()}
	if c := l.checker.Load(); c != nil {
		st.Proofs = c.ManifestVerifier.Stats()
	}
	l.do(func(_ time.Time, m *control.Leaf) { st.Control = m.Stats() })
	return st
}

// Shutdown leaves in good order: what was sent is delivered first. A done ctx
// cuts the waiting short and is returned; the membership is over all the same.
func (l *Leaf) Shutdown(ctx context.Context) error {
	var err error
	if !l.over.Load() {
		err = l.Drain(ctx)
	}
	l.Close()
	return err
}

// Close leaves at once and frees everything. Closing twice is harmless.
func (l *Leaf) Close() error {
	l.end.do(func() {
		l.do(func(now time.Time, m *control.Leaf) {
			var edges []control.Edge
			if l.s != nil {
				edges = toControl(l.s.Edges())
			}
			m.Leave(now, 0, "the leaf left", edges)
		})
		l.do(func(time.Time, *control.Leaf) {}) // what Leave put out is with the link now
		l.link.close()
		<-l.link.done
		l.cancel(errOver("use session"))
		l.wg.Wait() // before the sockets go: a rejoin may bring another
		if l.s != nil {
			l.s.Close()
		}
		if l.ring != nil {
			l.ring.Close()
		}
		if l.epoch != nil {
			l.epoch.Wipe()
			l.path.Wipe()
		}
	})
	return nil
}
