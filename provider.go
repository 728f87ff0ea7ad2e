package joinleaf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// Config configures a Provider. Identity is required; everything else may stay
// zero. It is never written to.
type Config struct {
	// Network is where sockets come from. nil is the kernel.
	Network transport.Network
	// Identity proves this end and judges the other, see rooted.Config: JoinLeaf
	// has no argument for it. Required.
	Identity crypto.Identity
	// Authorize judges who has proven itself before a condition sees it. With a
	// join code it may be nil. A leaf may stay until then, see rooted.Config; in a
	// session of equals nobody's stay ends, and an end that has passed is a no.
	Authorize func(ctx context.Context, peer crypto.PeerInfo, token []byte) (until time.Time, err error)
	// Group is where the sessions that a c_root of this provider begins send
	// their data: JoinLeaf has no argument for that either. Without an address
	// each session draws one of 239.192.0.0/14 or ff15::/16 and a port.
	Group transport.Group
	// Session is what package rooted can be told beyond that: the flow policy
	// (R247), rates, buffers, the interface. Network, Identity, Authorize, Control,
	// Data, Role, CalleeRoom, QoS, Backlog, Condition, Waiting and Ordered in it are
	// not looked at; TTL is the scope's, and where leaves send to the group Source
	// is Group, since only the root's data can be signed.
	Session rooted.Config

	// Sockets is how many may be open. Zero is 4,096. One more is WSAEMFILE.
	Sockets int
	// ConnectData is the longest caller and callee data. Zero, and more than
	// that, is 64 KiB.
	ConnectData int
	// JoinWait is how long a join may take (R259). Zero is 60 s.
	JoinWait time.Duration
	// Keepalive is how long the other side may say nothing (R225). Zero is 5 s.
	Keepalive time.Duration
	// Capacity is what guaranteed and controlled-load flows of this provider may
	// add up to, in bytes a second (R209). Zero is a gigabit, 125,000,000.
	Capacity uint64
	// NoInvitations is a provider whose roots invite nobody (R150).
	NoInvitations bool
	// NoSideChat is a provider without side chats (R230).
	NoSideChat bool
	// Logger hears of state changes. nil is silence.
	Logger *slog.Logger
}

// Provider is one startup instance: what lies between WSAStartup and
// WSACleanup. Two share nothing. All methods may be called by several
// goroutines. The zero Provider is not started up.
type Provider struct {
	c        Config
	network  transport.Network
	entries  []ProtocolInfo
	ctx      context.Context // ends with Cleanup
	cancel   context.CancelFunc
	callback callbacks
	capacity capacity

	mu      sync.Mutex
	up      bool
	sockets map[*Socket]struct{}
	wg      sync.WaitGroup
}

// Startup is WSAStartup: version is 2.0 or more, 2.2 is meant.
func Startup(version uint16, c Config) (*Provider, error) {
	if version&0xFF < 2 {
		return nil, fail("startup", transport.WSAVERNOTSUPPORTED, fmt.Errorf("version %d.%d; this provider speaks 2.2", version&0xFF, version>>8))
	}
	if c.Identity.Check(crypto.RoleLeaf) != nil && c.Identity.Check(crypto.RoleRoot) != nil {
		return nil, fail("startup", transport.WSAEINVAL, errors.New("Config.Identity is required: a join code, certificates, or a pinned root with a token"))
	}
	if c.ConnectData <= 0 || c.ConnectData > largestConnectData {
		c.ConnectData = largestConnectData
	}
	if c.Sockets <= 0 {
		c.Sockets = defaultSocketLimit
	}
	if c.JoinWait <= 0 {
		c.JoinWait = time.Minute
	}
	if c.Capacity == 0 {
		c.Capacity = defaultCapacity
	}
	p := &Provider{c: c, network: c.Network, up: true, sockets: make(map[*Socket]struct{})}
	if p.network == nil {
		p.network = transport.Kernel{}
	}
	p.capacity.left = c.Capacity
	message := c.Session.MaxMessage
	if message <= 0 {
		message = 1 << 20
	}
	p.entries = catalogue(uint32(message))
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// EnumProtocols is the catalogue.
func (p *Provider) EnumProtocols() ([]ProtocolInfo, error) {
	if err := p.enter("enumerate protocols"); err != nil {
		return nil, err
	}
	return append([]ProtocolInfo(nil), p.entries...), nil
}

// Cleanup is WSACleanup: every socket is closed at once, every call that waits
// ends with WSA_OPERATION_ABORTED, and everything is freed.
func (p *Provider) Cleanup() error {
	if err := p.enter("clean up"); err != nil {
		return err
	}
	p.mu.Lock()
	if !p.up {
		p.mu.Unlock()
		return fail("clean up", transport.WSANOTINITIALISED, nil)
	}
	p.up = false
	var open []*Socket
	for s := range p.sockets {
		open = append(open, s)
	}
	clear(p.sockets)
	p.mu.Unlock()
	var ends []func(context.Context)
	for _, s := range open {
		if end := s.detach(); end != nil {
			ends = append(ends, end)
		}
	}
	p.cancel()
	for _, end := range ends {
		p.wg.Go(func() { end(p.ctx) })
	}
	p.wg.Wait()
	return nil
}

// enter is the beginning of every call: the first of the codes in the order of
// R51 that do not need a socket.
func (p *Provider) enter(op string) error {
	if p == nil || !p.isUp() {
		return fail(op, transport.WSANOTINITIALISED, nil)
	}
	if p.callback.here() {
		return fail(op, transport.WSAEINPROGRESS, errors.New("this goroutine is in a condition function: return from it first"))
	}
	return nil
}

func (p *Provider) isUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

// add gives a socket its descriptor.
func (p *Provider) add(op string, s *Socket) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.up:
		return fail(op, transport.WSANOTINITIALISED, nil)
	case len(p.sockets) >= p.c.Sockets:
		return fail(op, transport.WSAEMFILE, fmt.Errorf("%d sockets are open; Config.Sockets allows no more", len(p.sockets)))
	}
	p.sockets[s] = struct{}{}
	return nil
}

// room reports whether another descriptor is left.
func (p *Provider) room() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up && len(p.sockets) < p.c.Sockets
}

func (p *Provider) remove(s *Socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sockets, s)
}

// spawn runs f in a goroutine that Cleanup waits for. It reports whether it
// does: after Cleanup nothing begins.
func (p *Provider) spawn(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up {
		return false
	}
	p.wg.Go(f)
	return true
}

// discard closes what nobody wants any more.
func (p *Provider) discard(close func() error) {
	if !p.spawn(func() { close() }) {
		close()
	}
}

// networkDown reports whether no interface is up (R49).
func (p *Provider) networkDown() error {
	all, err := p.network.Interfaces()
	if err != nil {
		return fail("join leaf", transport.WSAENETDOWN, err)
	}
	for _, i := range all {
		if i.Up {
			return nil
		}
	}
	return fail("join leaf", transport.WSAENETDOWN, errors.New("no interface is up"))
}

func fail(op string, c transport.Code, err error) error {
	return &transport.Error{Op: op, Code: c, Err: err}
}

// failIf is nil for no code.
func failIf(op string, c transport.Code) error {
	if c == 0 {
		return nil
	}
	return fail(op, c, nil)
}

// capacity is what guaranteed flows may add up to (R209).
type capacity struct {
	mu   sync.Mutex
	left uint64
}

// take reserves n, or says that there is not so much.
func (c *capacity) take(n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.left {
		return false
	}
	c.left -= n
	return true
}

func (c *capacity) give(n uint64) {
	c.mu.Lock()
	c.left += n
	c.mu.Unlock()
}
