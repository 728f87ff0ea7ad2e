package flow

import "time"

// Judge tells a sender's own symbols from those that another member, who has the
// group's key, sealed in its name. What it says rests on signed manifests, which
// pass these machines by. See ReceiverConfig.
type Judge interface {
	// Start says from where on a stream is owed.
	Start(id Stream, seq uint64)
	// Hash is what is known of a symbol by. It needs no lock.
	Hash(id Stream, seq uint64, symbol []byte) [16]byte
	// Symbol judges a symbol that came, or was rebuilt.
	Symbol(now time.Time, id Stream, seq uint64, h [16]byte) Verdict
	// Proven is the first symbol in [from, to) that has not come, or is not known
	// to be the sender's own.
	Proven(id Stream, from, to uint64) uint64
	// Release says that symbols below seq are done with.
	Release(now time.Time, id Stream, seq uint64)
}

// Verdict is what a Judge says of a symbol.
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota // it may be either: it is kept, and not read
	Genuine                // the sender's own
	Forged                 // another member's, or one of two that differ is
	TooFar                 // further ahead than is remembered
)

// proofWait is how long a symbol waits for its proof where it would otherwise not
// be waited for.
const proofWait = time.Second

// waits reports whether nothing may be read that is not proven.
func (r *Receiver) waits() bool { return r.c.Judge != nil && !r.c.Eager }

// judged asks about a symbol that has a place.
func (st *stream) judged(t moment, d *data, frame []byte, m *Meta) Drop {
	r := st.r
	if m == nil || !m.Hashed {
		m = &Meta{Hash: r.c.Judge.Hash(d.stream, d.seq, frame[HeadSize:])}
	}
	switch r.c.Judge.Symbol(r.c.Start.Add(t), d.stream, d.seq, m.Hash) {
	case Forged:
		return DropForged
	case TooFar:
		if !r.c.Eager {
			return DropWindow
		}
	}
	return DropNone
}

// awaits reports whether what is next is here and lacks its proof only.
func (st *stream) awaits() bool {
	return st.contig < st.hi && st.holds(st.contig) && st.r.waits()
}

// provenTo is the end of what is here and proven from seq on, at most to.
func (st *stream) provenTo(seq, to uint64) uint64 {
	if from := max(seq, st.proven); from < to {
		st.proven = max(st.proven, st.r.c.Judge.Proven(st.id, from, to))
	}
	return min(st.proven, to)
}

// prove takes up what was proven since, and gives up what should have been.
func (st *stream) prove(t moment) {
	j := st.r.c.Judge
	if st.r.waits() {
		st.extend()
		st.impatient(t)
	}
	if st.base > st.released {
		st.released = st.base
		j.Release(st.r.c.Start.Add(t), st.id, st.base)
	}
}

// patience is how long a stream waits for a proof that does not come. Reliable
// streams ask for it until the sender cannot give it any more.
func (st *stream) patience() moment {
	if st.class == Deadline {
		return min(proofWait, st.r.c.Latency)
	}
	return proofWait
}

// impatient gives symbols up that wait for their proof in vain: they are lost.
func (st *stream) impatient(t moment) {
	if !st.awaits() || st.class == Reliable && st.contig >= st.gone {
		st.waitAt = never
		return
	}
	if st.waitAt == never || st.waitSeq != st.contig {
		st.waitAt, st.waitSeq, st.waitEnd = t, st.contig, st.hi
		return
	}
	if t-st.waitAt < st.patience() {
		return
	}
	to := st.waitEnd
	if st.class == Reliable {
		to = min(to, st.gone)
	}
	st.surrender(to)
	st.waitAt = never
}

// surrender gives up what is here and not proven, up to the first that is.
func (st *stream) surrender(to uint64) {
	seq := st.contig
	for ; seq < min(to, st.hi); seq++ {
		if !st.holds(seq) {
			continue
		}
		if st.r.c.Judge.Proven(st.id, seq, seq+1) > seq {
			break
		}
		st.drop(seq)
		st.r.stats.Unproven++
	}
	st.gone = max(st.gone, seq)
	st.known = max(st.known, st.gone)
	st.settle()
}

// forsake gives up everything that is here and not proven.
func (st *stream) forsake() {
	for seq := st.contigOrBase(); seq < st.hi; seq++ {
		if st.holds(seq) && st.r.c.Judge.Proven(st.id, seq, seq+1) == seq {
			st.drop(seq)
			st.r.stats.Unproven++
		}
	}
}

// unproven reports whether something from first up to the cursor is not proven.
func (st *stream) unproven(first uint64) bool {
	end := st.base
	if st.cur != nil && len(st.cur) < len(st.ring[end&st.mask].payload()) { // the cursor stands within a symbol
		end++
	}
	return st.r.c.Judge.Proven(st.id, first, end) < end
}

// Reject says of a symbol that was Unknown that it is another member's: it is
// asked for again. It reports whether it is too late: the symbol was read, or,
// with Eager, will be.
func (r *Receiver) Reject(now time.Time, id Stream, seq uint64) (late bool) {
	if int(id) >= len(r.streams) || r.streams[id] == nil {
		return false
	}
	st := r.streams[id]
	switch {
	case seq < st.contig:
		return true
	case seq >= st.hi || !st.holds(seq):
		return false
	}
	st.drop(seq)
	r.stats.Rejected++
	t := r.now(now)
	for i := range st.sections {
		if c := &st.sections[i]; c.end > seq {
			c.due, c.waits = min(c.due, r.worthwhile(t, c.until)), false
			return false
		}
	}
	st.addSection(t, seq+1, t)
	return false
}

// Leaves is how many members the sender said that it has.
func (r *Receiver) Leaves() int { return r.beat.leaves }

// SymbolOf gives what a DATA frame says, and what a Judge's Hash is of: the symbol
// without the zeros behind it.
func SymbolOf(frame []byte) (id Stream, seq uint64, symbol []byte, ok bool) {
	if len(frame) <= HeadSize+symbolHead || frame[0] != frameData {
		return 0, 0, nil, false
	}
	end := HeadSize + symbolHead + int(frame[16])<<8 + int(frame[17])
	if end > len(frame) {
		return 0, 0, nil, false
	}
	return Stream(frame[2])<<8 | Stream(frame[3]), get48(frame[4:]), frame[HeadSize:end], true
}

// Awaits reports whether what is next of a stream is here and lacks its proof.
func (r *Receiver) Awaits(id Stream) bool {
	return int(id) < len(r.streams) && r.streams[id] != nil && r.streams[id].awaits()
}

// New reports whether the batch has symbols that go for the first time.
func (b *Batch) New() bool { return b.kind == batchData }

// Frame is the DATA frame of a symbol that was sent and is kept; nil: it is not.
// It holds until the next call.
func (s *Sender) Frame(id Stream, seq uint64) []byte {
	if int(id) >= len(s.streams) {
		return nil
	}
	st := &s.streams[id]
	if seq < st.oldest || seq >= st.sent {
		return nil
	}
	return s.slotOf(st.chunk(seq), seq)
}

// Charge books packets that leave beside this machine's, so that the rate holds
// for all: so many of so many bytes in all, without what sealing adds.
func (s *Sender) Charge(now time.Time, packets, bytes int) {
	n := bytes + packets*(s.c.Overhead+ipOverhead)
	s.pace.spend(n)
	s.limit.spend(n)
	s.law.sent(s.now(now), n)
}
