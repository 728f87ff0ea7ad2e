package stage

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Median of figures; the lower one of the middle two. 0 where there is none.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[(len(v)-1)/2]
}

// Medians takes one figure of each run.
func Medians[R any](runs []R, figure func(R) float64) float64 {
	v := make([]float64, 0, len(runs))
	for _, r := range runs {
		v = append(v, figure(r))
	}
	return Median(v)
}

// Numbers is a flag: a list of numbers with commas between, all in a range.
type Numbers struct {
	List        []float64
	Least, Most float64
	Whole       bool
}

// String is how the list is written.
func (n *Numbers) String() string {
	words := make([]string, len(n.List))
	for i, v := range n.List {
		words[i] = strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strings.Join(words, ",")
}

// Set reads a list.
func (n *Numbers) Set(s string) error {
	var list []float64
	for word := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
		if err != nil {
			return fmt.Errorf("%q is no number", word)
		}
		if !(v >= n.Least && v <= n.Most) || n.Whole && v != float64(int(v)) {
			return fmt.Errorf("%v is not possible here; from %v to %v", v, n.Least, n.Most)
		}
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	n.List = list
	return nil
}

// MarshalJSON is the list alone.
func (n Numbers) MarshalJSON() ([]byte, error) { return json.Marshal(n.List) }

// Ints is the list as whole numbers.
func (n *Numbers) Ints() []int {
	list := make([]int, len(n.List))
	for i, v := range n.List {
		list[i] = int(v)
	}
	return list
}

// Size is a flag: a number of bytes, with kB, MB or GB (thousands), KiB, MiB
// or GiB (1,024s), or without a unit.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// String is the size in the largest unit that leaves no fraction.
func (s *Size) String() string {
	for _, name := range []string{"GB", "MB", "kB"} {
		for _, u := range units {
			if u.name == name && int64(*s) >= u.bytes && int64(*s)%u.bytes == 0 {
				return fmt.Sprintf("%d %s", int64(*s)/u.bytes, name)
			}
		}
	}
	return fmt.Sprintf("%d B", int64(*s))
}

// Set reads a size.
func (s *Size) Set(v string) error {
	for _, u := range units {
		if digits, ok := strings.CutSuffix(v, u.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if err != nil || n <= 0 || n > (1<<40)/u.bytes {
				return fmt.Errorf("%q is no size such as 200MB", v)
			}
			*s = Size(n * u.bytes)
			return nil
		}
	}
	return fmt.Errorf("%q is no size such as 200MB", v)
}
