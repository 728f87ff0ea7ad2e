package rooted

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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

// Root is a session's owner. It admits leaves one by one and sends to all of
// them. All methods may be called by several goroutines.
type Root struct {
	c        Config
	log      *slog.Logger
	group    transport.Group
	choice   transport.Choice
	session  crypto.SessionID
	params   control.Params
	ring     *crypto.Ring
	data     transport.PacketConn
	s        *session.Session
	listener net.Listener
	gate     gate
	events   events

	later  later           // what the root means to say again
	ctx    context.Context // ends with the root
	cancel context.CancelCauseFunc
	in     chan func(time.Time, *control.Root)
	loop   chan struct{} // closed when the loop ended
	wg     sync.WaitGroup
	asked  chan struct{} // a request may wait for Accept
	heeded chan flow.Event
	end    once

	// Owned by the loop.
	machine *control.Root
	author  *crypto.Author
	tree    *crypto.Tree
	epoch   *crypto.Epoch // the newest
	ages    crypto.Ages
	active  uint64                  // the epoch that data is sealed under
	freshAt time.Time               // when the newest was made that does not follow from the one before
	keep    patience                // with an epoch
	peers   map[uint32]control.Peer // nonrooted data: the members
	leavers []*Member               // gone, while the keys that they know are in use
	stays   stays
	junk    junk

	inUse atomic.Uint64 // active, for timers
	stuck atomic.Uint64 // leaves that did not read what was queued for them
	top   top           // LeafRootedData: the data's root

	mu       sync.Mutex
	links    map[uint32]*link
	members  map[uint32]*Member
	pending  map[uint32]*arrival // accepted or invited: a call waits for them
	arriving map[uint32]struct{} // accepted, not in yet: they listen for probes
	lastID   uint32
	claimed  uint32 // LeafRootedData: who is, or is about to be, the data's root
	ended    bool   // Close or Shutdown was called, or it ended by itself
	failed   error  // why it ended by itself
}

