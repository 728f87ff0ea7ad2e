package main

import (
	"fmt"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/compare/drivers"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// library is a peer that is a library.
type library struct {
	drivers.Library
	settings string // in a sentence
	message  int    // bytes
	parity   string // tried with loss; "": none
	device   func(h *netlab.Host) string
	// What the driver is told besides, of receiver i and of the sender.
	receiver func(i int) []string
	sender   func(s setting, leaves int) []string
}

var norm = library{
	Library: drivers.NORM, message: message,
	settings: "stream of 1,400 B segments, 16 MiB buffers, rate by hand, repair by retransmission (with loss also tried: 8 parity for 64), flow control by watermarks, round trip told, no encryption",
	parity:   "8",
	device:   func(*netlab.Host) string { return netlab.Device },
	receiver: func(i int) []string { return []string{fmt.Sprint(i + 2)} }, // its node
	sender: func(s setting, leaves int) []string {
		return []string{fmt.Sprintf("%.0f", s.Rate*1e6), "0" + s.Parity, fmt.Sprint(leaves)}
	},
}

var openpgm = library{
	Library: drivers.OpenPGM, message: 1440,
	settings: "over UDP, one 1,440 B message a packet, windows of 65,536 packets, rate by hand, NAKs after 2 ms, tail heartbeats from 4 ms, no encryption; it has no flow control",
	device:   func(h *netlab.Host) string { return h.Addr4().String() },
	receiver: func(int) []string { return nil },
	sender:   func(s setting, _ int) []string { return []string{fmt.Sprintf("%.0f", s.Rate*1e6)} },
}

var epgm = library{
	Library: drivers.ZeroMQ, message: 1440,
	settings: "ZeroMQ PUB and SUB over epgm, one 1,440 B message at a time, queues without limit, rate by hand (its own limit a tenth above), recovery interval 500 ms, no encryption; it has no flow control",
	device:   openpgm.device,
	receiver: openpgm.receiver,
	sender:   openpgm.sender,
}

// driven runs a driver.
type driven struct {
	library
	program string
}

func (d *driven) name() string { return d.Name }

func (d *driven) about() string { return d.settings }

// find compiles the driver.
func (d *driven) find(p *place) (version string, err error) {
	d.program, err = d.Compile(p.files.dir)
	return d.Version(), err
}

func (d *driven) ladder(n int) []setting { return rates(n) }

func (d *driven) under(_ cell, clean setting) []setting {
	all := lower(clean)
	if d.parity != "" {
		all = append(all, setting{Rate: clean.Rate * 0.7, Parity: d.parity})
	}
	return all
}

func (d *driven) run(p *place, c cell, s setting) (o outcome, err error) {
	leaves := p.leaves[:c.Leaves]
	if err := bulk.Prepare(p.root, leaves, c.Loss, false); err != nil {
		return o, err
	}
	messages := bulk.Spec{Size: p.size, Message: d.message}.Messages()
	start := func(h *netlab.Host, role string, more ...string) (*stage.Side, error) {
		args := []string{role, d.device(h), "239.192.79.1", "7600", fmt.Sprint(messages), fmt.Sprint(d.message)}
		return stage.Run(h, p.limit, d.program, append(args, more...)...)
	}
	var sides []*stage.Side
	for i, h := range leaves {
		side, err := start(h, "recv", d.receiver(i)...)
		if err != nil {
			halt(sides)
			return o, err
		}
		sides = append(sides, side)
	}
	if o := listening(sides); o.Failed != "" {
		return o, nil
	}
	time.Sleep(settle)
	sender, err := start(p.root, "send", d.sender(s, c.Leaves)...)
	if err != nil {
		halt(sides)
		return o, err
	}
	for _, side := range sides {
		var got bulk.Got
		if err := side.Decode(&got); err != nil {
			o = incomplete("%v: %s", err, last(side.Errors()))
			break
		}
		if rate := got.Goodput(); o.Goodput == 0 || rate < o.Goodput {
			o.Goodput = rate
		}
		o.Arrived = 1
	}
	o.finish(sender, sides)
	return o, nil
}
