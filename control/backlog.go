package control

import (
	"net/netip"
	"slices"

	"github.com/joinleaf/joinleaf/transport"
)

// Request is a join request as an accept call sees it.
type Request struct {
	ID       uint32
	Addr     netip.AddrPort // the control connection's other end
	Join     Join           // caller data, role, room, QoS, token
	Offer    int            // bytes of callee data that may be returned (R173); 0: none
	Deferred bool           // an earlier accept call deferred it (R95)
	// Code is not zero for a request that went away while it waited, which the
	// accept call answers with this code: WSAEACCES once a condition had seen
	// it, WSAECONNRESET if none had (R100, R101). Join is empty then.
	Code transport.Code
}

// waiting is a request in the queue.
type waiting struct {
	req     Request
	shown   bool // a condition has seen it
	offered bool // an accept call is looking at it now
}

// backlog is the queue of join requests, first come first shown. A deferred
// request never leaves its place (R93). One that went away keeps its place as
// a tombstone, because the accept call it was meant for has to fail (R163); a
// new request that meets a full queue takes the oldest tombstone's place.
type backlog struct {
	list  []*waiting
	limit int
}

// Bounds of the backlog (R262).
const (
	defaultBacklog = 128
	maxBacklog     = 1024
)

// clampBacklog replaces a length out of range by the nearest legal one (R262).
func clampBacklog(n int) int {
	switch {
	case n == 0:
		return defaultBacklog
	case n < 0:
		return 0
	}
	return min(n, maxBacklog)
}

// add queues a request, or says that there is no place (R78).
func (b *backlog) add(req Request) bool {
	if len(b.list) >= b.limit {
		gone := slices.IndexFunc(b.list, func(w *waiting) bool { return w.req.Code != 0 && !w.offered })
		if gone < 0 {
			return false
		}
		b.list = slices.Delete(b.list, gone, gone+1)
	}
	b.list = append(b.list, &waiting{req: req})
	return true
}

func (b *backlog) find(id uint32) *waiting {
	for _, w := range b.list {
		if w.req.ID == id {
			return w
		}
	}
	return nil
}

// bury leaves a tombstone where the request was, and tells whether it had been
// shown. One that an accept call is looking at just now is that call's to find,
// when it answers.
func (b *backlog) bury(id uint32) (shown bool, code transport.Code) {
	w := b.find(id)
	code = transport.WSAECONNRESET
	if w == nil {
		return false, code
	}
	if w.shown {
		code = transport.WSAEACCES
	}
	w.req.Join, w.req.Code = Join{}, code
	return w.shown, code
}

func (b *backlog) remove(w *waiting) {
	b.list = slices.DeleteFunc(b.list, func(o *waiting) bool { return o == w })
}

// next offers the first request that no other accept call is looking at.
// A tombstone is handed out once.
func (b *backlog) next() (Request, bool) {
	for _, w := range b.list {
		if w.offered {
			continue
		}
		if w.req.Code != 0 {
			b.remove(w)
		} else {
			w.offered, w.shown = true, true
		}
		req := w.req
		req.Join = req.Join.clone() // a condition may scribble on it; the next must see the same (R95)
		return req, true
	}
	return Request{}, false
}

// putBack ends an offer without a verdict: the request is at its old place,
// and the next accept call sees it again (R93, R95, R98).
func (b *backlog) putBack(w *waiting) {
	w.offered, w.shown, w.req.Deferred = false, true, true
}
