package load

import (
	"bytes"
	"testing"
)

func TestCodec_WhatIsWrittenIsRead(t *testing.T) {
	if _, err := ParseHello(Hello{}.Append(nil)); err != nil {
		t.Error(err)
	}
	for _, h := range []Head{{}, {Reliable: true, Size: 1024}, {Size: 1<<32 - 1}} {
		if got, err := ParseHead(h.Append(nil)); err != nil || got != h {
			t.Errorf("%+v became %+v, %v", h, got, err)
		}
	}
	for _, m := range []Mark{{Load, 0}, {Tally, 1 << 40}, {Ping, 7}, {Pong, 1<<64 - 1}} {
		b := m.Append(nil)
		if got, err := ParseMark(append(b, "filler"...)); err != nil || got != m || len(b) != MarkSize {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	}
	r := Report{1, 2, 3, 1<<64 - 1}
	if got, err := ParseReport(r.Append(nil)); err != nil || got != r {
		t.Errorf("%+v became %+v, %v", r, got, err)
	}
}

func TestCodec_WhatIsForeignIsRefused(t *testing.T) {
	for _, p := range [][]byte{nil, []byte("jlb"), []byte("jlb\x02"), []byte("jlb\x01\x00"), []byte("jlB\x01"),
		[]byte("jlB\x01\x02\x00\x00\x00\x00\x00\x00\x00"), []byte("jlB\x01\x01\x00\x00\x01\x00\x00\x00\x00"),
		[]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), []byte("\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), []byte("\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		append([]byte("jlr\x02"), make([]byte, 32)...), append([]byte("jlr\x01"), make([]byte, 33)...)} {
		_, a := ParseHello(p)
		_, b := ParseHead(p)
		_, c := ParseMark(p)
		_, d := ParseReport(p)
		if a == nil || b == nil || c == nil || d == nil {
			t.Errorf("%q was taken: %v %v %v %v", p, a, b, c, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Hello{}.Append(nil))
	f.Add(Head{Reliable: true, Size: 9}.Append(nil))
	f.Add(Mark{Ping, 9}.Append(nil))
	f.Add(Report{1, 2, 3, 4}.Append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		same := func(what string, back []byte, n int, err error) {
			if err == nil && !bytes.Equal(back, p[:n]) {
				t.Errorf("%s: %x became %x", what, p, back)
			}
		}
		h, err := ParseHello(p)
		same("hello", h.Append(nil), min(HelloSize, len(p)), err)
		d, err := ParseHead(p)
		same("head", d.Append(nil), min(HeadSize, len(p)), err)
		m, err := ParseMark(p)
		same("mark", m.Append(nil), min(MarkSize, len(p)), err)
		r, err := ParseReport(p)
		same("report", r.Append(nil), min(ReportSize, len(p)), err)
		refused := func(f func()) {
			if n := testing.AllocsPerRun(1, f); n > 0 {
				t.Errorf("%x is read with %v allocations", p, n)
			}
		}
		refused(func() { _, _ = ParseHead(p) })
		refused(func() { _, _ = ParseMark(p) })
		refused(func() { _, _ = ParseReport(p) })
	})
}
