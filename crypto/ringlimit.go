package crypto

import (
	"cmp"
	"slices"
	"time"
)

// When to make a fresh epoch though nobody left: what a member could read with
// a stolen epoch secret ends there.
const (
	RekeyAfter   = time.Hour
	RekeyPackets = 1 << 36 // in the group, under one epoch; see Ring.Packets
)

// Finals returns where every sender stands under a live epoch, by rising id:
// ourselves exactly, others that are admitted
// as far as they were heard here. Of an epoch that
// was activated over, ours is where it ended. The result is nil when the epoch
// is not live.
func (r *Ring) Finals(number uint64) []Final {
	r.change.Lock()
	defer r.change.Unlock()
	v := r.view.Load()
	i := v.index(number)
	if i < 0 {
		return nil
	}
	e := v.live[i].liveEpoch
	r.sealing.Lock()
	finals := []Final{{r.self, e.out.next}}
	r.sealing.Unlock()
	e.senders.each(func(id uint32, in *inbound) {
		if next := in.heard(); next > 0 && id != r.self && in.admitted.Load() {
			finals = append(finals, Final{id, next})
		}
	})
	slices.SortFunc(finals, func(a, b Final) int { return cmp.Compare(a.Sender, b.Sender) })
	return finals
}

// Limit refuses what senders sealed under an epoch from their ends on: whoever
// left has the keys and could go on in their names. Ends only ever come down.
// Senders that are not named go on as they were; who is to be shut out of what
// is left of an epoch, [Ring.Retire] shuts out.
func (r *Ring) Limit(number uint64, finals []Final) {
	r.change.Lock()
	defer r.change.Unlock()
	v := r.view.Load()
	i := v.index(number)
	if i < 0 {
		return
	}
	for _, f := range finals {
		if in := v.live[i].senders.get(f.Sender); in != nil {
			in.limit(f.End)
		}
	}
}

// Packets is how many packets the group has sealed under the active epoch, as
// far as is known here: compare it with RekeyPackets.
func (r *Ring) Packets() (n uint64) {
	r.sealing.Lock()
	active := r.sealing.active
	r.sealing.Unlock()
	if active == nil {
		return 0
	}
	for _, f := range r.Finals(active.number) {
		n += f.End
	}
	return n
}

// heard is one above the highest number opened.
func (in *inbound) heard() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.window.next
}

func (in *inbound) limit(end uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.end = min(in.end, end)
}
