package flow

import "time"

// From says where a member that comes late begins.
type From struct {
	Kind FromKind
	N    uint64 // a message's number, or how many messages
}

// FromKind is how From counts.
type FromKind uint8

// The kinds. What is not kept any more is passed over.
const (
	FromNow    FromKind = iota // what is written from now on (Winsock rule R244)
	FromOldest                 // everything that is still kept
	FromNumber                 // message N and what follows
	FromLast                   // the last N messages and what follows
)

// Admission is how a member is let in.
type Admission struct {
	// RTT is a first guess, from the control channel; zero means none.
	RTT time.Duration
	// Tagged members are those that the policy Tagged waits for.
	Tagged bool
	// Needed is a member that nobody can do without: it is never quarantined.
	Needed bool
	// From lets a member have what was sent before it came, as far as Replay
	// keeps it. It catches up by repairs and is waited for once it has.
	From From
}

// Admit counts m from here: with the zero From it owes nothing to what was
// written before (Winsock rule R244), and what is written from here on waits
// for it. The edges are for the member's START.
func (s *Sender) Admit(now time.Time, m Member, a Admission) []Edge {
	if _, ok := s.index[m]; ok {
		s.Expel(now, m)
	}
	t := s.now(now)
	s.Cut(now)
	edges := s.Edges(nil)
	if m == 0 || m == s.c.Self {
		return edges
	}
	i := 0
	for i < len(s.members) && s.members[i].id != 0 {
		i++
	}
	if i == len(s.members) {
		s.members = append(s.members, member{})
	}
	if a.RTT <= 0 {
		a.RTT = defaultGRTT
	}
	mb := &s.members[i]
	*mb = member{id: m, rtt: max(a.RTT, leastRTT), heardAt: t, tagged: a.Tagged, needed: a.Needed, streams: make([]memberStream, len(s.streams)),
		conduct: conduct{since: t}}
	for k := range edges {
		if e, ok := s.streams[k].history(a.From, s); ok {
			edges[k] = e
			mb.standing = catchingUp
		}
		e := edges[k].Seq
		mb.streams[k] = memberStream{start: e, delivered: e, highest: e, limit: e + s.firstCredit()}
	}
	s.index[m] = i
	s.counted++
	s.begun = s.begun || s.counted >= s.c.WaitFor
	s.dirty = true
	s.beat.restart(t)
	return edges
}

// Begin lets Write take messages though fewer than WaitFor members are here.
func (s *Sender) Begin() { s.begun = true }

// history is where a late member begins in a stream: at a block's first symbol,
// so that its parity is of use. Edge.Message is the first message it is owed,
// which may begin behind that symbol's start. false: there is nothing before.
func (st *sendStream) history(f From, s *Sender) (e Edge, ok bool) {
	if f.Kind == FromNow || !st.class.asks() || st.oldest >= st.sent {
		return e, false
	}
	number := func(seq uint64) uint64 { return st.message - uint64(uint32(st.message)-s.messageAt(st, seq)) }
	want := uint64(0)
	switch f.Kind {
	case FromNumber:
		want = f.N
	case FromLast:
		want = st.message - min(st.message, f.N)
	}
	if want >= st.message {
		return e, false
	}
	for n := st.blocks.low; n < st.blocks.high; n++ {
		b := st.blocks.at(n)
		if b.first < st.oldest {
			continue // its beginning is gone
		}
		first := number(b.first)
		if ok && first > want {
			break
		}
		e, ok = Edge{Stream: st.id, Seq: b.first, Message: max(want, first)}, true
	}
	return e, ok
}
