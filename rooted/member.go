package rooted

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// Member is the root's hold on one leaf: its events and its side chat. Session
// data goes through the Root (R112, R242).
type Member struct {
	r       *Root
	id      uint32
	addr    netip.AddrPort // where it hears unicast
	control netip.AddrPort // the control connection's other end
	peer    crypto.PeerInfo
	role    Role
	caller  []byte
	callee  []byte
	qos     []byte
	token   control.Secret // what the authorizer goes by
	inbox   inbox
	done    chan struct{}

	// The loop's: how long it may stay, the first epoch that this leaf does not
	// know once it has left (zero: not made yet), and out, closed when the root
	// seals under it.
	stay  stay
	outAt uint64
	out   chan struct{}

	mu  sync.Mutex
	err error
}

// ID is the leaf's member id, unique in the session's life.
func (m *Member) ID() uint32 { return m.id }

// Addr is where the leaf connected from, or was invited at.
func (m *Member) Addr() netip.AddrPort { return m.control }

// Peer is what the leaf proved of itself.
func (m *Member) Peer() crypto.PeerInfo { return m.peer }

// Role is what the leaf does in the data plane.
func (m *Member) Role() Role { return m.role }

// CallerData is what the calling side sent with its request: the leaf when it
// asked, the root when it invited. nil is none.
func (m *Member) CallerData() []byte { return m.caller }

// CalleeData is what the called side answered. nil is none.
func (m *Member) CalleeData() []byte { return m.callee }

// QoS is the flow specifications that hold for this leaf, opaque. nil is none.
func (m *Member) QoS() []byte { return m.qos }

// Chat sends p to this leaf alone, outside the session's data (R230): up to
// 64 KiB, in order, over the control connection. It waits while 256 KiB have
// not left yet.
func (m *Member) Chat(ctx context.Context, p []byte) error {
	return chat(ctx, m.r.link(m.id), len(p), m.ended, func() (err error) {
		if e := m.r.do(func(now time.Time, root *control.Root) { err = root.Chat(now, m.id, p) }); e != nil {
			return e
		}
		return err
	})
}

// RecvChat waits for the next message of this leaf's side chat.
func (m *Member) RecvChat(ctx context.Context, p []byte) (int, error) {
	return m.inbox.recv(ctx, m.done, func() error {
		if m.r.isOver() {
			return m.r.over("receive side chat")
		}
		return m.Err()
	}, p)
}

// Done is closed when the leaf is no member any more; Err says why.
func (m *Member) Done() <-chan struct{} { return m.done }

// Err is nil while the leaf is in, io.EOF after it left in good order, and
// otherwise an error with the code: WSAECONNRESET when it broke off,
// WSAECONNABORTED when it fell silent (R214, R225).
func (m *Member) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// ended is nil while the leaf is in.
func (m *Member) ended(op string) error {
	if m.r.isOver() {
		return m.r.over(op)
	}
	if err := m.Err(); err != nil {
		return notIn(op, err)
	}
	return nil
}

// Close takes this leaf out of the session in good order; the others go on
// (R215, R221). The keys change within half a second; Evict waits for that.
func (m *Member) Close() error {
	m.leave(0, "the root closed this leaf's membership")
	return nil
}

// Evict takes this leaf out with a code and a reason that it is told, and
// returns when the keys have changed: the leaf opens nothing that is sent from
// then on. That takes a round trip to the slowest of the other leaves, at most
// half a second.
func (m *Member) Evict(code transport.Code, reason string) error {
	if !m.leave(code, reason) {
		return nil
	}
	select {
	case <-m.out:
	case <-m.r.ctx.Done():
	}
	return nil
}

// leave ends the membership. It reports whether the session goes on.
func (m *Member) leave(code transport.Code, reason string) bool {
	if m.r.do(func(now time.Time, root *control.Root) {
		root.SetEdges(toControl(m.r.s.Edges())) // the leaf is told how much it misses
		root.Evict(now, m.id, code, reason)
	}) != nil {
		return false // the root is over, and so is the membership
	}
	<-m.done
	return true
}

// end is called once, when the membership is over.
func (m *Member) end(e control.Event) {
	m.mu.Lock()
	m.err = ending("leaf", e)
	m.mu.Unlock()
	close(m.done)
}

// ending is the error for the end of a membership: io.EOF for a good one.
func ending(op string, e control.Event) error {
	if e.Code == 0 {
		return io.EOF
	}
	return refused(op, e.Code, e.Text)
}

// chat sends a side chat message of n bytes as soon as the link has room.
func chat(ctx context.Context, l *link, n int, ended func(op string) error, send func() error) error {
	if err := ended("side chat"); err != nil {
		return err
	}
	if n > control.MaxChat {
		return &transport.Error{Op: "side chat", Code: transport.WSAEMSGSIZE, Err: fmt.Errorf("%d bytes; a side chat message has at most %d", n, control.MaxChat)}
	}
	if l != nil {
		if err := l.room(ctx); err != nil {
			return err
		}
	}
	if err := send(); err != nil {
		return cmp.Or(ended("side chat"), err)
	}
	return nil
}

// notIn words that a membership is over.
func notIn(op string, why error) error {
	if errors.Is(why, net.ErrClosed) {
		return errOver(op)
	}
	return refused(op, transport.WSAENOTCONN, "the membership is over: "+why.Error())
}
