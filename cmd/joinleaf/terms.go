package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
)

// terms are what a sender promises of its data, and to whom.
type terms struct {
	Class    parcel.Class
	Latency  time.Duration // of the class deadline
	Wait     bool          // for a leaf that drags the others; otherwise it is served apart
	Replay   int           // bytes kept for leaves that come late
	NoParity bool
}

const (
	defaultLatency = 200 * time.Millisecond
	maxLatency     = 65 * time.Second // what the session's parameters take
	// maxReplay is what a ring is sure to keep beside what is under way, with
	// the packets of an Ethernet.
	maxReplay = 16 << 20
)

// The words of --slow.
const (
	slowWait       = "wait"
	slowQuarantine = "quarantine"
)

// termFlags are the flags that terms are read from.
type termFlags struct{ class, latency, slow, replay, parity string }

func (f *termFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.class, "class", "reliable", "reliable, deadline (repaired in time, or missed) or best-effort (not repaired)")
	fl.StringVar(&f.latency, "latency", "", "of --class deadline: how long what was lost is waited for, 1ms to 65s (default 200ms)")
	fl.StringVar(&f.slow, "slow", "", "what to do about a leaf that drags the others: wait or quarantine; left out, wait for files")
	fl.StringVar(&f.replay, "replay", "", "keep this much, such as 4MB, for leaves that join late with recv --from; at most 16MiB")
	fl.StringVar(&f.parity, "parity", "on", "repair by parity where that is cheaper: on or off")
}

// read checks what can be judged before the input is open; see settle.
func (f *termFlags) read() (t terms, err error) {
	if t.Class, err = parseClass(f.class); err != nil {
		return t, err
	}
	if t.Latency, err = parseLatency(t.Class, f.latency); err != nil {
		return t, err
	}
	switch f.parity {
	case "on", "off":
		t.NoParity = f.parity == "off"
	default:
		return t, usage("--parity %q: it is on or off", f.parity)
	}
	switch {
	case f.slow != "" && f.slow != slowWait && f.slow != slowQuarantine:
		return t, usage("--slow %q is not known; a leaf that drags the others can be waited for (wait) or served apart (quarantine)", f.slow)
	case f.slow == slowWait && t.Class == parcel.BestEffort:
		return t, usage("--slow wait: best effort waits for nobody; choose --class reliable")
	case f.replay != "" && t.Class != parcel.Reliable:
		return t, usage("--replay: only --class reliable keeps what was sent")
	}
	t.Replay, err = parseReplay(f.replay)
	return t, err
}

// settle completes t for what is sent: everybody is to have a whole file,
// however long it takes; what is live is not to stand still for one leaf.
func (f *termFlags) settle(t *terms, kind parcel.Kind) error {
	if kind == parcel.File && t.Class == parcel.Deadline {
		return usage("--class deadline passes over what does not come in time, and a file with a hole is of no use; send it with --class reliable")
	}
	t.Wait = f.slow == slowWait || f.slow == "" && kind == parcel.File
	return nil
}

// slow is the word of --slow for t.
func (t terms) slow() string {
	if t.Wait {
		return slowWait
	}
	return slowQuarantine
}

// slowText says the same in words; best effort waits for nobody anyway.
func (t terms) slowText() string {
	switch {
	case t.Class == parcel.BestEffort:
		return ""
	case t.Wait:
		return "are waited for"
	}
	return "are served apart, and evicted if they do not keep up for a minute"
}

func parseClass(s string) (parcel.Class, error) {
	for c := parcel.Reliable; c <= parcel.Deadline; c++ {
		if s == c.String() {
			return c, nil
		}
	}
	return 0, usage("--class %q is not known; there are reliable, deadline and best-effort", s)
}

func parseLatency(c parcel.Class, s string) (time.Duration, error) {
	switch {
	case s == "" && c == parcel.Deadline:
		return defaultLatency, nil
	case s == "":
		return 0, nil
	case c != parcel.Deadline:
		return 0, usage("--latency %s: only --class deadline has a latency; %s", s, map[parcel.Class]string{
			parcel.Reliable:   "reliable waits for as long as it takes",
			parcel.BestEffort: "best effort waits for nothing",
		}[c])
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, usage("--latency %q is no time; write it as 200ms or 1.5s", s)
	}
	if d < time.Millisecond || d > maxLatency || d%time.Millisecond != 0 {
		return 0, usage("--latency %s: it is from 1ms to 65s, in whole milliseconds", s)
	}
	return d, nil
}

func parseReplay(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, ok := parseAmount(s)
	if !ok {
		return 0, usage("--replay %q is no amount; write it as 4MB, 512KiB or plain bytes", s)
	}
	if n > maxReplay {
		return 0, usage("--replay %s: a session keeps 16MiB at most", s)
	}
	return int(n), nil
}

// from is where a leaf wants the data to begin; the zero from is what is sent
// once it is in.
type from struct {
	Oldest bool   // with all that is kept
	Last   uint64 // with so many messages: datagrams, or pieces of a stream
}

// parseFrom reads --from.
func parseFrom(s string) (from, error) {
	switch n, last := strings.CutPrefix(s, "last="); {
	case s == "now":
		return from{}, nil
	case s == "oldest":
		return from{Oldest: true}, nil
	case last:
		if n, err := strconv.ParseUint(n, 10, 64); err == nil && n > 0 && n <= math.MaxInt64 {
			return from{Last: n}, nil
		}
	}
	return from{}, usage("--from %q is not known; there are now, oldest and last=N", s)
}
