package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// place is where all runs happen.
type place struct {
	root   *netlab.Host
	leaves []*netlab.Host
	size   int64
	limit  time.Duration // of each side of a run
	files  *files
}

// furnish makes the lab and the files.
func furnish(s settings) (p *place, closing func() error, err error) {
	lab, err := netlab.Open(netlab.Options{Hosts: []string{"root"}})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lab.Close())
		}
	}()
	p = &place{root: lab.Host("root"), size: int64(s.Size), limit: s.Limit}
	for i := range slices.Max(s.Leaves.Ints()) {
		h, err := lab.AddHost(fmt.Sprint("leaf", i+1), 0)
		if err != nil {
			return nil, nil, err
		}
		p.leaves = append(p.leaves, h)
	}
	for _, h := range append([]*netlab.Host{p.root}, p.leaves...) {
		if err := equip(h); err != nil {
			return nil, nil, err
		}
	}
	if p.files, err = newFiles(p.size); err != nil {
		return nil, nil, err
	}
	return p, func() error { return errors.Join(lab.Close(), p.files.close()) }, nil
}

// equip gives a host what peers rely on and the lab does not have: a broadcast
// address, by which udpcast's sides find each other, and a route to groups.
func equip(h *netlab.Host) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	address := h.Addr4().String() + "/24"
	for _, args := range [][]string{
		{"addr", "del", address, "dev", netlab.Device},
		{"addr", "add", address, "brd", "+", "dev", netlab.Device},
		{"route", "add", "224.0.0.0/4", "dev", netlab.Device},
	} {
		if said, err := h.Exec(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: ip %v: %w: %s", h.Name(), args, err, said)
		}
	}
	return nil
}