// Listen starts a session: it opens the data plane on g and waits for leaves on
// the control address. g's interface, if not named by g or c, is chosen and
// explained in the log. ctx bounds Listen itself.
func Listen(ctx context.Context, g transport.Group, c Config) (*Root, error) {
	c = c.withDefaults()
	if err := c.check("listen", crypto.RoleRoot); err != nil {
		return nil, err
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	if g.Source.IsValid() && c.Data != RootedData {
		return nil, &transport.Error{Op: "listen", Group: g, Code: transport.WSAEINVAL, Err: errors.New("a source-specific group carries one sender's data only; use any-source or rooted data")}
	}
	if err := c.checkSecond(g); err != nil {
		return nil, err
	}
	if err := c.checkOrder(); err != nil {
		return nil, err
	}
	r := &Root{
		c: c, log: c.Logger, in: make(chan func(time.Time, *control.Root)), loop: make(chan struct{}),
		asked: make(chan struct{}, 1), heeded: make(chan flow.Event, 64), links: make(map[uint32]*link), members: make(map[uint32]*Member),
		pending: make(map[uint32]*arrival), arriving: make(map[uint32]struct{}), peers: make(map[uint32]control.Peer),
		lastID: control.RootID, keep: patience{crypto.RekeyAfter, crypto.RekeyPackets},
	}
	r.events.init()
	r.end.init()
	r.stays.init(&r.c)
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	if err := r.open(ctx, g); err != nil {
		r.cancel(nil)
		return nil, err
	}
	r.machine = control.NewRoot(control.RootConfig{Backlog: c.Backlog, RequestTimeout: c.JoinTimeout, Silence: c.Silence, Data: r.s.MemberHeardAt})
	r.wg.Go(r.run)
	r.wg.Go(r.admit)
	r.wg.Go(r.watch)
	r.wg.Go(r.heed)
	r.log.Info("session open", "group", r.group, "control", r.Addr(), "interface", r.choice)
	return r, nil
}

// open makes the sockets and keys; on an error nothing stays open.
func (r *Root) open(ctx context.Context, g transport.Group) (err error) {
	var closers []func() error
	defer func() {
		if err != nil {
			for _, f := range closers {
				f()
			}
		}
	}()
	via := r.c.Control.Addr()
	if via.IsValid() && via.IsUnspecified() {
		via = netip.Addr{}
	}
	want := r.c.Interface
	if want == "" {
		want = g.Interface
	}
	if r.choice, err = transport.Choose(r.c.Network, want, g.Addr.Addr(), via); err != nil {
		return err
	}
	g.Interface = r.choice.Interface.Name
	r.group = g
	local, err := r.sourceAddr(g)
	if err != nil {
		return err
	}
	at := r.c.Control
	if !at.IsValid() {
		every := netip.IPv4Unspecified()
		if g.Addr.Addr().Is6() {
			every = netip.IPv6Unspecified()
		}
		at = netip.AddrPortFrom(every, at.Port())
	}
	if r.listener, err = r.c.Network.Listen(ctx, at); err != nil {
		return err
	}
	closers = append(closers, r.listener.Close)
	o := r.c.socketOptions(g.Interface)
	if r.data, err = r.c.Network.OpenUnicast(ctx, local, o); err != nil {
		return err
	}
	closers = append(closers, r.data.Close)
	if err = r.keys(); err != nil {
		return err
	}
	closers = append(closers, r.wipe)
	plane, err := r.openPlane(ctx, g, o)
	if err != nil {
		return err
	}
	r.warnings(r.data.Info())
	if r.s, err = session.New(plane); err != nil {
		closeAll(plane.Group, plane.SecondGroup, plane.SecondUnicast)
	}
	return err
}

// openPlane opens what a root needs beside its unicast socket: the group's,
// where everybody sends, and the second path.
func (r *Root) openPlane(ctx context.Context, g transport.Group, o transport.SocketOptions) (plane session.Config, err error) {
	plane = r.c.plane(r.params, control.RootID, r.c.Role)
	plane.Sealer, plane.Unicast, plane.View = r.ring, r.data, viewed(&r.events)
	plane.WaitFor, plane.Replay, plane.Notice = r.c.WaitFor, r.c.Replay, r.notice
	if err = r.sign(&plane); err != nil {
		return plane, err
	}
	if r.hearsGroup() {
		if plane.Group, err = r.c.Network.OpenGroup(ctx, g, o); err != nil {
			return plane, err
		}
	}
	if r.c.Second.Addr.IsValid() {
		second, err := r.c.secondPath(ctx, r.c.Second.Addr, r.hearsGroup(), true)
		if err != nil {
			closeAll(plane.Group)
			return plane, err
		}
		second.apply(&plane)
	}
	return plane, nil
}

// sourceAddr is the address that group data comes from: with a source-specific
// group exactly the source that it names.
func (r *Root) sourceAddr(g transport.Group) (netip.AddrPort, error) {
	if !g.Source.IsValid() {
		return localAddr(r.choice.Interface, g.Addr.Addr())
	}
	for _, p := range r.choice.Interface.Addrs {
		if p.Addr().Unmap() == g.Source {
			return netip.AddrPortFrom(g.Source, 0), nil
		}
	}
	return netip.AddrPort{}, &transport.Error{Op: "listen", Group: g, Code: transport.WSAEADDRNOTAVAIL, Err: fmt.Errorf("the source %s is not an address of interface %s; a root sends from the source that its group names", g.Source, r.choice.Interface.Name)}
}

// keys draws the session id and its first epoch.
func (r *Root) keys() (err error) {
	if r.session, err = crypto.NewSessionID(); err != nil {
		return err
	}
	suite := crypto.DefaultSuite()
	r.params = r.c.parameters(r.group, r.choice.Interface, suite)
	if err := r.params.Check(); err != nil {
		return &transport.Error{Op: "listen", Code: transport.WSAEINVAL, Err: err}
	}
	if r.ring, err = crypto.NewRing(crypto.RingConfig{Suite: suite, Session: r.session, Self: control.RootID, Group: r.group.Addr, Insecure: r.c.Insecure}); err != nil {
		return err
	}
	if r.author, err = crypto.NewAuthor(r.session, control.RootID); err != nil {
		return err
	}
	if r.tree, err = crypto.NewTree(suite, r.author); err != nil {
		return err
	}
	bound := crypto.BindParams(hashOf(r.params), r.author.Public())
	if r.epoch, err = crypto.FirstEpoch(r.session, bound, crypto.Roster([]uint32{control.RootID})); err != nil {
		return err
	}
	if err = r.ring.Add(r.epoch); err != nil {
		return err
	}
	r.active, r.freshAt = r.epoch.Number(), time.Now()
	r.inUse.Store(r.active)
	r.ages.Add(r.active, false, time.Now())
	return r.ring.Activate(r.active)
}

// wipe ends all keys; the loop has ended, or never began.
func (r *Root) wipe() error {
	r.ring.Close()
	r.epoch.Wipe()
	r.tree.Wipe()
	r.author.Wipe()
	return nil
}

func (r *Root) warnings(i transport.SocketInfo) {
	for _, w := range i.Warnings {
		r.log.Warn(w)
	}
}

// hearsGroup reports whether the root joins the group: where others send to it too,
// and where packets may not leave the host. Linux lets those of TTL 0 out where the
// host itself has no member.
func (r *Root) hearsGroup() bool { return r.nonrooted() || r.c.TTL < 0 }

// nonrooted reports whether others than the root send to the group.
func (r *Root) nonrooted() bool { return r.c.Data != RootedData }

// Addr is the control address that leaves join, with an address of the
// session's interface in place of "any".
func (r *Root) Addr() netip.AddrPort {
	a := addrOf(r.listener.Addr())
	if a.Addr().IsUnspecified() {
		if l, err := localAddr(r.choice.Interface, r.group.Addr.Addr()); err == nil {
			return netip.AddrPortFrom(l.Addr(), a.Port())
		}
	}
	return a
}

// Group is the session's group, with the interface that was chosen.
func (r *Root) Group() transport.Group { return r.group }

// Choice is the session's interface and the reason for it.
func (r *Root) Choice() transport.Choice { return r.choice }

// Pin is the root's fingerprint, if its key outlasts a connection.
func (r *Root) Pin() (crypto.Pin, error) { return r.c.Identity.Pin() }

// Done is closed when the session is over for this root.
func (r *Root) Done() <-chan struct{} { return r.ctx.Done() }

func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}
