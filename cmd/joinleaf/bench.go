package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/load"
	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
)

// What bench never sends more of, unless it is told otherwise (F-28): it is for
// networks that people work on.
const (
	benchRate  = "50Mbit/s"
	benchMost  = "100MB"
	benchTime  = 5 * time.Second
	benchPings = 100
	benchSize  = "1024"

	// What it never sends more of, whatever it is told.
	longestBench  = time.Minute
	mostPings     = 10_000
	largestLoad   = 64 << 10
	noLimit       = "none"
	mostAtHome    = "2GB" // on loopback, where no network is loaded
	timeAtHome    = 3 * time.Second
	pingInterval  = 10 * time.Millisecond
	pingPatience  = 200 * time.Millisecond
	tallyPatience = 10 * time.Second // for the leaves' reports
)

// benchFlags are what the user typed.
type benchFlags struct {
	group, listen, iface, codeFile string
	size, rate, most               string
	class, source                  string
	time, maxWait                  time.Duration
	pings, waitFor, leaves         int
	json                           bool
}

const benchLong = `Bench measures what a session carries: messages and bytes a second at every leaf,
and the time from the sender to each leaf and back, as percentiles.

Without a subcommand it runs a root and its leaves in one process on the loopback
interface: nothing leaves this machine. joinleaf bench send and joinleaf bench
recv do the same between machines, with a join code, like send and recv.

It is bounded in rate (bytes a second on the wire, repairs included), in amount
and in time, and its packets never pass a router.

Exit codes: 0 done, 1 usage, 2 refused or timed out, 3 a leaf misses messages
that should have come, or has not reported, 130 interrupted.`

func benchCommand(c *console, open opener) *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench [send | recv ROOT:PORT]",
		Short: "Measure what a session carries, on this machine or between several",
		Long:  benchLong,
		Example: `  joinleaf bench
  joinleaf bench send --wait-for 2 --code-file code --rate 200Mbit/s
  joinleaf bench recv 10.0.0.5:7654 --code-file code`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.json = f.json
			b, err := newBench(cmd.Context(), c, open, f)
			if err != nil {
				return err
			}
			return b.alone(cmd.Context())
		},
	}
	f.addLoad(cmd, noLimit, mostAtHome, timeAtHome)
	cmd.Flags().IntVar(&f.leaves, "leaves", 1, "how many leaves, 1 to 8")
	cmd.AddCommand(benchSendCommand(c, open), benchRecvCommand(c, open))
	return cmd
}

func benchSendCommand(c *console, open opener) *cobra.Command {
	f := &benchFlags{leaves: 1}
	cmd := &cobra.Command{
		Use:   "send [flags]",
		Short: "Send the load, and ask the leaves what came",
		Long:  benchLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.json = f.json
			b, err := newBench(cmd.Context(), c, open, f)
			if err != nil {
				return err
			}
			return b.send(cmd.Context())
		},
	}
	f.addLoad(cmd, benchRate, benchMost, benchTime)
	fl := cmd.Flags()
	fl.StringVar(&f.group, "group", "", "multicast group [SRC@]GROUP:PORT; left out, one of 239.192.0.0/14 is drawn")
	fl.StringVar(&f.listen, "listen", fmt.Sprintf(":%d", controlPort), "where leaves knock: HOST:PORT (TCP)")
	fl.StringVar(&f.iface, "iface", "auto", "interface: name, index, address or auto")
	fl.StringVar(&f.codeFile, "code-file", "", "file with the join code; created if missing")
	fl.IntVar(&f.waitFor, "wait-for", 1, "start when this many leaves have joined")
	fl.DurationVar(&f.maxWait, "max-wait", 0, "start with those present after this time; 0 waits for as long as it takes")
	return cmd
}

