package dtls

import (
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// 100,000 fragments of every bad kind, from somebody with a token: few reach
// pion, memory stays flat, and others get in meanwhile.
func TestD4_FragmentsCostLittle(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", nil)
		h, _ := l.host("10.0.0.1:4000", nil)
		r := l.rogueDialler(t, "10.0.0.6:6000", at)
		v := envelope{kind: kindOpen, id: r.id, token: r.token}
		before := heap()
		const each = 100_000 / 6
		for i := range each {
			n, off := uint64(i%maxPlainNumber), uint32(i%200)
			for _, f := range []fragment{
				{message: messageClientHello, length: 200, number: 0, offset: off, body: make([]byte, min(9, 200-off))}, // overlapping
				{message: messageClientHello, length: 200, number: uint16(1 + i%16)},                                    // empty
				{message: messageClientHello, length: 1<<24 - 1, number: 1, offset: uint32(i), body: make([]byte, 9)},   // giant
				{message: messageClientHello, length: 20, number: 1, offset: 15, body: make([]byte, 9)},                 // leaves its message
				{message: messageClientHello, length: 20, number: 9999, body: make([]byte, 9)},                          // far ahead
				{message: 0, length: 0, number: uint16(i % 16)},                                                         // HelloRequest
			} {
				rec := plain(n, f)
				v.records = rec.append(nil)
				e.Handle(v.append(nil), r.at)
			}
			if i == each/2 {
				d, acc := l.meet(h, e, at, Who{})
				alive(t, d, acc)
			}
		}
		s := e.Stats()
		grown := int64(heap()) - int64(before)
		if passed := s.Passed; passed > maxFragments+100 || grown > 1<<20 {
			t.Errorf("%d records passed, the heap grew by %d", passed, grown)
		}
		if s.Drops[RecordFragment] < 5*each {
			t.Errorf("stats %+v", s)
		}
		d, acc := l.meet(h, e, at, Who{})
		alive(t, d, acc)
		balanced(t, e)
	})
}

// Having keys is not having proven anything: behind the encryption the same
// limits hold.
func TestD4_ProtectedFragmentsCostLittle(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", nil)
		r := l.rogueDialler(t, "10.0.0.6:6000", at)
		s := newSuite()
		if _, err := r.shake(t, r.config(t, s)); err != nil {
			t.Fatal(err)
		}
		before := heap()
		number := uint64(100)
		send := func(f fragment) {
			number++
			rec := plain(number, f)
			rec.epoch = 1
			sealed, err := s.Encrypt(nil, rec.append(nil))
			must(t, err)
			v := envelope{kind: kindOpen, id: r.id, token: r.token, records: sealed}
			e.Handle(v.append(nil), r.at)
			if number%30 == 0 {
				synctest.Wait()
			}
		}
		for i := range 10_000 {
			send(fragment{message: messageClientHello, length: 200, number: uint16(i)})
		}
		synctest.Wait()
		if n := e.Stats().Drops[RecordInner]; n != 10_000 {
			t.Errorf("%d of 10,000 fragments that nobody needs were dropped", n)
		}
		for i := range 10_000 {
			send(fragment{message: messageFinished, length: 12, number: uint16(i % 16), body: make([]byte, 12)})
		}
		if grown := int64(heap()) - int64(before); grown > 1<<20 {
			t.Errorf("the heap grew by %d, stats %+v", grown, e.Stats())
		}
		h, _ := l.host("10.0.0.1:4000", nil)
		d, acc := l.meet(h, e, at, Who{})
		alive(t, d, acc)
	})
}

// 1,000 addresses that are not the sender's, one record each, and 1,000 of
// every other packet there is: no state, at most a third of the bytes back, and
// an honest peer connects.
func TestD5_SpoofedSources(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", nil)
		h, _ := l.host("10.0.0.1:4000", nil)
		in, out := 0, 0
		l.tap = func(p []byte, from, _ netip.AddrPort) {
			if from == at {
				out += len(p)
			}
		}
		hello := plain(0, fragment{message: messageClientHello, length: 100, body: make([]byte, 100)})
		for i := range 1000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 5000)
			who := id{byte(i), byte(i >> 8), 1}
			for _, v := range []envelope{
				{kind: kindCarry, id: who, records: hello.append(nil)},
				{kind: kindOpen, id: who, token: token{byte(i)}, records: hello.append(nil)},
				{kind: kindAsk, id: who},
				{kind: kindGive, id: who, token: token{1}},
			} {
				p := v.append(nil)
				in += len(p)
				e.Handle(p, from)
			}
			raw := hello.append(nil)
			in += len(raw)
			e.Handle(raw, from)
		}
		if s := e.Stats(); s.Associations != 0 || s.HalfOpen != 0 || out == 0 || 3*out > in {
			t.Errorf("%d bytes in, %d out, %+v", in, out, s)
		}
		start := time.Now()
		d, acc := l.meet(h, e, at, Who{})
		if took := time.Since(start); took > time.Second {
			t.Errorf("the honest peer took %v", took)
		}
		alive(t, d, acc)
		balanced(t, e)
	})
}
