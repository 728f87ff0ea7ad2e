package flow

import (
	"reflect"
	"testing"
	"time"
)

// S22: what no honest member says is counted, and nothing moves.
func TestS22_TheSenderBelievesNoNonsense(t *testing.T) {
	p := newPair(t, Reliable, BestEffort)
	for i := range 50 {
		_ = p.s.Write(p.now, Stream(i%2), message(i, 1000))
	}
	p.s.Cut(p.now)
	p.pump()
	p.now = p.now.Add(50 * time.Millisecond)
	now := uint32(micro(p.s.now(p.now)))
	next := p.s.streams[0].next
	naks := func(f nak, base, run uint64) []byte {
		f.base, f.ranges = base, appendNakRange(nil, 0, run)
		return appendNak(nil, &f)
	}
	said := p.s.members[0].streams[0]
	says := func(f func(*status)) []byte {
		s := status{n: 1, streams: [MaxStreams]statusStream{{1, 0, said.delivered, said.highest, said.limit}}}
		f(&s)
		return appendStatus(nil, &s)
	}
	for name, c := range map[string]struct {
		from  Member
		frame []byte
		want  Drop
	}{
		"nothing":                   {2, nil, DropMalformed},
		"data":                      {2, []byte{frameData}, DropType},
		"parity":                    {2, []byte{2}, DropType},
		"a stranger":                {9, naks(nak{}, 0, 1), DropStranger},
		"half a NAK":                {2, naks(nak{}, 0, 1)[:10], DropMalformed},
		"half a STATUS":             {2, says(func(*status) {})[:30], DropMalformed},
		"NAK above highest":         {2, naks(nak{}, next, 1), DropBeyond},
		"NAK for everything":        {2, naks(nak{}, 0, seqMax), DropBeyond},
		"NAK on best effort":        {2, naks(nak{stream: 1}, 0, 1), DropStream},
		"NAK on no stream":          {2, naks(nak{stream: 7}, 0, 1), DropStream},
		"NAK with a future echo":    {2, naks(nak{echoed: true, echo: now + 1000}, 0, 1), DropFuture},
		"NAK from before the start": {2, naks(nak{echoed: true, echo: now - 1<<30}, 0, 1), DropFuture},
		"NAK held too long":         {2, naks(nak{echoed: true, echo: now, held: 1 << 20}, 0, 1), DropFuture},
		"limit backwards":           {2, says(func(s *status) { s.streams[0].limit-- }), DropStale},
		"delivered backwards":       {2, says(func(s *status) { s.streams[0].delivered = 0; s.streams[0].highest-- }), DropStale},
		"huge limit":                {2, says(func(s *status) { s.streams[0].limit = seqMax }), DropBeyond},
		"more than was sent":        {2, says(func(s *status) { s.streams[0].highest = next + 1 }), DropBeyond},
		"delivered what is not":     {2, says(func(s *status) { s.streams[0].delivered, s.streams[0].highest = next+1, next+1 }), DropBeyond},
		"no such stream":            {2, says(func(s *status) { s.streams[0].stream = 3 }), DropStream},
		"future echo":               {2, says(func(s *status) { s.echoed, s.echo = true, now+1 }), DropFuture},
	} {
		before, members := p.s.Stats(), p.s.Members(p.now, nil)
		if got := p.s.Handle(p.now, c.from, c.frame); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		after := p.s.Stats()
		after.Drops[c.want]--
		if !reflect.DeepEqual(before, after) || !reflect.DeepEqual(members, p.s.Members(p.now, nil)) {
			t.Errorf("%s: something moved", name)
		}
	}
	// Another sender's line in a STATUS to all is no business of this one.
	if d := p.s.Handle(p.now, 2, says(func(s *status) { s.streams[0].sender = 5; s.streams[0].limit = seqMax })); d != DropNone {
		t.Error(d)
	}
}

