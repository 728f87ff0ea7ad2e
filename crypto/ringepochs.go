package crypto

import (
	"fmt"
	"slices"
)

// Add lets the ring open packets of e from now on, and seal under it once it is
// activated. The ring keeps copies: e may be wiped afterwards. With three
// epochs live the oldest ends.
//
// Numbers must rise. Taking an epoch back would count packet numbers and replay
// windows from zero again, so a number that is not above every earlier one is
// refused, but for one that is live as it is: that changes nothing.
func (r *Ring) Add(e *Epoch) error {
	r.change.Lock()
	defer r.change.Unlock()
	v := r.view.Load()
	switch {
	case v.closed:
		return errClosed
	case e.wiped():
		return fmt.Errorf("%w: epoch %d was wiped; add it before wiping", ErrEpoch, e.number)
	case e.session != r.session:
		return fmt.Errorf("%w: epoch %d belongs to session %v, the ring to %v", ErrEpoch, e.number, e.session, r.session)
	case v.has(e.number, e.keyID):
		return nil
	case e.number <= r.change.highest:
		return fmt.Errorf("%w: epoch %d comes after epoch %d was added; numbers must rise", ErrEpoch, e.number, r.change.highest)
	}
	r.change.highest = e.number
	next := &view{live: slices.Clone(v.live), over: v.over}
	if len(next.live) == MaxEpochs {
		next.end(0)
	}
	next.live = append(next.live, liveView{liveEpoch: r.revive(e)})
	r.view.Store(next)
	if len(v.live) == MaxEpochs {
		r.stop(v.live[0].liveEpoch, false)
		v.live[0].end()
	}
	return nil
}

// revive makes the ring's own copy of an epoch with all admitted senders.
func (r *Ring) revive(e *Epoch) *liveEpoch {
	live := &liveEpoch{number: e.number, keyID: e.keyID, secret: new(secret)}
	*live.secret = *e.live()
	live.out = outbound{secret: senderSecret(live.secret, r.self), keyID: e.keyID}
	for id := range r.change.admitted {
		live.admit(id)
	}
	return live
}

// Activate seals for the group under the epoch of that number from now on. It
// must have been added, and there is no way back to an older one: members who
// left may know it.
func (r *Ring) Activate(number uint64) error {
	r.change.Lock()
	defer r.change.Unlock()
	v := r.view.Load()
	if v.closed {
		return errClosed
	}
	r.sealing.Lock()
	defer r.sealing.Unlock()
	before := r.sealing.active
	if before != nil && number <= before.number {
		if number == before.number {
			return nil
		}
		return fmt.Errorf("%w: epoch %d is behind the active epoch %d", ErrEpoch, number, before.number)
	}
	i := v.index(number)
	if i < 0 {
		return fmt.Errorf("%w: epoch %d cannot be activated: it was not added, or is over", ErrEpoch, number)
	}
	if before != nil {
		before.out.wipe() // nothing is sealed under it again
	}
	r.sealing.active = v.live[i].liveEpoch
	return nil
}

// Retire ends an epoch, or all of it but one sender's packets: with onlySender
// not 0 what that one sealed still opens. An epoch that is not live stays so,
// and one that was narrowed to a sender is never widened to another. Ending the
// active epoch stops sealing for the group until another is activated.
func (r *Ring) Retire(number uint64, onlySender uint32) {
	r.change.Lock()
	defer r.change.Unlock()
	v := r.view.Load()
	i := v.index(number)
	if i < 0 {
		if onlySender == 0 {
			r.stop(r.activeAt(number), true)
		}
		return
	}
	next := &view{live: slices.Clone(v.live), over: v.over}
	if only := next.live[i].only; onlySender != 0 && (only == 0 || only == onlySender) {
		next.live[i].only = onlySender
		r.view.Store(next)
		return
	}
	next.end(i)
	r.view.Store(next)
	r.stop(v.live[i].liveEpoch, true)
	v.live[i].end()
}

// activeAt returns the active epoch when it has that number: it may have ended
// for opening and still seal.
func (r *Ring) activeAt(number uint64) *liveEpoch {
	r.sealing.Lock()
	defer r.sealing.Unlock()
	if e := r.sealing.active; e != nil && e.number == number {
		return e
	}
	return nil
}

// stop wipes what e seals with. The active epoch goes on sealing unless even is
// set: that it is the oldest of too many does not make it wrong to use.
func (r *Ring) stop(e *liveEpoch, even bool) {
	if e == nil {
		return
	}
	r.sealing.Lock()
	defer r.sealing.Unlock()
	if r.sealing.active == e {
		if !even {
			return
		}
		r.sealing.active = nil
	}
	e.out.wipe()
}

// end wipes what opens.
func (e *liveEpoch) end() {
	e.secret.wipe()
	e.secret = nil
	e.senders.each(func(_ uint32, in *inbound) { in.wipe() })
}

func (v *view) has(number uint64, keyID uint32) bool {
	i := v.index(number)
	return i >= 0 && v.live[i].keyID == keyID
}

func (v *view) index(number uint64) int {
	return slices.IndexFunc(v.live, func(l liveView) bool { return l.number == number })
}

// end takes the epoch at i out of a view that nobody has seen yet.
func (v *view) end(i int) {
	v.over = append(slices.Clone(v.over[max(0, len(v.over)-maxOver+1):]), v.live[i].keyID)
	v.live = slices.Delete(v.live, i, i+1)
}
