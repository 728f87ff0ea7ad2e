package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tool is benchstat, of this version whatever else is installed.
const tool = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

// benchstat compares two files of results and gives its table of sec/op.
func benchstat(base, here string) (string, error) {
	cmd := exec.Command("go", "run", tool, "-alpha", alpha, "-format", "csv", "-filter", ".unit:sec/op", "base="+base, "here="+here)
	out, err := cmd.Output()
	if err != nil {
		said := ""
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			said = string(e.Stderr)
		}
		return "", fmt.Errorf("go run %s: %w: %s; it is fetched once from the module proxy", tool, err, strings.TrimSpace(said))
	}
	return string(out), nil
}

// verdict is benchstat's word on one benchmark.
type verdict struct {
	Name          string
	Before, After time.Duration
	Change        float64 // of the median, 0.1 is 10 % slower; 0: none that is proven
	Proven        bool    // p is below alpha
}

func (v verdict) bad() bool { return v.Proven && v.Change > worse }

func (v verdict) word() string {
	if !v.Proven {
		return "~"
	}
	return fmt.Sprintf("%+.1f %%", 100*v.Change)
}

// read takes the rows of benchstat's CSV:
//
//	,base,,here,,,
//	,sec/op,CI,sec/op,CI,vs base,P
//	Seal-2,1.2e-06,1%,1.8e-06,2%,+50.00%,p=0.000 n=10
//
// "~" is no change that is proven. Packages follow each other, each with a head of
// its own and a geomean at its end.
func read(text string) (all []verdict, err error) {
	in := csv.NewReader(strings.NewReader(text))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("benchstat's table: %w", err)
	}
	for _, f := range rows {
		if len(f) < 7 || f[0] == "" || f[0] == "geomean" || f[1] == "" || f[3] == "" {
			continue
		}
		before, err1 := strconv.ParseFloat(f[1], 64)
		after, err2 := strconv.ParseFloat(f[3], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("benchstat's table: %q: %w", f[0], err)
		}
		v := verdict{Name: f[0], Before: seconds(before), After: seconds(after)}
		if change, ok := strings.CutSuffix(f[5], "%"); ok {
			percent, err := strconv.ParseFloat(change, 64)
			if err != nil {
				return nil, fmt.Errorf("benchstat's table: %q: %w", f[0], err)
			}
			v.Change, v.Proven = percent/100, true
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("benchstat compared nothing:\n%s", text)
	}
	return all, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// both are those that are in the second list too, with its figures.
func both(first, second []verdict) (all []verdict) {
	for _, v := range second {
		if slices.ContainsFunc(first, func(w verdict) bool { return w.Name == v.Name }) {
			all = append(all, v)
		}
	}
	return all
}
