package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"text/tabwriter"
)

// guest is one leaf of the demo.
type guest struct {
	name string
	leaf leafSession
	m    memberSession
	left bool
	ok   bool // every checksum agreed
	got  uint64
	row  demoRow
}

// read takes n bytes and compares their checksum.
func (g *guest) read(ctx context.Context, n int, want [32]byte) error {
	sum := sha256.New()
	p := make([]byte, maxMessage)
	for at := 0; at < n; {
		k, missed, err := g.leaf.Recv(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		if missed > 0 {
			g.ok = false
			return fmt.Errorf("%s missed %d messages", g.name, missed)
		}
		sum.Write(p[:k])
		at += k
		g.got += uint64(k)
	}
	g.ok = g.ok && [32]byte(sum.Sum(nil)) == want
	return nil
}

// settle writes down what the guest has; figures of a leaf that has gone would
// tell no more.
func (g *guest) settle() {
	f := g.leaf.Figures()
	g.row = demoRow{Leaf: g.leaf.ID(), Name: g.name, Addr: g.m.Addr().String(), Bytes: g.got, Repairs: f.Repairs, Missed: f.Missed, Checksum: g.ok, Epoch: f.Epoch}
}

// demoRow is a line of the demo's table.
type demoRow struct {
	Leaf     uint32 `json:"leaf"`
	Name     string `json:"name"`
	Addr     string `json:"address"`
	Bytes    uint64 `json:"bytes"`
	Repairs  uint64 `json:"repairs"`
	Missed   uint64 `json:"missed"`
	Checksum bool   `json:"checksum_ok"`
	Epoch    uint64 `json:"epoch"`
}

func (demoRow) name() string   { return "leaf" }
func (demoRow) String() string { return "" } // the table has it

// demoTable ends the demo.
type demoTable struct {
	OK      bool      `json:"ok"`
	Seconds float64   `json:"seconds"`
	Rows    []demoRow `json:"-"`
}

func (demoTable) name() string { return "demo" }

func (t demoTable) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nleaf\tname\taddress\tbytes\trepairs\tmissed\tchecksum\tepoch")
	for _, r := range t.Rows {
		sum := "ok"
		if !r.Checksum {
			sum = "WRONG"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%d\t%s\t%d\n", r.Leaf, r.Name, r.Addr, r.Bytes, r.Repairs, r.Missed, sum, r.Epoch)
	}
	w.Flush()
	return trimLines(b.String()) + fmt.Sprintf("\ndone in %.1f s; on two machines: joinleaf send --in FILE --code-file code", t.Seconds)
}

// What happens on the way to it.
type (
	demoOpened struct{ facts facts }
	demoJoined struct {
		Leaf   uint32 `json:"leaf"`
		Addr   string `json:"address"`
		Caller string `json:"caller_data"`
		Callee string `json:"callee_data"`
		Epoch  uint64 `json:"epoch"`
	}
	demoRefused struct {
		Caller string `json:"caller_data"`
		Reason string `json:"reason"`
	}
	demoSent struct {
		Bytes   int     `json:"bytes"`
		Leaves  int     `json:"leaves"`
		Seconds float64 `json:"seconds"`
	}
	demoRekeyed struct {
		Left   string `json:"left"`
		Before uint64 `json:"epoch_before"`
		After  uint64 `json:"epoch"`
	}
)

func (demoOpened) name() string  { return "opened" }
func (demoJoined) name() string  { return "joined" }
func (demoRefused) name() string { return "refused" }
func (demoSent) name() string    { return "sent" }
func (demoRekeyed) name() string { return "rekeyed" }

func (d demoOpened) MarshalJSON() ([]byte, error) { return d.facts.json(nil) }
func (d demoOpened) String() string               { return d.facts.block() + "\n" }

func (d demoJoined) String() string {
	return fmt.Sprintf("leaf %d joins from %s: says %q, is told %q", d.Leaf, d.Addr, d.Caller, d.Callee)
}

func (d demoRefused) String() string {
	return fmt.Sprintf("one more leaf says %q and is refused: %s", d.Caller, d.Reason)
}

func (d demoSent) String() string {
	return fmt.Sprintf("%s sent once, received by %d leaves in %.2f s", size(d.Bytes), d.Leaves, d.Seconds)
}

func (d demoRekeyed) String() string {
	return fmt.Sprintf("%s leaves: new keys for the others, epoch %d -> %d", d.Left, d.Before, d.After)
}
