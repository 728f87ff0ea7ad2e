package main

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/compare/drivers"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// udpcast is udp-sender and udp-receiver. They find the rate themselves.
type udpcast struct{}

func (*udpcast) name() string { return "udpcast" }

func (*udpcast) about() string {
	return "--full-duplex, multicast also to one receiver, hello again every 100 ms, receivers dropped after 2,000 tries; with loss also --fec 8x8/128; 2 s of rendez-vous not counted"
}

func (*udpcast) find(*place) (string, error) {
	if _, err := exec.LookPath("udp-receiver"); err != nil {
		return "", fmt.Errorf("no udp-receiver (Debian: udpcast)")
	}
	return drivers.Packaged("udpcast"), nil
}

func (*udpcast) ladder(int) []setting { return []setting{{}} }

func (*udpcast) under(cell, setting) []setting { return []setting{{}, {Parity: "8x8/128"}} }

func (*udpcast) run(p *place, c cell, s setting) (o outcome, err error) {
	leaves := p.leaves[:c.Leaves]
	if err := bulk.Prepare(p.root, leaves, c.Loss, false); err != nil {
		return o, err
	}
	var sides []*stage.Side
	var copies []copied
	for _, h := range leaves {
		dir, err := p.files.room(h.Name())
		if err != nil {
			return o, err
		}
		file := filepath.Join(dir, "file")
		side, err := stage.Run(h, p.limit, "udp-receiver", "--file", file, "--interface", netlab.Device, "--nokbd", "--no-progress", "--start-timeout", "10")
		if err != nil {
			halt(sides)
			return o, err
		}
		sides, copies = append(sides, side), append(copies, copied{path: file})
	}
	args := []string{"--file", p.files.source, "--interface", netlab.Device, "--full-duplex", "--nopointopoint", "--nokbd", "--no-progress",
		"--min-receivers", fmt.Sprint(c.Leaves), "--start-timeout", "10", "--rexmit-hello-interval", "100",
		"--retries-until-drop", "2000", "--mcast-data-address", "239.192.77.9"}
	if s.Parity != "" {
		args = append(args, "--fec", s.Parity)
	}
	sender, err := stage.Run(p.root, p.limit, "udp-sender", args...)
	if err != nil {
		halt(sides)
		return o, err
	}
	await(copies, sender)
	o.finish(sender, sides)
	p.files.judge(&o, copies)
	return o, nil
}
