package session

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOrderMessages_AreReadAsWritten(t *testing.T) {
	b := AppendOrder(nil, 77)
	b = AppendRun(b, 1, 0, 0, 1)
	b = AppendRun(b, math.MaxUint32, 15, 300, 1<<40)
	at, runs, ok := ParseOrder(b)
	if !ok || at != 77 {
		t.Fatalf("%x: %v, place %d", b, ok, at)
	}
	sender, stream, first, n, size := ParseRun(runs)
	if sender != 1 || stream != 0 || first != 0 || n != 1 || size != 4 {
		t.Errorf("%d/%d %d+%d in %d bytes", sender, stream, first, n, size)
	}
	if sender, stream, first, n, _ = ParseRun(runs[size:]); sender != math.MaxUint32 || stream != 15 || first != 300 || n != 1<<40 {
		t.Errorf("%d/%d %d+%d", sender, stream, first, n)
	}
	if len(b) > runsHead+4+mostRun {
		t.Errorf("a run of more than %d bytes", mostRun)
	}
	golden(t, "order", b)
	v := AppendView(nil, 9, []uint32{1, 5, 3}, true, false)
	golden(t, "view", v)
	at, members, begins, ends, ok := ParseView(v, []uint32{8})
	if !ok || at != 9 || !slices.Equal(members, []uint32{8, 1, 5, 3}) || !begins || ends {
		t.Errorf("%x: %v %d %v %v %v", v, ok, at, members, begins, ends)
	}
}

// golden holds a message to its file, which docs/wire.md cites.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if got := fmt.Sprintf("%x\n", b); err != nil || got != string(want) {
		t.Errorf("%s: %sgolden %s%v", name, got, want, err)
	}
}

func TestOrderMessages_RefuseWhatNobodyWrites(t *testing.T) {
	run := func(sender, stream, first, n uint64) []byte {
		b := AppendOrder(nil, 1)
		for _, v := range []uint64{sender, stream, first, n} {
			b = appendVarint(b, v)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"empty":             nil,
		"another type":      {6, 0, 0, 0, 0, 0, 0, 0, 1},
		"a frame's type":    {orderRuns},
		"place 0":           AppendOrder(nil, 0),
		"a place too far":   AppendOrder(nil, math.MaxUint64),
		"nobody":            run(0, 0, 0, 1),
		"no member":         run(1<<32, 0, 0, 1),
		"no stream":         run(1, 16, 0, 1),
		"messages past all": run(1, 0, math.MaxInt64, 1),
		"places past all":   append(AppendOrder(nil, math.MaxInt64), 1, 0, 0, 1),
		"half a run":        run(1, 0, 0, 1)[:runsHead+3],
		"a long form":       append(AppendOrder(nil, 1), 0x81, 0, 0, 0, 1),
		"nobody in":         AppendView(nil, 1, nil, true, true),
		"half a member":     AppendView(nil, 1, []uint32{1}, true, true)[:12],
		"member 0":          AppendView(nil, 1, []uint32{1, 0}, true, true),
		"unknown flags":     {orderView, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1},
	} {
		_, _, isOrder := ParseOrder(b)
		_, list, _, _, isView := ParseView(b, nil)
		if isOrder || isView || list != nil {
			t.Errorf("%s: %x is taken", name, b)
		}
		if n := testing.AllocsPerRun(10, func() { ParseOrder(b); ParseView(b, nil) }); n != 0 {
			t.Errorf("%s: refusing allocates", name)
		}
	}
}

func appendVarint(b []byte, v uint64) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func FuzzOrder(f *testing.F) {
	f.Add(AppendOrder(nil, 1))
	f.Add(AppendRun(AppendRun(AppendOrder(nil, 5), 2, 1, 1000, 3), 1, 0, 0, 1))
	f.Add(append(AppendOrder(nil, 1), 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		at, rest, ok := ParseOrder(b)
		if !ok {
			if n := testing.AllocsPerRun(1, func() { ParseOrder(b) }); n != 0 {
				t.Fatalf("refusing %x allocates", b)
			}
			return
		}
		again := AppendOrder(nil, at)
		for len(rest) > 0 {
			sender, stream, first, n, size := ParseRun(rest)
			if size == 0 || sender == 0 {
				t.Fatalf("%x: half of it is taken", b)
			}
			again = AppendRun(again, sender, stream, first, n)
			rest = rest[size:]
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x parses and encodes as %x", b, again)
		}
	})
}

func FuzzView(f *testing.F) {
	f.Add(AppendView(nil, 1, []uint32{1}, true, true))
	f.Add(AppendView(nil, 1<<40, []uint32{9, 8, 7}, false, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		at, list, begins, ends, ok := ParseView(b, nil)
		if !ok && list != nil {
			t.Fatalf("%x is refused, but taken in part", b)
		}
		if ok && !bytes.Equal(AppendView(nil, at, list, begins, ends), b) {
			t.Fatalf("%x parses and encodes differently", b)
		}
	})
}
