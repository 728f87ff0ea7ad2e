package control

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// ViewNumber is a view's number: the term of the coordinator that made it, and
// how many views it had made. The keys of a view are the epoch of that number.
type ViewNumber uint64

// Term is the term in n: it rises with every change of the coordinator.
func (n ViewNumber) Term() uint32 { return uint32(n >> 32) }

func firstView(term uint32) ViewNumber { return ViewNumber(term)<<32 | 1 }

// View is who is in, and under which keys they speak: a membership is an epoch.
type View struct {
	Number      ViewNumber
	Coordinator uint32
	Full        bool     // else it changes the view sent before on this pipe
	Merged      bool     // another session's members are among who came
	State       Secret   // the epoch's state, opaque here
	Add         []Equal  // by rising id
	Remove      []uint32 // rising
	Denied      []Ban
}

// VIEW:
//
//	number(8) coordinator(4) flags(1): 1 full, 2 merged
//	state(bytes) n(2) n times member, m(2) m times id(4), bans

// Append appends the whole frame to b.
func (v View) Append(b []byte) []byte {
	b, start := begin(b, TypeView)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Number))
	b = binary.BigEndian.AppendUint32(b, v.Coordinator)
	var flags byte
	if v.Full {
		flags |= 1
	}
	if v.Merged {
		flags |= 2
	}
	b = appendBytes(append(b, flags), v.State)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.Add)))
	for _, e := range v.Add {
		b = e.append(b)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.Remove)))
	for _, id := range v.Remove {
		b = binary.BigEndian.AppendUint32(b, id)
	}
	return finish(appendBans(b, v.Denied), start)
}

// ParseView reads a VIEW. Slices point into frame.
func ParseView(frame []byte) (View, error) {
	s := open(frame, TypeView)
	v := View{Number: ViewNumber(s.u64()), Coordinator: s.u32()}
	flags := s.u8()
	s.check(flags <= 3 && uint32(v.Number) != 0 && v.Number.Term() != 0 && v.Coordinator != 0, FaultValue)
	v.Full, v.Merged = flags&1 != 0, flags&2 != 0
	v.State = s.bytes(MaxState)
	n := s.count(uint32(s.u16()), MaxEquals)
	first := s
	last := uint32(0)
	for range n {
		e := s.equal()
		s.check(e.ID > last, FaultValue)
		last = e.ID
	}
	remove := s.take(s.count(uint32(s.u16()), MaxEquals) * 4)
	last = 0
	for b := remove; len(b) > 0; b = b[4:] {
		id := binary.BigEndian.Uint32(b)
		s.check(id > last, FaultValue)
		last = id
	}
	s.check(!v.Full || len(remove) == 0, FaultValue)
	denied := s.bans()
	if err := s.end(); err != nil {
		return View{}, err
	}
	for range n {
		v.Add = append(v.Add, first.equal())
	}
	for b := remove; len(b) > 0; b = b[4:] {
		v.Remove = append(v.Remove, binary.BigEndian.Uint32(b))
	}
	v.Denied = decodeBans(denied)
	return v, nil
}

// clone copies what points into a frame.
func (v View) clone() View {
	v.State = bytes.Clone(v.State)
	v.Add = cloneEquals(v.Add)
	return v
}

func cloneEquals(es []Equal) []Equal {
	es = slices.Clone(es)
	for i := range es {
		es[i] = es[i].clone()
	}
	return es
}

// roster is who is in, by rising id: the first is the oldest.
type roster []Equal

func (r roster) find(id uint32) *Equal {
	i, ok := slices.BinarySearchFunc(r, id, func(e Equal, id uint32) int {
		return int(int64(e.ID) - int64(id))
	})
	if !ok {
		return nil
	}
	return &r[i]
}

func (r roster) byPin(pin [32]byte) *Equal {
	for i := range r {
		if r[i].Pin == pin {
			return &r[i]
		}
	}
	return nil
}

func (r roster) ids() []uint32 {
	ids := make([]uint32, len(r))
	for i, e := range r {
		ids[i] = e.ID
	}
	return ids
}

// apply is the roster after v. What v removes and does not know is no matter.
func (r roster) apply(v *View) roster {
	var next roster
	if !v.Full {
		next = slices.DeleteFunc(slices.Clone(r), func(e Equal) bool {
			_, gone := slices.BinarySearch(v.Remove, e.ID)
			_, anew := slices.BinarySearchFunc(v.Add, e.ID, func(a Equal, id uint32) int { return int(int64(a.ID) - int64(id)) })
			return gone || anew
		})
	}
	next = append(next, v.Add...)
	next.sort()
	return next
}

func (r roster) sort() {
	slices.SortFunc(r, func(a, b Equal) int { return int(int64(a.ID) - int64(b.ID)) })
}

// changed is who to add and to remove to come from r to next. An id that
// another member has now is both.
func (r roster) changed(next roster) (added, removed []Equal) {
	return next.without(r), r.without(next)
}

func (r roster) without(o roster) (rest []Equal) {
	for _, e := range r {
		if other := o.find(e.ID); other == nil || other.Pin != e.Pin {
			rest = append(rest, e)
		}
	}
	return rest
}
