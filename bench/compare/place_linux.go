package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/bench/compare/drivers"
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
		if err := drivers.Equip(h); err != nil {
			return nil, nil, err
		}
	}
	if s.Link > 0 {
		if err := p.root.SetRate(netlab.Out, int64(s.Link*1e6)); err != nil {
			return nil, nil, err
		}
	}
	if p.files, err = newFiles(p.size); err != nil {
		return nil, nil, err
	}
	return p, func() error { return errors.Join(lab.Close(), p.files.close()) }, nil
}
