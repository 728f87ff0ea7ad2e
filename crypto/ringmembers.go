package crypto

import (
	"errors"
	"fmt"
)

// ErrFull is matched when a bound of the ring is reached.
var ErrFull = errors.New("no room")

// pair is the keys between us and one member, one per direction.
type pair struct {
	in    *inbound
	inKey uint32
	out   outbound // guarded by sealing
}

// Admit lets a sender's group packets open, in the live epochs and in later
// ones. At most MaxSenders are admitted at once. Admitting a sender again
// leaves its replay windows as they are.
func (r *Ring) Admit(sender uint32) error {
	r.change.Lock()
	defer r.change.Unlock()
	v := r.view.Load()
	if v.closed {
		return errClosed
	}
	if sender == 0 {
		return errors.New("crypto: key ring: member 0 stands for the group and cannot be admitted")
	}
	if _, ok := r.change.admitted[sender]; ok {
		return nil
	}
	if len(r.change.admitted) >= MaxSenders {
		return fmt.Errorf("crypto: key ring: %w for another sender: %d are admitted; expel one first", ErrFull, MaxSenders)
	}
	for _, e := range v.live {
		if e.senders.get(sender) == nil && e.senders.live >= maxRows {
			return fmt.Errorf("crypto: key ring: %w in epoch %d for another sender: too many came and went; start a new epoch", ErrFull, e.number)
		}
	}
	r.change.admitted[sender] = struct{}{}
	for _, e := range v.live {
		e.admit(sender)
	}
	return nil
}

// Expel stops a sender's group packets from opening, in every epoch, at once.
func (r *Ring) Expel(sender uint32) {
	r.change.Lock()
	defer r.change.Unlock()
	delete(r.change.admitted, sender)
	for _, e := range r.view.Load().live {
		if in := e.senders.get(sender); in != nil {
			in.admitted.Store(false)
		}
	}
}

// admit is called with the ring's change lock held, or before e is shared.
func (e *liveEpoch) admit(sender uint32) {
	in := e.senders.get(sender)
	if in == nil {
		in = newInbound(senderSecret(e.secret, sender), groupWords)
		e.senders.set(sender, in)
	}
	in.admitted.Store(true)
}

// Pair sets the keys between us and a member, as PairKeys gives them: out for
// what we seal to it, in for what it seals to us. The same keys again change
// nothing; other keys replace them. Keys that were unpaired must not come back,
// their packet numbers would begin again: a returning member has a new id and
// new keys. How many pairs there are is the caller's to bound.
func (r *Ring) Pair(member uint32, out, in [32]byte) {
	r.change.Lock()
	defer r.change.Unlock()
	if r.view.Load().closed || member == 0 {
		return
	}
	outSecret, inSecret := secret(out), secret(in)
	old := r.pairs.get(member)
	if old != nil && old.same(&outSecret, &inSecret) {
		return
	}
	p := newPair(&outSecret, &inSecret)
	r.pairs.set(member, p)
	r.wipePair(old)
}

func newPair(out, in *secret) *pair {
	return &pair{
		in:    newInbound(in, pairWords),
		inKey: keyID(in),
		out:   outbound{secret: out, keyID: keyID(out)},
	}
}

// same reports whether p already has these keys.
func (p *pair) same(out, in *secret) bool {
	return p.out.keyID == keyID(out) && p.inKey == keyID(in) &&
		p.out.secret != nil && *p.out.secret == *out && p.in.secret != nil && *p.in.secret == *in
}

// Unpair forgets the keys between us and a member.
func (r *Ring) Unpair(member uint32) {
	r.change.Lock()
	defer r.change.Unlock()
	old := r.pairs.get(member)
	r.pairs.set(member, nil)
	r.wipePair(old)
}

func (r *Ring) wipePair(p *pair) {
	if p == nil {
		return
	}
	r.sealing.Lock()
	p.out.wipe()
	r.sealing.Unlock()
	p.in.wipe()
}
