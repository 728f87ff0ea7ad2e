package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/load"
)

// benchOpened is the start-up block of the root.
type benchOpened struct {
	facts facts
	f     *benchFlags
	head  load.Head
	rate  int64
}

func (benchOpened) name() string { return "opened" }

func (o benchOpened) MarshalJSON() ([]byte, error) {
	return o.facts.json(map[string]any{
		"size": o.head.Size, "class": o.f.class, "source_level": o.f.source, "rate": o.rate, "most": o.f.most,
		"time_s": o.f.time.Seconds(), "pings": o.f.pings, "command": o.other(),
	})
}

// other is the line for the other side; alone there is none.
func (o benchOpened) other() string {
	if o.f.listen == "" {
		return ""
	}
	code := o.f.codeFile
	if code == "" {
		code = "FILE"
	}
	words := []string{"joinleaf bench recv", o.facts.Control.String(), "--code-file", quote(code)}
	if o.f.source != sourceSigned.String() {
		words = append(words, "--source", o.f.source)
	}
	if o.facts.Control.Addr().IsLoopback() {
		words = append(words, "--iface", quote(o.facts.Interface))
	}
	return strings.Join(words, " ")
}

func (o benchOpened) String() string {
	rate := "no limit to the rate"
	if o.rate > 0 {
		rate = fmt.Sprintf("at most %s/s on the wire", size(o.rate))
	}
	text := o.facts.block([2]string{"sends", fmt.Sprintf("messages of %s (%s, source %s) for %v, %s in all at most, %s; then %s",
		size(uint64(o.head.Size)), o.f.class, o.f.source, o.f.time, o.f.most, rate, count(o.f.pings, "ping", "pings"))})
	if other := o.other(); other != "" {
		text += "\n  other side  " + other
	}
	return text
}

// benchJoined is the start-up block of a leaf.
type benchJoined struct {
	facts facts
	root  netip.AddrPort
	head  load.Head
	id    uint32
}

func (benchJoined) name() string { return "joined" }

func (j benchJoined) MarshalJSON() ([]byte, error) {
	return j.facts.json(map[string]any{"root": j.root, "leaf": j.id, "size": j.head.Size, "reliable": j.head.Reliable})
}

func (j benchJoined) String() string {
	j.facts.Control = j.root
	return j.facts.block([2]string{"takes", fmt.Sprintf("messages of %s, and answers pings", size(uint64(j.head.Size)))})
}

// benchFigures are one stretch of load.
type benchFigures struct {
	Messages       uint64  `json:"messages"`
	Bytes          uint64  `json:"bytes"`
	Missed         uint64  `json:"missed"`
	Seconds        float64 `json:"seconds"`
	MessagesSecond float64 `json:"messages_per_second"`
	BytesSecond    float64 `json:"bytes_per_second"`
}

// figuresOf is a leaf's: time runs from its first message, so that does not
// count in the rates.
func figuresOf(r load.Report) benchFigures {
	f := benchFigures{Messages: r.Messages, Bytes: r.Bytes, Missed: r.Missed, Seconds: float64(r.Nanos) / 1e9}
	if f.Seconds > 0 && r.Messages > 1 {
		share := float64(r.Messages-1) / float64(r.Messages)
		f.MessagesSecond, f.BytesSecond = share*float64(r.Messages)/f.Seconds, share*float64(r.Bytes)/f.Seconds
	}
	return f
}

func (f benchFigures) String() string {
	return fmt.Sprintf("%s msgs/s ~ %s/s", thousands(uint64(f.MessagesSecond+0.5)), size(f.BytesSecond))
}

// benchResult is the root's side of it.
type benchResult struct {
	Messages, Bytes, Repairs uint64
	Seconds                  float64
}

// benchSent is the root's line.
type benchSent struct {
	benchFigures
	Leaves  int    `json:"leaves"`
	Repairs uint64 `json:"repairs"`
}

func (benchSent) name() string { return "sent" }

