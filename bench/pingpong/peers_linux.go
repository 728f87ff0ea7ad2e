package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/compare/drivers"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// settle is what a switch needs to learn of memberships.
const settle = 150 * time.Millisecond

// peer is another reliable multicast that can do round trips, as this machine
// has it.
type peer struct {
	Name, Version string
	Missing       string `json:",omitempty"` // why it was left out
	About         string
	library       *drivers.Library // nil: ddsperf
	program       string
}

// others is those that the issue of a comparison could name. udpcast, UFTP and
// iperf 2 are not among them: the first two move files, from the beginning to the
// end, and the third has no answers from a group.
func others() []peer {
	return []peer{
		{Name: "norm", library: &drivers.NORM, About: "stream both ways on one group, flushed after every message"},
		{Name: "openpgm", library: &drivers.OpenPGM, About: "both ways on one group, over UDP"},
		{Name: "epgm", library: &drivers.ZeroMQ, About: "ZeroMQ PUB and SUB over two groups"},
		{Name: "cyclonedds", About: "ddsperf ping, reliable; one reader, so it sends by unicast; its half round trips doubled"},
	}
}

// look finds who is there and makes drivers in dir.
func look(dir string) (all []peer) {
	for _, p := range others() {
		var err error
		if p.library != nil {
			p.program, err = p.library.Compile(dir)
			p.Version = p.library.Version()
		} else {
			p.program = drivers.DDSPerf
			p.Version, err = drivers.FindDDSPerf()
		}
		if err != nil {
			p.Missing, p.Version = err.Error(), ""
			fmt.Fprintf(os.Stderr, "left out: %s: %v\n", p.Name, err)
		}
		all = append(all, p)
	}
	return all
}

// exchange is one run of a peer.
func (p peer) exchange(lab *netlab.Lab, w work) (x times, err error) {
	root, leaf := lab.Host("root"), lab.Host("leaf")
	var pong, ping *stage.Side
	defer func() {
		for _, side := range []*stage.Side{ping, pong} {
			if side != nil {
				side.Stop()        // who answers never ends by itself
				_, _ = side.Wait() // killed, which is no news
				if err != nil {
					err = fmt.Errorf("%w: %s", err, side.Errors())
				}
			}
		}
	}()
	if p.library == nil {
		if pong, err = stage.Run(leaf, w.limit(), p.program, "pong"); err != nil {
			return x, err
		}
		if ping, err = stage.Run(root, w.limit(), p.program, "-D", fmt.Sprint(w.seconds()+2), "ping", fmt.Sprintf("%.0fHz", w.Rate), "size", fmt.Sprint(w.Size)); err != nil {
			return x, err
		}
		return readDDSPerf(ping)
	}
	device := func(h *netlab.Host) string {
		if p.Name == drivers.NORM.Name {
			return netlab.Device
		}
		return h.Addr4().String()
	}
	const group, port = "239.192.77.8", "7008"
	if pong, err = stage.Run(leaf, w.limit(), p.program, "pong", device(leaf), group, port); err != nil {
		return x, err
	}
	if _, err = pong.Line(); err != nil {
		return x, err
	}
	time.Sleep(settle)
	if ping, err = stage.Run(root, w.limit(), p.program, "ping", device(root), group, port, fmt.Sprint(w.Size), fmt.Sprint(w.Rate), fmt.Sprint(w.For.Seconds())); err != nil {
		return x, err
	}
	var account struct {
		Late, Lost   int
		Seconds, CPU float64
		Trips        []time.Duration
	}
	if err := ping.Decode(&account); err != nil {
		return x, err
	}
	if len(account.Trips) == 0 || account.Seconds <= 0 {
		return x, fmt.Errorf("no answer to %d", account.Lost)
	}
	x.of(account.Trips)
	x.Late, x.Lost = account.Late, account.Lost
	x.Rate, x.CPU = float64(len(account.Trips))/account.Seconds, account.CPU/account.Seconds
	return x, nil
}

// seconds is whole ones, which ddsperf counts in.
func (w work) seconds() int { return max(1, int(w.For.Round(time.Second)/time.Second)) }

// readDDSPerf takes the seconds after the first, in which the sides find each
// other: medians of their percentiles. There is no p99.9.
func readDDSPerf(ping *stage.Side) (x times, err error) {
	var all []drivers.Trips
	for {
		line, err := ping.Line()
		if err != nil {
			break // it ends by itself
		}
		if t, ok := drivers.ParseTrips(line); ok && t.Count > 0 {
			all = append(all, t)
		}
	}
	if len(all) < 2 {
		return x, errors.New(strings.TrimSpace("too few round trips to tell; " + ping.Errors()))
	}
	all = all[1:]
	micro := func(f func(drivers.Trips) time.Duration) float64 {
		return stage.Medians(all, func(t drivers.Trips) float64 { return float64(f(t)) / 1e3 })
	}
	x.P50 = micro(func(t drivers.Trips) time.Duration { return t.P50 })
	x.P99 = micro(func(t drivers.Trips) time.Duration { return t.P99 })
	for _, t := range all {
		x.Samples += t.Count
		x.Most = max(x.Most, float64(t.Most)/1e3)
	}
	x.Rate = float64(x.Samples) / float64(len(all))
	return x, nil
}
