package control

import (
	"bytes"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// script turns fuzz input into choices.
type script struct{ b []byte }

func (s *script) next() byte {
	if len(s.b) == 0 {
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

// frame is a sample frame with up to two bytes changed or its end cut, or raw
// bytes.
func (s *script) frame() []byte {
	t := s.next()
	if t > 200 {
		n := min(int(s.next()), len(s.b))
		raw := bytes.Clone(s.b[:n])
		s.b = s.b[n:]
		return raw
	}
	b := bytes.Clone(sampleOf(Type(t % 16)))
	switch s.next() % 8 {
	case 0:
		b = b[:int(s.next())%(len(b)+1)]
	case 1:
		b[int(s.next())%len(b)] ^= s.next()
	}
	return b
}

var fuzzSeeds = [][]byte{
	{0, 1, 2, 1, 3, 4, 2, 2, 5, 2, 6, 1, 2, 5, 3, 7, 2, 0, 1, 2, 8, 3},
	{0, 9, 2, 1, 2, 1, 3, 4, 2, 2, 5, 0, 6, 1, 2, 5, 3, 7, 2, 10, 2},
	{0, 0, 0, 1, 2, 1, 3, 1, 3, 1, 3, 4, 2, 4, 4, 3, 2, 5, 1, 3, 255, 3, 255, 11, 12},
}

// leafSeed takes a leaf all the way in, and out: JOIN, WELCOME, READY, START,
// then one frame of each kind.
var leafSeed = []byte{5, 0, 102, 3, 2, 0, 4, 2, 7, 3, 0, 6, 2, 0, 13, 2, 0, 7, 2, 8, 4, 0, 10, 2, 0, 12, 2}

// rootInput gives the machine one input of the script's choice.
func rootInput(r *Root, s *script, now *time.Time, last *uint32) {
	op := s.next() % 20
	id := RootID + 1 + uint32(s.next()%8)
	if op != 0 && id > *last {
		id = *last
	}
	switch op {
	case 0:
		*last++
		_ = r.Open(*now, *last, leafAddr(*last))
	case 1, 2:
		r.Handle(*now, id, s.frame())
	case 3:
		*now = now.Add(time.Duration(s.next()) * 50 * time.Millisecond)
		r.Advance(*now)
		if next := r.NextTimeout(); !next.IsZero() && !next.After(*now) {
			panic("Advance leaves something due")
		}
	case 4:
		_ = r.Answer(*now, id, Answer{Verdict: Verdict(s.next() % 5), Role: Role(s.next() % 4), Callee: make([]byte, s.next())})
	case 5:
		_ = r.SetEpoch(*now, r.rekey.epoch+uint64(s.next()%3), Kind(s.next()%4), []Welcome{sampleWelcome(id), sampleWelcome(id + 1)})
	case 6:
		_ = r.Start(*now, id, nil)
	case 7:
		_ = r.Evict(*now, id, transport.Code(s.next()), "evicted")
	case 8:
		r.Lost(*now, id, transport.Code(s.next()))
	case 9:
		_ = r.Invite(*now, id, Invite{Role: Role(s.next() % 4), Room: int32(s.next()) - 3})
	case 10:
		_, _ = r.Next()
	case 11:
		_ = r.Chat(*now, id, make([]byte, s.next()))
	case 12:
		_ = r.Senders(*now, []Peer{{ID: id}}, []uint32{uint32(s.next())})
	case 13:
		_ = r.SetEdges(make([]Edge, s.next()%18))
	case 14:
		heard := *now
		r.c.Data = func(uint32) time.Time { return heard }
	case 15:
		r.SetBacklog(int(s.next()) - 3)
	case 16:
		_, _ = r.Waiting()
		_, _ = r.Leaf(id)
	case 17:
		if s.next() > 250 {
			r.Close(*now, 0, "over")
		}
	case 18:
		_ = r.Notice(*now, id, Notice{Standing: s.next() % 3, Reason: s.next()})
	case 19:
		_ = r.Grant(*now, id, make([]byte, s.next()))
	}
}

// FuzzRoot: whatever comes in whatever order, the events keep their order,
// the books balance and an input's outputs are bounded.
func FuzzRoot(f *testing.F) {
	for _, b := range fuzzSeeds {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		r := NewRoot(RootConfig{Backlog: 2, Unasked: 3, Leaves: 5})
		w := newWitness(r)
		s, now, last := &script{b}, epochZero, RootID
		for len(s.b) > 0 {
			had := len(r.conns)
			rootInput(r, s, &now, &last)
			n := 0
			for o, ok := r.Poll(); ok; o, ok = r.Poll() {
				w.saw(o)
				n++
			}
			if limit := 4*(had+1) + 4; n > limit {
				t.Fatalf("%d outputs of one input with %d connections", n, had)
			}
			if len(r.conns) > 3+2+5+3 {
				t.Fatalf("%d connections", len(r.conns))
			}
			r.backlog.limit = max(r.backlog.limit, len(r.backlog.list)) // SetBacklog leaves who waits
			if bad := w.check(); len(bad) > 0 {
				t.Fatal(bad)
			}
		}
	})
}

// leafInput gives the machine one input of the script's choice.
func leafInput(l *Leaf, s *script, now *time.Time) {
	switch s.next() % 13 {
	case 0, 1, 2, 3:
		l.Handle(*now, RootID, s.frame())
	case 4:
		*now = now.Add(time.Duration(s.next()) * 50 * time.Millisecond)
		l.Advance(*now)
		if next := l.NextTimeout(); !next.IsZero() && !next.After(*now) {
			l.Advance(*now) // one thing at a time
			if next := l.NextTimeout(); !next.IsZero() && !next.After(*now) {
				panic("Advance leaves something due")
			}
		}
	case 5:
		_ = l.Join(*now, Join{Role: Role(s.next() % 4), Room: int32(s.next()) - 2, From: From{FromKind(s.next() % 5), uint64(s.next() % 3)}})
	case 6:
		_ = l.Answer(*now, Answer{Verdict: Verdict(s.next() % 5), Callee: make([]byte, s.next())}, Join{})
	case 7:
		_ = l.Ready(*now, Ready{Epoch: uint64(s.next()), Addr: leafAddr(2)})
	case 8:
		_ = l.Rekeyed(*now, uint64(s.next()))
	case 9:
		_ = l.Chat(*now, make([]byte, s.next()))
	case 10:
		_ = l.SetEdges(make([]Edge, s.next()%18))
		l.c.Data = func() uint64 { return uint64(now.UnixNano()) }
	case 12:
		_ = l.Behind(*now)
	case 11:
		if s.next() > 240 {
			_ = l.Leave(*now, transport.Code(s.next()), "", nil)
		}
	}
}

// FuzzLeaf: nothing panics, Closed comes once and last, outputs are bounded.
func FuzzLeaf(f *testing.F) {
	for _, b := range fuzzSeeds {
		f.Add(b)
	}
	f.Add(leafSeed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		now, s := epochZero, &script{b}
		l := NewLeaf(now, LeafConfig{})
		closed := false
		for len(s.b) > 0 {
			leafInput(l, s, &now)
			n := 0
			for o, ok := l.Poll(); ok; o, ok = l.Poll() {
				n++
				if closed || o.To != RootID {
					t.Fatalf("after Closed, or to %d: %+v", o.To, o)
				}
				closed = o.Event.Kind == Closed
			}
			if n > 3 {
				t.Fatalf("%d outputs of one input", n)
			}
		}
		if closed != (l.phase == over) {
			t.Fatalf("closed %v in phase %d", closed, l.phase)
		}
	})
}
