package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
)

// report is what the JSON holds.
type report struct {
	Machine  stage.Machine
	Settings settings
	Pairs    []pair
}

// broken names the pairs whose bound does not hold.
func (r *report) broken() (names []string) {
	for _, p := range r.Pairs {
		if !p.Sum.Held {
			names = append(names, p.Name)
		}
	}
	return names
}

// write makes the files and shows the table.
func (r *report) write(table io.Writer) error {
	for i := range r.Pairs {
		r.Pairs[i].summarize()
	}
	return stage.Publish(table, r.Settings.out, "pairs", r, r.table())
}

func (r *report) table() []byte {
	var b bytes.Buffer
	s := r.Settings
	fmt.Fprintf(&b, "%s to each leaf (%s where one is bad) in messages of %d B; one reliable stream, AES-256-GCM, defaults; medians of %d interleaved rounds.\n", &s.Size, &s.Long, s.Message, s.Rounds)
	fmt.Fprintf(&b, "Goodput: slowest leaf that is compared, first to last byte, every byte checked. Packets are lost one by one.\n%s.\n\n", r.Machine)
	fmt.Fprintf(&b, "%-37s %20s %20s %20s %7s %9s %5s\n", "", "base MB/s", "changed MB/s", "changed/base", "bound", "complete", "holds")
	for _, p := range r.Pairs {
		bound, holds := "-", "yes"
		if p.Bound > 0 {
			bound = fmt.Sprintf(">=%.2f", p.Bound)
		}
		if !p.Sum.Held {
			holds = "NO"
		}
		fmt.Fprintf(&b, "%-37s %20s %20s %20s %7s %9s %5s\n", p.Name, p.Sum.Base.text(1e6, 1), p.Sum.Changed.text(1e6, 1), p.Sum.Ratio.text(1, 3),
			bound, fmt.Sprintf("%d,%d/%d", p.Sum.CompleteBase, p.Sum.Completed, len(p.Trials)), holds)
	}
	for _, p := range r.Pairs {
		p.bad(&b)
		p.failures(&b)
	}
	return b.Bytes()
}

// text is the median and the range.
func (s spread) text(unit float64, digits int) string {
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s.Median/unit, digits, s.Low/unit, digits, s.High/unit)
}

// bad tells what became of the leaf that may miss something.
func (p *pair) bad(b *bytes.Buffer) {
	n := p.Changed.MayMiss
	if n == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s: what became of it, of %d messages\n%6s %9s %9s %8s %9s  %s\n", p.Name, p.Changed.Messages(), "round", "got", "missed", "lost %", "MB/s", "standing")
	for _, t := range p.Trials {
		r := t.Changed.Result
		if r.Failed != "" {
			fmt.Fprintf(b, "%6d the run failed\n", t.Round)
			continue
		}
		g, lost := r.Got[n-1], r.Lost[n-1]
		fmt.Fprintf(b, "%6d %9d %9d %8.1f %9.1f  %s\n", t.Round, g.Messages, g.Missed, 100*float64(lost)/float64(max(1, lost+g.Heard)), g.Goodput()/1e6, standing(r, g))
	}
}

// standing is a leaf's history, in words.
func standing(r bulk.Result, g bulk.Got) string {
	var words []string
	for _, x := range r.Sent.Standings {
		if x.Member == g.Member {
			words = append(words, fmt.Sprintf("%s at %.2f s (%s)", x.What, x.Seconds, x.Why))
		}
	}
	if len(words) == 0 {
		words = []string{"waited for like the others"}
	}
	if g.Ended != "" {
		words = append(words, g.Ended)
	}
	return strings.Join(append(words, fmt.Sprintf("the others had all at %.2f s", r.Sent.Seconds)), ", ")
}

// failures tells why runs are not complete.
func (p *pair) failures(b *bytes.Buffer) {
	for _, t := range p.Trials {
		for i, r := range []bulk.Result{t.Base.Result, t.Changed.Result} {
			if r.Failed != "" {
				fmt.Fprintf(b, "\n%s, round %d, %s: %s\n", p.Name, t.Round, sides[i], r.Failed)
			}
		}
	}
}
