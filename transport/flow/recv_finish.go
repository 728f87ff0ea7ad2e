package flow

import "time"

// Finish says that the sender ends in good order at e: nothing comes from
// there on. What lacks below is asked for at once.
func (r *Receiver) Finish(now time.Time, e []Edge) {
	if !r.started || r.closed || r.ended {
		return
	}
	r.ended = true
	t := r.now(now)
	for _, e := range e {
		if int(e.Stream) >= len(r.streams) || e.Seq <= r.edges[e.Stream].Seq {
			continue
		}
		st := r.stream(int(e.Stream))
		if st.last = max(e.Seq, st.known); st.last > e.Seq {
			continue // it sent more than it says: keep to what is known
		}
		if e.Seq > st.known {
			st.known = e.Seq
			st.addSection(t, e.Seq, t+r.guard())
		}
		st.end = edgeMark{e.Seq, uint32(e.Message)}
	}
}

// GiveUp says that no repair will come: the sender is gone. Every hole up to
// the Finish edges, or the highest known, becomes a gap.
func (r *Receiver) GiveUp(now time.Time) {
	if !r.started || r.closed {
		return
	}
	r.gaveUp, r.ended = true, true
	for _, st := range r.streams {
		if st != nil {
			if r.waits() { // nor will a proof
				st.extend()
				st.forsake()
			}
			st.gone, st.last, st.sections = st.known, st.known, nil
			st.settle()
		}
	}
}

// Done reports whether the sender has ended and everything up to its end was
// read or told as a gap.
func (r *Receiver) Done() bool {
	if !r.ended {
		return false
	}
	for _, st := range r.streams {
		if st == nil {
			continue
		}
		if st.settle(); st.missed > 0 || st.base < st.known {
			return false
		}
	}
	return true
}

// Close gives every slab back. Afterwards nothing is taken and nothing read.
func (r *Receiver) Close() {
	for _, st := range r.streams {
		if st == nil {
			continue
		}
		for seq := st.base; seq < st.hi; seq++ {
			if st.holds(seq) {
				st.drop(seq)
			}
		}
		st.forget(st.base)
		for i := range st.coded {
			for k := range st.coded[i].rows {
				st.letGo(&st.coded[i].rows[k])
			}
		}
		st.coded = nil
		st.ring, st.have = nil, nil
	}
	if r.rebuilt != nil {
		r.pool.Put(r.rebuilt)
	}
	r.closed, r.streams, r.rebuilt = true, nil, nil
}
