package session

import (
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// manifest takes a packet of that kind: of a sender to its Verifier, of a receiver,
// who asks, to the sending half.
func (r *reader) manifest(now time.Time, o *opened) {
	x := &r.s.rx
	if r.s.c.Signer != nil && o.Pairwise {
		if r.asked = true; !r.s.tx.reports.add(kindManifest, o.Sender, o.addr, o.Payload) {
			r.drops[DropKind]++
		}
		return
	}
	x.mu.Lock()
	p := x.peers[o.Sender]
	if p != nil && p.started { // it was not lost
		p.r.Heard(metaOf(&o.Opened, o.overflow))
	}
	x.mu.Unlock()
	if p == nil || p.v == nil {
		r.drops[DropKind]++
		return
	}
	// A signature takes long: the lock is not held. What is proven meanwhile, and
	// comes to be read before it is rejected here, is Proven and not what was
	// rejected.
	r.rejected = p.v.Manifest(now, o.Payload, o.Pairwise, r.rejected[:0])
	late := 0
	x.mu.Lock()
	for _, id := range r.rejected {
		if p.r.Reject(now, id.Stream, id.Seq) {
			late++
		}
	}
	if !p.touched {
		p.touched = true
		r.touched = append(r.touched, p)
	}
	x.mu.Unlock()
	r.alarm(o.Sender, len(r.rejected), late)
}

// hash is done for what was opened, before any lock is taken.
func (r *reader) hash() {
	if r.s.c.Verifier == nil {
		return
	}
	n := 0
	for i := range r.opened[:r.n] {
		o, s := &r.opened[i], &r.symbols[n]
		if s.Stream, s.Seq, s.Bytes, o.hashed = flow.SymbolOf(o.Payload); o.hashed {
			n++
		}
	}
	r.s.c.Hashes(r.hashes[:n], r.symbols[:n])
	n = 0
	for i := range r.opened[:r.n] {
		if o := &r.opened[i]; o.hashed {
			o.hash = r.hashes[n]
			n++
		}
	}
	clear(r.symbols[:n])
}

// alarm tells that somebody sealed data in a sender's name.
func (r *reader) alarm(sender uint32, symbols, late int) {
	if symbols > 0 && r.s.c.Forged != nil {
		r.s.c.Forged(sender, symbols, late)
	}
}

// next is when a peer has to be looked at.
func (p *peer) next() time.Time {
	if p.v == nil {
		return p.r.NextTimeout()
	}
	return earliest(p.r.NextTimeout(), p.v.NextTimeout())
}
