package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/compare/drivers"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// iperf is iperf 2, which sends UDP to a group and repairs nothing: what a plain
// program carries without loss. Its figures are its own.
type iperf struct{}

func (*iperf) name() string { return "iperf" }

func (*iperf) about() string {
	return "iperf 2, UDP to a group, 1,400 B, 4 MiB buffers, rate by hand, for the time that the bytes take; nothing is repaired or checked, so always without loss, and a run that loses more than 0.1 % has failed; its own account"
}

func (*iperf) find(*place) (string, error) {
	if _, err := exec.LookPath("iperf"); err != nil {
		return "", errors.New("no iperf (Debian: iperf)")
	}
	return drivers.Packaged("iperf"), nil
}

func (*iperf) ladder(n int) []setting { return rates(n) }

func (*iperf) under(_ cell, clean setting) []setting { return []setting{clean} }

func (*iperf) run(p *place, c cell, s setting) (o outcome, err error) {
	leaves := p.leaves[:c.Leaves]
	if err := bulk.Prepare(p.root, leaves, 0, false); err != nil {
		return o, err
	}
	const group = "239.192.79.9"
	var sides []*stage.Side
	for _, h := range leaves {
		side, err := stage.Run(h, p.limit, "iperf", "-s", "-u", "-B", group+"%"+netlab.Device, "-w", "4M", "-l", "1400", "-y", "C")
		if err != nil {
			halt(sides)
			return o, err
		}
		sides = append(sides, side)
	}
	time.Sleep(2 * settle) // it says nothing when it listens
	sender, err := stage.Run(p.root, p.limit, "iperf", "-c", group, "-u", "-b", fmt.Sprintf("%.0fk", s.Rate*1000), "-l", "1400", "-T", "1", "-t", fmt.Sprintf("%.2f", duration(p.size, s)), "-w", "4M")
	if err != nil {
		halt(sides)
		return o, err
	}
	if o.RootUsage, err = sender.Wait(); err != nil {
		o.Failed = fmt.Sprintf("%v: %s", err, last(sender.Errors()))
	}
	for _, side := range sides { // servers: they end when killed
		if o.Failed == "" {
			o.hear(side)
		}
		side.Stop()
		used, _ := side.Wait()
		o.LeafUsage = append(o.LeafUsage, used)
	}
	if o.Failed == "" && o.Arrived < 1-mostLost {
		o.Failed = fmt.Sprintf("%.2f %% was lost", 100*(1-o.Arrived))
	}
	if o.Failed != "" {
		o.Goodput = 0
	}
	return o, nil
}

// duration is that of size bytes, in seconds: told a number of bytes it keeps to no
// rate.
func duration(size int64, s setting) float64 { return min(10, max(0.5, float64(size)*8/1e6/s.Rate)) }

// mostLost is the loss that still counts as none.
const mostLost = 0.001

// hear reads a server's account.
func (o *outcome) hear(side *stage.Side) {
	line, err := side.Line()
	if err != nil {
		o.Failed = fmt.Sprintf("%v: %s", err, last(side.Errors()))
		return
	}
	rate, lost, bytes, ok := parseIperf(line)
	if !ok {
		o.Failed = "it said " + line
		return
	}
	if o.Goodput == 0 || rate < o.Goodput {
		o.Goodput = rate
	}
	if o.Arrived == 0 || 1-lost < o.Arrived {
		o.Arrived = 1 - lost
	}
	if o.Bytes == 0 || bytes < o.Bytes {
		o.Bytes = bytes
	}
}

// parseIperf reads a line of -y C: bytes a second that came, the share of
// datagrams that did not, and the bytes.
//
//	time,to,port,from,port,id,interval,bytes,bits a second,jitter,lost,all,percent,out of order
func parseIperf(line string) (rate, lost float64, bytes int64, ok bool) {
	f := strings.Split(line, ",")
	if len(f) != 14 {
		return 0, 0, 0, false
	}
	bytes, err := strconv.ParseInt(f[7], 10, 64)
	bits, err1 := strconv.ParseFloat(f[8], 64)
	missing, err2 := strconv.ParseFloat(f[10], 64)
	all, err3 := strconv.ParseFloat(f[11], 64)
	if errors.Join(err, err1, err2, err3) != nil || all <= 0 {
		return 0, 0, 0, false
	}
	return bits / 8, missing / all, bytes, true
}