func (s benchSent) String() string {
	return fmt.Sprintf("sent    %v (%s of %s in %.2f s to %s, %s)", s.benchFigures,
		count(s.Messages, "message", "messages"), size(s.Bytes/max(1, s.Messages)), s.Seconds, count(s.Leaves, "leaf", "leaves"), count(s.Repairs, "repair", "repairs"))
}

// benchLeafResult is a leaf's line, at the root or its own.
type benchLeafResult struct {
	Leaf     uint32 `json:"leaf"`
	Addr     string `json:"address,omitempty"`
	Reported bool   `json:"reported"`
	benchFigures
	Trips *benchTrips `json:"round_trip,omitempty"` // at the root
	own   bool
}

func (benchLeafResult) name() string { return "leaf" }

func (l benchLeafResult) String() string {
	who := fmt.Sprintf("leaf %-2d %v", l.Leaf, l.benchFigures)
	if !l.own && !l.Reported {
		who = fmt.Sprintf("leaf %-2d no report", l.Leaf)
	}
	who += fmt.Sprintf(" (%s, %d missed)", count(l.Messages, "message", "messages"), l.Missed)
	if l.Trips != nil {
		who += ", " + l.Trips.String()
	}
	if l.Addr != "" {
		who += ", " + l.Addr
	}
	return who
}

// benchTrips are percentiles of round trips, in microseconds.
type benchTrips struct {
	Count int     `json:"count"`
	Lost  int     `json:"lost"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	Most  float64 `json:"max_us"`
}

// tripsOf takes the least time that so many of a hundred are not above; nil:
// there was no ping.
func tripsOf(times []time.Duration, pings int) *benchTrips {
	if pings == 0 {
		return nil
	}
	t := &benchTrips{Count: len(times), Lost: pings - len(times)}
	if len(times) == 0 {
		return t
	}
	times = slices.Sorted(slices.Values(times))
	at := func(percent int) float64 {
		return float64(times[max(1, (len(times)*percent+99)/100)-1]) / 1e3
	}
	t.P50, t.P90, t.P99, t.Most = at(50), at(90), at(99), at(100)
	return t
}

func (t *benchTrips) String() string {
	if t.Count == 0 {
		return fmt.Sprintf("no answer to %s", count(t.Lost, "ping", "pings"))
	}
	return fmt.Sprintf("round trip p50 %s p90 %s p99 %s max %s (%s, %d lost)", micros(t.P50), micros(t.P90), micros(t.P99), micros(t.Most), count(t.Count, "ping", "pings"), t.Lost)
}

func micros(us float64) string {
	return time.Duration(us * 1e3).Round(time.Microsecond).String()
}

// thousands writes 1234567 as 1,234,567.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// verdict reports, and gives the exit code its reason.
func (b *bench) verdict(r benchResult) error {
	b.roster.mu.Lock()
	var all []benchLeafResult
	for _, e := range b.roster.entries {
		if !e.counted {
			continue
		}
		l := benchLeafResult{Leaf: e.m.ID(), Addr: e.m.Addr().String(), Trips: tripsOf(b.trips.of(e.m.ID()), b.f.pings)}
		if e.report != nil {
			l.Reported, l.benchFigures = true, figuresOf(*e.report)
		}
		all = append(all, l)
	}
	b.roster.mu.Unlock()
	sent := benchSent{Leaves: len(all), Repairs: r.Repairs, benchFigures: benchFigures{Messages: r.Messages, Bytes: r.Bytes, Seconds: r.Seconds}}
	if r.Seconds > 0 {
		sent.MessagesSecond, sent.BytesSecond = float64(r.Messages)/r.Seconds, float64(r.Bytes)/r.Seconds
	}
	b.c.report(sent)
	silent, short := 0, 0
	for _, l := range all {
		b.c.report(l)
		switch {
		case !l.Reported:
			silent++
		case b.head.Reliable && l.Missed > 0:
			short++
		}
	}
	switch {
	case silent > 0:
		return failed(exitLost, "%s did not report", count(silent, "leaf", "leaves"))
	case short > 0:
		return failed(exitLost, "%s of a reliable stream miss messages", count(short, "leaf", "leaves"))
	}
	return nil
}
