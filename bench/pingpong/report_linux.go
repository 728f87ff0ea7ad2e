package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// The bounds, in plain's times.
const (
	bound50 = 1.3
	bound99 = 1.5
)

// row is a way at a rate.
type row struct {
	Way  way
	Rate float64
	Runs []times // by round
	Sum  summary
}

// summary is a row's rounds in medians; the ratios are to plain in the same round.
type summary struct {
	times
	Ratio50, Ratio99, Ratio999 float64
	Failures                   int
	// Behind is the peers that were not slower, by p50 or p99, of a row that is to be
	// before all of them.
	Behind []string `json:",omitempty"`
	Held   bool
}

// report is what the JSON holds.
type report struct {
	Machine  stage.Machine
	Settings settings
	Peers    []peer
	Rows     []row
}

// ways is what each rate is measured with; plain is the first.
func (r *report) ways() []way {
	all := slices.Clone(ours)
	for _, p := range r.Peers {
		if p.Missing == "" {
			all = append(all, way{Name: p.Name, Peer: true})
		}
	}
	return all
}

// rows are all ways at the first rate, then at the next.
func (s settings) rows(ways []way) (all []row) {
	for _, rate := range s.Rates.List {
		for _, way := range ways {
			all = append(all, row{Way: way, Rate: rate})
		}
	}
	return all
}

func (w *row) summarize(base []times) {
	var done, beside []times
	for i, x := range w.Runs {
		if x.Failed == "" {
			done, beside = append(done, x), append(beside, base[i])
		}
	}
	median := func(f func(times) float64) float64 { return stage.Medians(done, f) }
	ratio := func(f func(times) float64) float64 {
		var all []float64
		for i, x := range done {
			all = append(all, f(x)/f(beside[i]))
		}
		return stage.Median(all)
	}
	p50, p99, p999 := func(x times) float64 { return x.P50 }, func(x times) float64 { return x.P99 }, func(x times) float64 { return x.P999 }
	s := summary{Ratio50: ratio(p50), Ratio99: ratio(p99), Ratio999: ratio(p999)}
	s.P50, s.P99, s.P999 = median(p50), median(p99), median(p999)
	s.Most = median(func(x times) float64 { return x.Most })
	s.Rate, s.CPU = median(func(x times) float64 { return x.Rate }), median(func(x times) float64 { return x.CPU })
	for _, x := range done {
		s.Samples, s.Late, s.Lost = s.Samples+x.Samples, s.Late+x.Late, s.Lost+x.Lost
	}
	s.Failures = len(w.Runs) - len(done)
	s.Held = len(done) > 0 && s.Ratio50 <= bound50 && s.Ratio99 <= bound99
	w.Sum = s
}

// summarize compares each row with plain at its rate, and reliable with the peers.
func (r *report) summarize() {
	n := len(r.ways())
	for i := range r.Rows {
		r.Rows[i].summarize(r.Rows[i/n*n].Runs)
	}
	for i := range r.Rows {
		w := &r.Rows[i]
		if w.Way.Class != flow.Reliable || w.Way.Peer || w.Way.Name == plain {
			continue
		}
		for _, p := range r.Rows[i/n*n : i/n*n+n] {
			if p.Way.Peer && p.Sum.P50 > 0 && (w.Sum.P50 >= p.Sum.P50 || w.Sum.P99 >= p.Sum.P99) {
				w.Sum.Behind = append(w.Sum.Behind, p.Way.Name)
			}
		}
	}
}

// broken names the rows whose bounds do not hold.
func (r *report) broken() (names []string) {
	for _, w := range r.Rows {
		if w.Sum.Failures > 0 && !w.Way.Peer {
			names = append(names, fmt.Sprintf("%s at %.0f a second: %d of %d runs failed", w.Way.Name, w.Rate, w.Sum.Failures, len(w.Runs)))
		}
		if w.Way.Judged && len(w.Sum.Behind) > 0 {
			names = append(names, fmt.Sprintf("%s at %.0f a second: not below %s", w.Way.Name, w.Rate, strings.Join(w.Sum.Behind, ", ")))
		}
		if w.Way.Judged && !w.Sum.Held {
			names = append(names, fmt.Sprintf("%s at %.0f a second: p50 %.2f, p99 %.2f times plain's", w.Way.Name, w.Rate, w.Sum.Ratio50, w.Sum.Ratio99))
		}
	}
	return names
}

// write makes the files and shows the table.
func (r *report) write(table io.Writer) error {
	r.summarize()
	return stage.Publish(table, r.Settings.out, "pingpong", r, r.table(), stage.Picture{Name: "pingpong", SVG: r.picture().SVG()})
}

func (r *report) table() []byte {
	var b bytes.Buffer
	s := r.Settings
	fmt.Fprintf(&b, "Round trips of %d B, root to group and leaf to root, one at a time, for %v; microseconds, medians of %d interleaved rounds.\n", s.Size, s.For, s.Rounds)
	fmt.Fprintf(&b, `The others: a rooted session, AES-256-GCM, defaults; polling: with BusyPoll at both ends. x plain: median of the ratios within the rounds; bounds %.1f of p50 and %.1f of p99.
Not below: reliable peers whose p50 or p99 is not higher, which a reliable row is to be below. In brackets: not judged by -check. Signed, the default, is signed every 0.25 ms at most.
Late: times to ping that passed while an answer was out; lost: no answer in %v; of all rounds. CPU: the root's, of one processor.
%s, GOMAXPROCS %d.
`, bound50, bound99, patience, r.Machine, runtime.GOMAXPROCS(0))
	for _, p := range r.Peers {
		if p.Missing == "" {
			fmt.Fprintf(&b, "  %s %s: %s; no encryption.\n", p.Name, p.Version, p.About)
		} else {
			fmt.Fprintf(&b, "  %s: left out, %s.\n", p.Name, p.Missing)
		}
	}
	b.WriteString("  udpcast and uftp: left out, they move files and have no messages to answer.\n\n")
	fmt.Fprintf(&b, "%8s %-18s %8s %8s %8s %8s  %17s %6s %9s %7s %5s %5s\n", "rate", "", "p50", "p99", "p99.9", "most", "x plain 50/99/99.9", "holds", "reached", "late", "lost", "CPU  not below")
	for _, w := range r.Rows {
		x, ratios, holds := w.Sum, "", ""
		if w.Way.Name != plain {
			ratios, holds = fmt.Sprintf("%.2f %.2f %.2f", x.Ratio50, x.Ratio99, x.Ratio999), "yes"
			if !x.Held {
				holds = "NO"
			}
			if !w.Way.Judged {
				holds = "(" + holds + ")"
			}
			if w.Way.Peer {
				holds = ""
			}
		}
		fmt.Fprintf(&b, "%8.0f %-18s %8.1f %8.1f %8.1f %8.0f  %17s %6s %9.0f %7d %5d %5.2f  %s\n", w.Rate, w.Way.Name, x.P50, x.P99, x.P999, x.Most, ratios, holds, x.Rate, x.Late, x.Lost, x.CPU, strings.Join(x.Behind, " "))
		if x.Failures > 0 {
			fmt.Fprintf(&b, "%8s %d of %d runs failed\n", "", x.Failures, len(w.Runs))
		}
	}
	return b.Bytes()
}
