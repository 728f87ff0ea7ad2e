package crypto

import (
	"slices"
	"testing"
	"time"
)

func TestAges_EndWhatALeaverKnowsAtOnce(t *testing.T) {
	const step, fresh = false, true // of a departure
	for _, c := range []struct {
		name          string
		kinds         []bool // of epochs 1, 2, ...
		by            []uint64
		atOnce, later []uint64 // of the last
	}{
		{"a joiner", []bool{step, step}, []uint64{2}, nil, []uint64{1}},
		{"a leaver", []bool{step, fresh}, []uint64{2}, []uint64{1}, nil},
		{"a leaver, while a joiner's overlap runs", []bool{step, step, fresh}, []uint64{2, 3}, []uint64{2, 1}, nil},
		{"a joiner after a leaver that was overtaken", []bool{step, fresh, step}, []uint64{3}, []uint64{1}, []uint64{2}},
		{"a leaver overtakes a joiner", []bool{step, step, fresh}, []uint64{3}, []uint64{2, 1}, nil},
		{"nothing new", []bool{step, step}, []uint64{2, 2}, nil, nil},
		{"one that is not used yet", []bool{step, step, fresh}, []uint64{2}, nil, []uint64{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a Ages
			for i, k := range c.kinds {
				a.Add(uint64(i+1), k, time.Now())
			}
			var atOnce, later []uint64
			for _, by := range c.by {
				atOnce, later = a.pass(by)
			}
			if !slices.Equal(atOnce, c.atOnce) || !slices.Equal(later, c.later) {
				t.Errorf("at once %v, later %v; want %v, %v", atOnce, later, c.atOnce, c.later)
			}
		})
	}
	var a Ages
	for n := range uint64(100) {
		a.Add(n+1, step, time.Now())
	}
	if len(a) > MaxEpochs {
		t.Errorf("%d ages are kept", len(a))
	}
}
