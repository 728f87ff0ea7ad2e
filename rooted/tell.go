package rooted

import (
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
)

// What the root has to say of the keys goes to the group, and again after so
// long: a few losses in a row cost nobody a question.
var tellAgain = [...]time.Duration{20 * time.Millisecond, 100 * time.Millisecond}

// A rekey of a great many departures has some hundred parts. So many leave at
// once, and the next after a pause: no switch holds all of them, and what it
// dropped would be asked for by everybody.
const (
	tellBurst = 32
	tellPause = time.Millisecond
)

// tellRekey sends the parts of a rekey, under the epoch in use, as long as that
// is an older one: once all have answered nobody needs them, and who is asked
// for an answer in vain could not open them either.
func (r *Root) tellRekey(epoch uint64, parts [][]byte) {
	r.tell(crypto.KindRekey, parts, func() bool { return r.inUse.Load() < epoch })
}

// tellUsed says that an epoch is in use, sealed under it, and where the root
// ended under the one before. Others' ends it only knows as far as it has heard
// them; they are members still, or that epoch is over altogether.
func (r *Root) tellUsed(epoch, before uint64) {
	if r.epoch.Number() != epoch { // overtaken: the next one says it all
		return
	}
	n := crypto.EpochNotice{Epoch: epoch, KeyID: r.epoch.KeyID()}
	for _, f := range r.ring.Finals(before) {
		if f.Sender == control.RootID {
			n.Closed, n.Finals = before, []crypto.Final{f}
		}
	}
	r.tell(crypto.KindEpoch, [][]byte{r.author.AppendEpochNotice(nil, n)}, func() bool { return r.inUse.Load() == epoch })
}

// tell sends bodies now and again, as long as they are wanted.
func (r *Root) tell(kind uint8, bodies [][]byte, wanted func() bool) {
	r.burst(kind, bodies, wanted)
	for _, d := range tellAgain {
		r.later.do(d, func() { r.burst(kind, bodies, wanted) })
	}
}

// burst sends bodies, some at a time.
func (r *Root) burst(kind uint8, bodies [][]byte, wanted func() bool) {
	if r.ctx.Err() != nil || !wanted() {
		return
	}
	n := min(len(bodies), tellBurst)
	for _, b := range bodies[:n] {
		if err := r.s.SendKeys(kind, b); err != nil {
			r.log.Debug("news of the keys did not go out", "cause", err)
			return
		}
	}
	if rest := bodies[n:]; len(rest) > 0 {
		r.later.do(tellPause, func() { r.burst(kind, rest, wanted) })
	}
}

// state is what makes a member of a leaf at the newest epoch.
func (r *Root) state(id uint32) []byte {
	b, err := r.tree.AppendGrant(nil, id, r.epoch)
	if err != nil { // it has left, and its connection is about to
		r.log.Debug("no keys for a leaf", "leaf", id, "cause", err)
		return nil
	}
	return b
}

// grant gives the newest epoch to one leaf alone.
func (r *Root) grant(now time.Time, id uint32) {
	b := r.state(id)
	if b == nil {
		return
	}
	if err := r.machine.Grant(now, id, b); err != nil {
		r.log.Debug("a leaf could not be given the keys", "leaf", id, "cause", err)
	}
}

// patience is how long an epoch is good, if nobody leaves: what could be read
// with a stolen epoch secret ends with it.
type patience struct {
	longest time.Duration
	most    uint64 // packets
}

// renew makes a fresh epoch when that is due.
func (r *Root) renew(now time.Time) {
	if r.epoch.Number() != r.active { // a rekey is under way
		return
	}
	if now.Sub(r.freshAt) >= r.keep.longest || r.ring.Packets() >= r.keep.most {
		r.newEpoch(nil, true)
	}
}
