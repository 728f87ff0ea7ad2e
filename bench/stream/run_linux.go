package stream

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// A Starter starts this program again in a host as a side of a run.
type Starter func(h *netlab.Host, limit time.Duration, s Side) (*stage.Side, error)

// runs counts the runs of this program.
var runs int

// cast is the sides of a run, the root first.
type cast struct {
	spec  Spec
	start Starter
	sides []*stage.Side
}

// add starts a side and reads its first line.
func (c *cast) add(h *netlab.Host, s Side) (*stage.Side, error) {
	side, err := c.start(h, c.spec.limit(), s)
	if err == nil {
		c.sides = append(c.sides, side)
	}
	return side, err
}

// Run does one run in hosts of a lab, the first s.Leaves of leaves. label names
// its profiles.
func Run(root *netlab.Host, leaves []*netlab.Host, s Spec, label string, start Starter) (r Result, err error) {
	if err := root.SetOffload(s.Offload); err != nil {
		return r, err
	}
	runs++
	c := &cast{spec: s, start: start}
	first := Side{Spec: s, Label: label, Run: runs}
	leaves = leaves[:s.Leaves]
	err = c.play(&r, root, leaves, first)
	for i, side := range c.sides {
		if err != nil {
			side.Stop()
		}
		side.End()
		u, e := side.Wait()
		if said := strings.TrimSpace(side.Errors()); said != "" {
			e = errors.Join(e, errors.New(said))
		}
		if e != nil && (err == nil || side.Errors() != "") {
			err = errors.Join(err, e)
		}
		if i == 0 {
			r.RootUsage = u
		} else {
			r.LeafUsage = append(r.LeafUsage, u)
		}
	}
	r.judge()
	return r, err
}

func (c *cast) play(r *Result, root *netlab.Host, leaves []*netlab.Host, s Side) error {
	if s.Spec.Level != Clear {
		code, err := crypto.NewCode()
		if err != nil {
			return err
		}
		s.Code = code.Reveal()
	}
	sender, err := c.add(root, s)
	if err != nil {
		return err
	}
	if s.Root, err = sender.Line(); err != nil {
		return err
	}
	for i, h := range leaves {
		s.Leaf = i + 1
		if _, err := c.add(h, s); err != nil {
			return err
		}
	}
	return c.accounts(r)
}

// accounts reads what the sides counted, the root's first.
func (c *cast) accounts(r *Result) error {
	for i, side := range c.sides {
		if i == 0 {
			if err := side.Decode(&r.Sent); err != nil {
				return err
			}
			continue
		}
		var g Got
		if err := side.Decode(&g); err != nil {
			return err
		}
		if g.Messages == 0 {
			return fmt.Errorf("leaf %d got too little to tell", i)
		}
		r.Got = append(r.Got, g)
	}
	return nil
}
