package stage

import (
	"encoding/json"
	"testing"
)

func TestMedian_IsAFigureThatWasMeasured(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{4}, 4}, {[]float64{9, 1}, 1}, {[]float64{5, 1, 3}, 3}, {[]float64{4, 1, 3, 2}, 2}} {
		if got := Median(c.v); got != c.want {
			t.Errorf("median of %v is %v, not %v", c.v, got, c.want)
		}
	}
	v := []float64{3, 1, 2}
	Median(v)
	if v[0] != 3 {
		t.Error("Median sorted its caller's slice")
	}
}

func TestNumbers_ReadsAListAndRefusesWhatCannotBe(t *testing.T) {
	n := Numbers{Least: 0, Most: 90}
	if err := n.Set("0, 0.1,5,5"); err != nil || n.String() != "0,0.1,5" {
		t.Fatal(n.String(), err)
	}
	b, err := json.Marshal(struct{ Loss Numbers }{n})
	if err != nil || string(b) != `{"Loss":[0,0.1,5]}` {
		t.Fatal(string(b), err)
	}
	whole := Numbers{Least: 1, Most: 64, Whole: true}
	for _, bad := range []string{"", "x", "1,", "91", "-1", "NaN"} {
		if n.Set(bad) == nil {
			t.Errorf("%q was taken as a loss", bad)
		}
	}
	for _, bad := range []string{"0", "1.5", "65"} {
		if whole.Set(bad) == nil {
			t.Errorf("%q was taken as a number of leaves", bad)
		}
	}
}

func TestSize_ReadsUnitsAndWritesThem(t *testing.T) {
	for text, want := range map[string]struct {
		bytes Size
		back  string
	}{
		"200MB": {200e6, "200 MB"}, "2 GB": {2e9, "2 GB"}, "64KiB": {65536, "65536 B"}, "1500": {1500, "1500 B"}, "3kB": {3000, "3 kB"}, "7B": {7, "7 B"},
	} {
		var s Size
		if err := s.Set(text); err != nil || s != want.bytes || s.String() != want.back {
			t.Errorf("%q became %d, %q, %v", text, s, s.String(), err)
		}
	}
	for _, bad := range []string{"", "MB", "-1MB", "0", "2 TB", "9999999GB"} {
		if new(Size).Set(bad) == nil {
			t.Errorf("%q was taken as a size", bad)
		}
	}
}