// addLoad adds the flags of what is sent.
func (f *benchFlags) addLoad(cmd *cobra.Command, rate, most string, length time.Duration) {
	fl := cmd.Flags()
	fl.StringVar(&f.size, "size", benchSize, fmt.Sprintf("bytes of a message, %d to 64KiB", load.MarkSize))
	fl.StringVar(&f.rate, "rate", rate, "at most this much on the wire, such as 200Mbit/s, or none")
	fl.StringVar(&f.most, "most", most, "at most this much in messages")
	fl.DurationVar(&f.time, "time", length, "how long to send, at most 1m")
	fl.IntVar(&f.pings, "pings", benchPings, fmt.Sprintf("round trips to measure afterwards, 0 to %d", mostPings))
	fl.StringVar(&f.class, "class", "reliable", "reliable or best-effort (not repaired)")
	sourceFlag(cmd, &f.source, "how leaves know that data is from the root; signed data waits up to 5ms for company, which round trips show")
	fl.BoolVar(&f.json, "json", false, "lines of JSON in place of text")
}

// bench is one run of bench, at the root.
type bench struct {
	c    *console
	open opener
	f    *benchFlags
	plan plan
	head load.Head
	most uint64 // bytes of messages

	root   rootSession
	roster *roster
	trips  *trips
}

// newBench checks what was typed, and touches no network.
func newBench(ctx context.Context, c *console, open opener, f *benchFlags) (*bench, error) {
	b := &bench{c: c, open: open, f: f, roster: newRoster(c), trips: newTrips()}
	n, ok := parseAmount(f.size)
	switch {
	case !ok || n < load.MarkSize || n > largestLoad:
		return nil, usage("--size %q: a message has %d bytes to 64KiB", f.size, load.MarkSize)
	case f.time <= 0 || f.time > longestBench:
		return nil, usage("--time %v: it is more than 0 and at most %v", f.time, longestBench)
	case f.pings < 0 || f.pings > mostPings:
		return nil, usage("--pings %d: it is a number from 0 to %d", f.pings, mostPings)
	case f.leaves < 1 || f.leaves > 8:
		return nil, usage("--leaves %d: it is a number from 1 to 8", f.leaves)
	case f.listen != "" && f.waitFor < 1:
		return nil, usage("--wait-for %d: it counts leaves, one at least", f.waitFor)
	case f.maxWait < 0:
		return nil, usage("--max-wait %v: it is a time to wait, 0 waits for as long as it takes", f.maxWait)
	}
	most, ok := parseAmount(f.most)
	if !ok {
		return nil, usage("--most %q is no amount; write it as 100MB, 512KiB or plain bytes", f.most)
	}
	b.most = uint64(most)
	p := plan{Name: "bench", Interface: f.iface, TTL: 1, Admit: b.admit}
	var err error
	if p.Terms.Class, err = parseClass(f.class); err != nil {
		return nil, err
	}
	if p.Terms.Class == parcel.Deadline {
		return nil, usage("--class deadline: bench measures reliable and best-effort")
	}
	p.Terms.Wait = p.Terms.Class == parcel.Reliable // all leaves are measured with the same
	if p.Source, err = parseSource(f.source); err != nil {
		return nil, err
	}
	if !strings.EqualFold(f.rate, noLimit) {
		if p.Rate, err = parseRate(f.rate); err != nil {
			return nil, err
		}
		if p.Rate == 0 {
			return nil, usage("--rate: write a rate such as %s, or %s", benchRate, noLimit)
		}
	}
	if p.Group, err = parseGroup(f.group); err != nil {
		return nil, err
	}
	if f.listen != "" {
		if p.Listen, err = hostPort(ctx, "--listen", f.listen); err != nil {
			return nil, err
		}
	}
	b.head = load.Head{Reliable: p.Terms.Class == parcel.Reliable, Size: uint32(n)}
	b.plan = p
	b.roster.other = func(e *entry, said []byte) {
		if r, err := load.ParseReport(said); err == nil {
			e.report = &r
		}
	}
	return b, nil
}

// admit answers a leaf that knocks.
func (b *bench) admit(callerData []byte, from netip.AddrPort) (calleeData []byte, refusal string) {
	if _, err := load.ParseHello(callerData); err != nil {
		b.c.warn("refused %v: %v", from, err)
		return nil, "this is a joinleaf bench: join it with joinleaf bench recv of the same version"
	}
	return b.head.Append(nil), ""
}