func TestS22_TheReceiverBelievesNoNonsense(t *testing.T) {
	p := newPair(t, Reliable, BestEffort)
	for i := range 50 {
		_ = p.s.Write(p.now, Stream(i%2), message(i, 1000))
	}
	p.s.Cut(p.now)
	p.pump()
	d := func(f func(*data)) []byte {
		x := data{seq: 500, pos: 5, payload: []byte{1, 'x'}}
		f(&x)
		return appendData(nil, &x)
	}
	for name, c := range map[string]struct {
		frame []byte
		want  Drop
	}{
		"nothing":                {nil, DropMalformed},
		"NAK":                    {[]byte{frameNak}, DropType},
		"an unknown type":        {[]byte{7, 0, 0, 0}, DropType},
		"half a row":             {[]byte{2, 0, 0, 0}, DropMalformed},
		"half a note":            {[]byte{3, 1, 0, 0}, DropMalformed},
		"half a frame":           {d(func(*data) {})[:20], DropMalformed},
		"no such stream":         {d(func(x *data) { x.stream = 2 }), DropStream},
		"another class":          {d(func(x *data) { x.class = BestEffort }), DropStream},
		"class 3":                {d(func(x *data) { x.class = 3 }), DropStream},
		"interleave 32":          {d(func(x *data) { x.interleave = 5 }), DropMalformed},
		"beyond the window":      {d(func(x *data) { x.seq = 1 << 40 }), DropWindow},
		"had it":                 {d(func(x *data) { x.seq = 5 }), DropDuplicate},
		"BEAT for no stream":     {appendBeat(nil, &beat{leaves: 1, n: 1, streams: [MaxStreams]beatStream{{stream: 9}}}), DropStream},
		"BEAT with n = 0":        {appendBeat(nil, &beat{n: 1}), DropMalformed},
		"BEAT cut in the middle": {appendBeat(nil, &beat{leaves: 1, n: 1})[:20], DropMalformed},
	} {
		before := p.r.Stats()
		if got := p.r.Handle(p.now, Meta{Pairwise: true}, c.frame, nil); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		after := p.r.Stats()
		after.Drops[c.want]--
		after.Frames--
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s: something moved: %+v", name, after)
		}
	}
	p.r.Close()
	if got := p.r.Handle(p.now, Meta{}, d(func(*data) {}), nil); got != DropClosed {
		t.Error(got)
	}
	if _, _, err := p.r.Read(p.now, 0, nil); err != ErrEmpty || !p.r.NextTimeout().IsZero() {
		t.Error(err)
	}
}

// Records that contradict themselves cost their own symbols and no more.
func TestS22_GarbledRecordsAreSkipped(t *testing.T) {
	for name, payload := range map[string][]byte{
		"length beyond MaxMessage": {0xff, 0xff, 0xff, 0x7f, 'x'},
		"long form":                {0x80, 0, 'x'},
		"endless":                  {0xff, 0xff, 0xff},
	} {
		p := newPair(t, Reliable)
		for seq, b := range [][]byte{{1, 'a'}, payload, {1, 'c'}} {
			f := appendData(nil, &data{seq: uint64(seq), payload: b, message: uint32(seq)})
			if d := p.r.Handle(p.now, Meta{}, f, nil); d != DropNone {
				t.Fatal(d)
			}
		}
		var buf [8]byte
		var got []uint64
		for {
			_, i, err := p.r.Read(p.now, 0, buf[:])
			if err == ErrEmpty {
				break
			}
			got = append(got, i.Message, i.Missed)
		}
		if want := []uint64{0, 0, 1, 1, 2, 0}; !reflect.DeepEqual(got, want) || p.r.Stats().Garbled != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A stream that begins at message 0 has nothing before it: a first symbol that
// says otherwise leads nowhere, and reading goes on behind it.
func TestS22_NoMessageIsBeforeTheFirst(t *testing.T) {
	for _, back := range []uint32{1, 2, 5, 1 << 20} {
		p := newPair(t, Reliable)
		first := uint64(4)
		p.r.edges[0].Message = first
		for seq, d := range []data{
			{message: -back, payload: []byte{9, 'a'}}, // torn
			{message: uint32(first) + 1, payload: []byte{1, 'b'}},
		} {
			d.seq, d.pos = uint64(seq), uint16(seq)
			p.r.Handle(p.now, Meta{}, appendData(nil, &d), nil)
		}
		p.r.GiveUp(p.now)
		var buf [16]byte
		for n := 0; ; n++ {
			_, i, err := p.r.Read(p.now, 0, buf[:])
			if err == ErrEmpty {
				break
			}
			if n > 3 || i.Message+i.Missed > first+2 {
				t.Fatalf("back %d: %+v %v", back, i, err)
			}
		}
		if !p.r.Done() {
			t.Errorf("back %d: not done", back)
		}
	}
}
