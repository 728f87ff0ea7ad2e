package control

import "time"

// remind sends a BEAT to those who have not answered in time: it names the epoch
// that they may not have heard of, and they ask.
func (r *Root) remind() {
	for _, c := range r.conns {
		if c.state >= welcomed && c.acked < r.rekey.epoch {
			r.stats.Reminded++
			r.out.frame(c.id, r.beatFor(c))
		}
	}
}

// handleResync takes the word of a leaf that has missed an epoch. One that asks
// more often than it may is not answered, nor is one that needs nothing any
// more.
func (r *Root) handleResync(now time.Time, c *conn, frame []byte) error {
	q, err := ParseResync(frame)
	if err != nil {
		return err
	}
	if q.Epoch > c.told {
		return FaultValue
	}
	r.stats.Resyncs++
	if q.Epoch < r.rekey.epoch && !now.Before(c.grantAt) {
		c.grantAt = now.Add(grantGap)
		r.out.event(Event{Kind: Lagging, ID: c.id, Epoch: q.Epoch})
	}
	return nil
}

// Grant gives one leaf the newest epoch: the answer to Lagging, or unasked to
// who does not hear the group.
func (r *Root) Grant(now time.Time, id uint32, state []byte) error {
	c := r.find(id)
	if c == nil || c.state < welcomed {
		return notIn("grant")
	}
	if len(state) > MaxState {
		return invalid("epoch state longer than 1 KiB")
	}
	r.wake(now)
	r.stats.Granted++
	r.out.frame(id, Rekey{Epoch: r.rekey.epoch, Used: !r.rekey.settling, State: state}.Append(nil))
	return nil
}

// Deaf lists the leaves that are in and cannot be told of an epoch on the group,
// where inUse is the one that the root seals under: those that came in with a
// later one have no key yet, and those that only send may not listen.
func (r *Root) Deaf(inUse uint64, sendersListen bool) (ids []uint32) {
	for _, c := range r.conns {
		if c.state >= welcomed && (c.first > inUse || !sendersListen && !c.join.Role.Receives()) {
			ids = append(ids, c.id)
		}
	}
	return ids
}
