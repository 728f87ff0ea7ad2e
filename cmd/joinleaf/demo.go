package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// The demo's figures: small enough for a second, large enough to need the
// window, the pacing and the credit of a session.
const (
	demoBytes    = 4 << 20
	demoChunk    = 32 << 10
	demoFarewell = 64 << 10 // sent after one leaf has left
	demoTime     = 14 * time.Second
)

func demoCommand(c *console, open opener) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole session on this machine: no arguments, no network",
		Long: `Demo runs a root and three leaves in one process, over real multicast on the
loopback interface: nothing leaves this machine. Four leaves ask to join, one is
refused; 4 MB go once to the three others, sealed with fresh keys; one leaves,
and the keys change. Exits 0 when every leaf has every byte.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.json = asJSON
			ctx, release := c.untilStopped(cmd.Context())
			defer release()
			ctx, cancel := context.WithTimeout(ctx, demoTime)
			defer cancel()
			d := &demo{c: c, open: open, seats: map[string]string{}}
			err := d.run(ctx)
			if err != nil && ctx.Err() != nil && !errors.Is(err, errInterrupted) {
				err = failed(exitRefused, "the demo did not end in %v: %w", demoTime, err)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "lines of JSON in place of text")
	return cmd
}

// demo is one run.
type demo struct {
	c    *console
	open opener
	plan plan
	root rootSession

	mu      sync.Mutex
	seats   map[string]string // who sits where
	members map[uint32]memberSession
}

func (d *demo) run(ctx context.Context) error {
	begin := time.Now()
	if err := d.prepare(); err != nil {
		return err
	}
	var err error
	if d.root, err = d.open.Open(ctx, d.plan); err != nil {
		return cannotOpen("the demo's session", err)
	}
	d.c.report(demoOpened{d.root.Facts()})
	accepting, stop := context.WithCancel(ctx)
	var busy sync.WaitGroup
	busy.Go(func() { d.accept(accepting) })
	defer busy.Wait()
	defer d.root.Close()
	defer stop()

	guests, err := d.admit(ctx)
	defer func() {
		for _, g := range guests {
			g.leaf.Close()
		}
	}()
	if err != nil {
		return err
	}
	if err := d.turnAway(ctx); err != nil {
		return err
	}
	if err := d.send(ctx, guests, demoBytes); err != nil {
		return err
	}
	if err := d.part(ctx, guests); err != nil {
		return err
	}
	return d.conclude(guests, time.Since(begin))
}

// prepare picks the loopback interface, a group and a code.
func (d *demo) prepare() error {
	nw := kernel()
	name, err := loopbackOf(nw)
	if err != nil {
		return err
	}
	code, err := crypto.NewCode()
	if err != nil {
		return failed(exitRefused, "cannot make a join code: %w", err)
	}
	d.members = map[uint32]memberSession{}
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	d.plan = plan{Name: "demo", Network: nw, Code: code, Interface: name, Group: drawGroup(), Listen: netip.AddrPortFrom(local, 0), TTL: 1, Admit: d.seat}
	return nil
}

// loopbackOf is the name of the loopback interface.
func loopbackOf(nw transport.Network) (string, error) {
	all, err := nw.Interfaces()
	if err != nil {
		return "", cannotOpen("the list of interfaces", err)
	}
	for _, f := range slices.Backward(all) {
		if f.Loopback && f.Up {
			return f.Name, nil
		}
	}
	return "", failed(exitRefused, "this machine has no loopback interface that is up; bring it up (ip link set lo up) and try again")
}

// seat is the condition: three seats, one for each name.
func (d *demo) seat(callerData []byte, _ netip.AddrPort) (calleeData []byte, refusal string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seats) == len(guestNames) {
		return nil, fmt.Sprintf("sorry %s, all %d seats are taken", callerData, len(guestNames))
	}
	seat := fmt.Sprintf("seat %d", len(d.seats)+1)
	d.seats[string(callerData)] = seat
	return []byte(seat), ""
}

var guestNames = []string{"anna", "ben", "cleo"}

// accept admits until the root is closed.
func (d *demo) accept(ctx context.Context) {
	for {
		m, err := d.root.Accept(ctx)
		if err != nil {
			return
		}
		d.mu.Lock()
		d.members[m.ID()] = m
		d.mu.Unlock()
	}
}

// member waits until the root, too, has admitted the leaf: its Accept returns
// at about the same time as the leaf's join.
func (d *demo) member(ctx context.Context, id uint32) (memberSession, error) {
	for {
		d.mu.Lock()
		m := d.members[id]
		d.mu.Unlock()
		if m != nil {
			return m, nil
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(5 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// admit lets the three in.
func (d *demo) admit(ctx context.Context) (guests []*guest, err error) {
	for _, name := range guestNames {
		g := &guest{name: name, ok: true}
		if g.leaf, err = d.join(ctx, name); err != nil {
			return guests, cannotJoin(d.root.Facts().Control.String(), err)
		}
		guests = append(guests, g)
		if g.m, err = d.member(ctx, g.leaf.ID()); err != nil {
			return guests, err
		}
		d.c.report(demoJoined{g.leaf.ID(), g.m.Addr().String(), name, string(g.leaf.CalleeData()), g.leaf.Figures().Epoch})
	}
	return guests, nil
}

func (d *demo) join(ctx context.Context, name string) (leafSession, error) {
	p := plan{Network: d.plan.Network, Code: d.plan.Code, Interface: d.plan.Interface, Root: d.root.Facts().Control, CallerData: []byte(name)}
	return d.open.Join(ctx, p)
}

// turnAway lets a fourth knock, who must be refused, and hear why.
func (d *demo) turnAway(ctx context.Context) error {
	l, err := d.join(ctx, "dora")
	if err == nil {
		l.Close()
		return failed(exitLost, "a fourth leaf was let in, although all seats are taken")
	}
	if transport.CodeOf(err) != transport.WSAECONNREFUSED {
		return failed(exitLost, "the fourth leaf should have been refused, and heard: %w", err)
	}
	d.c.report(demoRefused{"dora", err.Error()})
	return nil
}

// send gives n fresh bytes to all guests still there, and checks what each got.
func (d *demo) send(ctx context.Context, guests []*guest, n int) error {
	payload := make([]byte, n)
	_, _ = rand.Read(payload) // never fails, as package crypto/rand promises
	want := sha256.Sum256(payload)
	begin := time.Now()
	results := make(chan error, len(guests))
	reading := 0
	for _, g := range guests {
		if !g.left {
			reading++
			go func() { results <- g.read(ctx, n, want) }()
		}
	}
	var err error
	for at := 0; at < n && err == nil; at += demoChunk {
		err = d.root.Send(ctx, payload[at:min(at+demoChunk, n)])
	}
	if err == nil {
		err = d.root.Drain(ctx)
	}
	if err != nil { // the readers would wait for ever
		d.root.Close()
	}
	for range reading {
		err = errors.Join(err, <-results)
	}
	if err != nil {
		return failed(exitLost, "sending failed: %w", err)
	}
	d.c.report(demoSent{n, reading, time.Since(begin).Seconds()})
	return nil
}

// part lets the last guest leave and waits for the keys that it does not have.
func (d *demo) part(ctx context.Context, guests []*guest) error {
	leaver := guests[len(guests)-1]
	before := d.root.Figures().Epoch
	leaver.settle()
	leaver.left = true
	if err := leaver.leaf.Shutdown(ctx); err != nil {
		return failed(exitLost, "%s could not leave: %w", leaver.name, err)
	}
	for d.root.Figures().Epoch == before {
		if err := pause(ctx); err != nil {
			return failed(exitLost, "%s left, and the keys did not change: %w", leaver.name, err)
		}
	}
	d.c.report(demoRekeyed{leaver.name, before, d.root.Figures().Epoch})
	return d.send(ctx, guests, demoFarewell)
}

// conclude shows the table.
func (d *demo) conclude(guests []*guest, took time.Duration) error {
	t := demoTable{Seconds: took.Seconds(), OK: true}
	for _, g := range guests {
		if !g.left {
			g.settle()
		}
		t.Rows = append(t.Rows, g.row)
		t.OK = t.OK && g.row.Checksum && g.row.Missed == 0
		if d.c.json {
			d.c.report(g.row)
		}
	}
	d.c.report(t)
	if !t.OK {
		return failed(exitLost, "a leaf does not have every byte; the table says which")
	}
	return nil
}
