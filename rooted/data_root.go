package rooted

import (
	"errors"
	"sync/atomic"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
)

// With LeafRootedData one leaf is the root of the data, the top. It is a member like
// any of nonrooted data; all others know just it: they take its data and nobody
// else's, and theirs goes to its unicast address (R233 to R236, R241).

const secondDataRoot = "the session has a data root already" // R240

// top is the data's root, as somebody knows it who sends.
type top struct {
	id   atomic.Uint32 // 0: it has not joined
	deaf atomic.Bool   // it only sends
}

func (t *top) set(p control.Peer) {
	t.deaf.Store(!p.Role.Receives())
	t.id.Store(p.ID)
}

// unreachable is why a member that is not the top cannot send to it, if so.
func (t *top) unreachable(self uint32) error {
	fail := func(c transport.Code, why string) error {
		return &transport.Error{Op: "send", Code: c, Err: errors.New(why)}
	}
	switch id := t.id.Load(); {
	case id == 0:
		return fail(transport.WSAENOTCONN, "the data's root has not joined")
	case id != self && t.deaf.Load():
		return fail(transport.WSAEOPNOTSUPP, "the data's root only sends")
	}
	return nil
}

// DataRoot is the id of the leaf that is the data's root, where data is
// LeafRootedData; 0: none has joined, or the data has no such root.
func (r *Root) DataRoot() uint32 { return r.top.id.Load() }

// DataRoot is as Root.DataRoot; it may be this leaf itself.
func (l *Leaf) DataRoot() uint32 { return l.top.id.Load() }

// claim makes a leaf that comes in the data's root, unless there is one. Who does not
// get in gives that back: see unreached.
func (r *Root) claim(id uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c.Data != LeafRootedData || r.claimed != 0 {
		return false
	}
	r.claimed = id
	return true
}

func (r *Root) isTop(id uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.claimed == id
}

// hears reports whether a leaf's data comes here, and this root's goes there.
func (r *Root) hears(id uint32) bool { return r.c.Data != LeafRootedData || r.isTop(id) }

// reached notes that the data's root is in.
func (r *Root) reached(p control.Peer) {
	if p.Root {
		r.s.Aim(p.ID)
		r.top.set(p)
		r.c.tellReach()
	}
}

// unreached notes that a leaf is gone that may have been the data's root.
func (r *Root) unreached(id uint32) {
	r.mu.Lock()
	was := r.claimed == id
	if was {
		r.claimed = 0
	}
	r.mu.Unlock()
	if was {
		r.top.id.Store(0)
		r.s.Aim(0) // what waits goes to the group, where nobody takes it
		r.c.tellReach()
	}
}

// hears reports whether a member's data comes here, and this leaf's goes there.
func (l *Leaf) hears(id uint32) bool {
	if DataPlane(l.params.Plane) != LeafRootedData {
		return true
	}
	top := l.top.id.Load()
	return top != 0 && (top == id || top == l.id)
}

// reached takes up the data's root.
func (l *Leaf) reached(p control.Peer) {
	if p.Root {
		l.s.Aim(p.ID)
		l.top.set(p)
		l.c.tellReach()
	}
}

// unreached notes that a member is gone that may have been the data's root.
func (l *Leaf) unreached(id uint32) {
	if l.top.id.CompareAndSwap(id, 0) {
		l.s.Aim(0)
		l.c.tellReach()
	}
}

// unreachable is why nothing can be sent now, if so.
func (l *Leaf) unreachable() error {
	if DataPlane(l.params.Plane) != LeafRootedData {
		return nil
	}
	return l.top.unreachable(l.id)
}

func (c Config) tellReach() {
	if c.Reach != nil {
		c.Reach()
	}
}
