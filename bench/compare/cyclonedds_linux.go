package main

import (
	"fmt"
	"strings"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/compare/drivers"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// cyclonedds is CycloneDDS by its own ddsperf, which publishes for some seconds
// and counts. It finds the rate itself.
type cyclonedds struct{}

// published is for how many seconds: two where little is to be moved.
func published(size int64) int {
	if size < 10e6 {
		return 2
	}
	return 4
}

func (*cyclonedds) name() string { return "cyclonedds" }

func (*cyclonedds) about() string {
	return "ddsperf, reliable, -k all, samples of 8 KiB for 4 s in place of a number of bytes, 4 MiB buffers; its own account, samples that it counts as lost fail the run; one reader is served by unicast; no encryption"
}

func (*cyclonedds) find(*place) (string, error) { return drivers.FindDDSPerf() }

func (*cyclonedds) ladder(int) []setting { return []setting{{}} }

func (*cyclonedds) under(cell, setting) []setting { return []setting{{}} }

// uri is its settings.
const uri = `CYCLONEDDS_URI=<CycloneDDS><Domain><General><Interfaces><NetworkInterface name="` + netlab.Device + `"/></Interfaces></General>` +
	`<Internal><SocketReceiveBufferSize max="4MiB"/></Internal></Domain></CycloneDDS>`

func (*cyclonedds) run(p *place, c cell, _ setting) (o outcome, err error) {
	leaves := p.leaves[:c.Leaves]
	if err := bulk.Prepare(p.root, leaves, c.Loss, false); err != nil {
		return o, err
	}
	var sides []*stage.Side
	for _, h := range leaves {
		// A subscriber counts on while what was lost is repaired.
		side, err := stage.Run(h, p.limit, "env", uri, drivers.DDSPerf, "-D", fmt.Sprint(published(p.size)+3), "-1", "-k", "all", "sub")
		if err != nil {
			halt(sides)
			return o, err
		}
		sides = append(sides, side)
	}
	sender, err := stage.Run(p.root, p.limit, "env", uri, drivers.DDSPerf, "-D", fmt.Sprint(published(p.size)+1), "-k", "all",
		fmt.Sprintf("-Qminmatch:%d", c.Leaves), "-Qinitwait:5", "pub", "size", "8k")
	if err != nil {
		halt(sides)
		return o, err
	}
	for _, side := range sides {
		rate, bytes, err := readHeard(side.Output())
		if err != nil && o.Failed == "" {
			o.Failed = err.Error()
		}
		if o.Goodput == 0 || rate < o.Goodput {
			o.Goodput = rate
		}
		if o.Bytes == 0 || bytes < o.Bytes {
			o.Bytes = bytes
		}
		o.Arrived = 1
	}
	failed := o.Failed
	o.finish(sender, sides)
	if failed != "" {
		o.Failed = failed
	}
	return o, nil
}

// readHeard takes a subscriber's rate from the first line that counts something
// to the last but one that counts more: the last may be of part of a second.
func readHeard(said string) (rate float64, bytes int64, err error) {
	var lines []drivers.Heard
	for line := range strings.Lines(said) {
		h, ok := drivers.ParseHeard(strings.TrimSpace(line))
		if ok && h.Total > 0 && (len(lines) == 0 || h.Total > lines[len(lines)-1].Total) {
			lines = append(lines, h)
		}
	}
	if len(lines) < 3 {
		return 0, 0, fmt.Errorf("too few samples came to tell: %d seconds of them", len(lines))
	}
	a, b, all := lines[0], lines[len(lines)-2], lines[len(lines)-1]
	if all.Lost > 0 {
		return 0, 0, fmt.Errorf("%d samples were lost", all.Lost)
	}
	return float64(b.Total-a.Total) * float64(b.Size) / (b.At - a.At), int64(all.Total) * int64(all.Size), nil
}
