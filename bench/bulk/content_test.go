package bulk

import (
	"bytes"
	"testing"
)

func messages(t *testing.T, size int, n uint64) (all [][]byte) {
	t.Helper()
	c, err := NewContent(size)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Each(n, func(p []byte) error { all = append(all, bytes.Clone(p)); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestContent_OneSidesMessagesAreTheOthers(t *testing.T) {
	for _, size := range []int{Number, 1400, 8 << 10, Longest} {
		check, err := NewContent(size)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range messages(t, size, 500) {
			if err := check.Check(p); err != nil {
				t.Fatalf("size %d, message %d: %v", size, i, err)
			}
		}
	}
}

func TestContent_EveryFlawIsSeen(t *testing.T) {
	const size = 1400
	flaws := map[string]func(all [][]byte){
		"a bit at the end":   func(all [][]byte) { all[5][size-1] ^= 1 },
		"a bit in the first": func(all [][]byte) { all[0][Number] ^= 128 },
		"two exchanged":      func(all [][]byte) { all[3], all[4] = all[4], all[3] },
		"one twice":          func(all [][]byte) { all[4] = all[3] },
		"one cut":            func(all [][]byte) { all[4] = all[4][:size-1] },
		"another's body": func(all [][]byte) {
			copy(all[4][Number:], all[3][Number:])
		},
	}
	for name, spoil := range flaws {
		all := messages(t, size, 10)
		spoil(all)
		check, err := NewContent(size)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if err = check.Check(p); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%s went unnoticed", name)
		}
	}
}

func TestContent_WhatWasMissedIsPassedOver(t *testing.T) {
	all := messages(t, 1400, 10)
	check, err := NewContent(1400)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range all {
		switch i {
		case 0, 4, 5: // missed; told with the one that comes next
		case 1:
			check.Skip(1)
		case 6:
			if err := check.Check(p); err == nil {
				t.Error("a gap that was not told went unnoticed")
			}
			check.Skip(2)
		}
		if i == 0 || i == 4 || i == 5 {
			continue
		}
		if err := check.Check(p); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if n := check.Checked(); n != 7 {
		t.Errorf("%d were checked", n)
	}
}

// Programs in other languages make the block again, from these words on.
func TestContent_BlockIsTheWrittenOne(t *testing.T) {
	want := []byte{0xaf, 0xcd, 0x1d, 0x7b, 0x39, 0xa8, 0x20, 0xe2} // SplitMix64 from 0 begins with e220a8397b1dcdaf
	if got := newBlock()[:8]; !bytes.Equal(got, want) {
		t.Errorf("the block begins % x, not % x", got, want)
	}
}

func TestSpec_RoundsUpToWholeMessages(t *testing.T) {
	for _, c := range []struct {
		size int64
		want uint64
	}{{1, 2}, {16384, 2}, {16385, 3}, {200e6, 24415}} {
		if got := (Spec{Size: c.size, Message: 8192}).Messages(); got != c.want {
			t.Errorf("%d bytes are %d messages, not %d", c.size, got, c.want)
		}
	}
}

func TestSpec_LossIsEachLeafsOwnWhereItIsSaid(t *testing.T) {
	all, last := Spec{Loss: 5}, Spec{Loss: 5, Losses: []float64{0, 30}}
	for i, want := range [][2]float64{{5, 0}, {5, 30}, {5, 5}} {
		if got := [2]float64{all.LossOf(i), last.LossOf(i)}; got != want {
			t.Errorf("leaf %d: %v, not %v", i, got, want)
		}
	}
}

// BenchmarkCheck is what the check costs a leaf: bytes compared a second.
func BenchmarkCheck(b *testing.B) {
	c, err := NewContent(8 << 10)
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 8<<10)
	copy(p, c.slice(0))
	c.Each(1, func(q []byte) error { copy(p, q); return nil })
	b.SetBytes(8 << 10)
	for b.Loop() {
		c.next = 0
		if err := c.Check(p); err != nil {
			b.Fatal(err)
		}
	}
}
