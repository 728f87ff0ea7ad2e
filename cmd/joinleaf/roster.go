package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/load"
	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
	"github.com/joinleaf/joinleaf/transport"
)

// roster is who came, who is there, and what each said in the end.
type roster struct {
	c       *console
	history bool // late leaves may have what was sent before
	// other takes what a leaf says that is no result, under the lock; nil: nobody does.
	other func(e *entry, said []byte)

	mu      sync.Mutex
	entries []*entry
	started bool          // who joins from now on is late, and not counted
	changed chan struct{} // closed, and replaced, at every change
}

// entry is one leaf.
type entry struct {
	m       memberSession
	counted bool // the exit code depends on it
	gone    bool
	why     error // why it is gone
	result  *parcel.Result
	report  *load.Report // of bench
}

func newRoster(c *console) *roster { return &roster{c: c, changed: make(chan struct{})} }

// update changes the roster under its lock and wakes who waits for it.
func (r *roster) update(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns when done says so, or with ctx's cause.
func (r *roster) wait(ctx context.Context, done func() bool) error {
	for {
		r.mu.Lock()
		ok, changed := done(), r.changed
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// present counts who is there. The caller holds mu, as in every condition that
// wait takes.
func (r *roster) present() int {
	n := 0
	for _, e := range r.entries {
		if !e.gone {
			n++
		}
	}
	return n
}

// settled tells that every leaf that is counted has said its last word or is gone.
func (r *roster) settled() bool {
	return !slices.ContainsFunc(r.entries, func(e *entry) bool { return e.counted && !e.gone && e.result == nil })
}

// start draws the line: who is there is counted. It returns how many.
func (r *roster) start() (n int) {
	r.update(func() {
		r.started = true
		for _, e := range r.entries {
			e.counted = !e.gone
			if e.counted {
				n++
			}
		}
	})
	return n
}

// add takes a leaf in and listens to its side chat until it is gone.
func (r *roster) add(m memberSession, listening *sync.WaitGroup) {
	e := &entry{m: m}
	late := false
	r.update(func() { r.entries = append(r.entries, e); late = r.started })
	r.c.say(leafJoined{m.ID(), m.Addr().String(), late, r.history})
	listening.Go(func() { r.listen(e) })
}

// addr is where the leaf of that id is; empty: it is not in yet.
func (r *roster) addr(id uint32) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e.m.ID() == id {
			return e.m.Addr().String()
		}
	}
	return ""
}

// maxChat is the longest message of a side chat.
const maxChat = 1 << 16

// listen ends when the leaf is gone or the session closed.
func (r *roster) listen(e *entry) {
	p := make([]byte, maxChat)
	for {
		n, err := e.m.Hear(context.Background(), p)
		if err != nil {
			why := e.m.Err()
			r.update(func() { e.gone, e.why = true, why })
			r.c.say(leafLeft{e.m.ID(), e.m.Addr().String(), words(why), e.result != nil || e.report != nil})
			return
		}
		if res, err := parcel.ParseResult(p[:n]); err == nil {
			r.update(func() { e.result = &res })
			r.c.say(leafResult{e.m.ID(), e.m.Addr().String(), res.Verdict.String(), res.Text})
		} else if r.other != nil {
			r.update(func() { r.other(e, p[:n]) })
		}
	}
}

// words says why a leaf is gone.
func words(err error) string {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return "left"
	case timedOut(err):
		return "went silent"
	}
	if e, ok := errors.AsType[*transport.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

type leafJoined struct {
	Leaf    uint32 `json:"leaf"`
	Addr    string `json:"address"`
	Late    bool   `json:"late"`
	history bool
}

func (leafJoined) name() string { return "joined" }
func (l leafJoined) String() string {
	s := fmt.Sprintf("leaf %d joined from %s", l.Leaf, l.Addr)
	switch {
	case l.Late && l.history:
		s += ", late: it gets what it asked for, as far as that is kept"
	case l.Late:
		s += ", late: it gets what is sent from now on"
	}
	return s
}

type leafLeft struct {
	Leaf uint32 `json:"leaf"`
	Addr string `json:"address"`
	Why  string `json:"why"`
	said bool   // it has told what it has, which says more
}

func (leafLeft) name() string { return "left" }
func (l leafLeft) String() string {
	if l.said {
		return ""
	}
	return fmt.Sprintf("leaf %d (%s) is gone: %s", l.Leaf, l.Addr, l.Why)
}

type leafResult struct {
	Leaf   uint32 `json:"leaf"`
	Addr   string `json:"address"`
	Result string `json:"result"`
	Text   string `json:"text,omitempty"`
}

func (leafResult) name() string { return "result" }
func (l leafResult) String() string {
	s := fmt.Sprintf("leaf %d (%s): %s", l.Leaf, l.Addr, l.Result)
	if l.Text != "" {
		s += ": " + l.Text
	}
	return s
}

// outcome is one line of the end report.
type outcome struct {
	Leaf    uint32 `json:"leaf"`
	Addr    string `json:"address"`
	Counted bool   `json:"counted"`
	Result  string `json:"result"`
	OK      bool   `json:"ok"`
	Bytes   uint64 `json:"bytes"`
	Missing uint64 `json:"missing"`
	Repairs uint64 `json:"repairs"`
	Text    string `json:"text,omitempty"`
}

// outcomes tells what each leaf has in the end.
func (r *roster) outcomes(kind parcel.Kind) []outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []outcome{}
	for _, e := range r.entries {
		o := outcome{Leaf: e.m.ID(), Addr: e.m.Addr().String(), Counted: e.counted, Result: "unknown"}
		switch {
		case e.result != nil:
			v := e.result.Verdict
			o.Result, o.Bytes, o.Missing, o.Repairs, o.Text = v.String(), e.result.Got, e.result.Missing, e.result.Repairs, e.result.Text
			// A viewer that leaves a relay in good order has lost nothing.
			o.OK = v == parcel.Complete || v == parcel.Left && kind == parcel.Datagrams && o.Missing == 0
		case e.gone:
			o.Result, o.Text = "gone", words(e.why)
		}
		all = append(all, o)
	}
	return all
}

// finished is the end report: who has it all, and what the others lack.
type finished struct {
	OK    bool   `json:"ok"`
	How   string `json:"how"`
	Total uint64 `json:"total"`
	Sum   string `json:"sha256"`
	service
	Leaves []outcome `json:"leaves"`
}

func (finished) name() string { return "done" }

func (f finished) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "leaf\taddress\tresult\tbytes\trepairs\tmissing\t")
	for _, o := range f.Leaves {
		text := o.Text
		if !o.Counted {
			text = strings.TrimSuffix("not counted; "+text, "; ")
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%d\t%s\n", o.Leaf, o.Addr, o.Result, o.Bytes, o.Repairs, o.Missing, text)
	}
	w.Flush()
	return strings.TrimRight(trimLines(b.String()), "\n")
}

// trimLines takes the blanks off the lines' ends that alignment left there.
func trimLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
