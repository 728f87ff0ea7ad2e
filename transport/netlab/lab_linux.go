package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// Options describe a lab. Zero is one switch with snooping and a querier, as a
// well-kept network has it.
type Options struct {
	// Hosts are made with the lab, on the first segment. More come by
	// [Lab.AddHost] at any time.
	Hosts []string
	// Segments is the number of switches, each with a subnet of its own, that
	// only a [Router] joins. Zero means 1; at most 8.
	Segments int
	// MTU of every link. Zero means 1500.
	MTU int
	// NoSnooping makes the switches send group packets to every port.
	NoSnooping bool
	// NoQuerier leaves the network without an IGMP and MLD querier.
	NoQuerier bool
	// NoFlood keeps group packets from every port as long as the switch knows
	// no querier, and so cannot trust what it knows of members. Zero floods
	// them to all ports meanwhile. With a querier they go to members only.
	NoFlood bool
}

func (o Options) withDefaults() (Options, error) {
	if o.Segments == 0 {
		o.Segments = 1
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	if o.Segments < 0 || o.Segments > 8 {
		return o, fmt.Errorf("netlab: %d segments; 1 to 8 are possible", o.Segments)
	}
	// Below 1280 the kernel takes IPv6 away from the link.
	if o.MTU < 1280 || o.MTU > 65535 {
		return o, fmt.Errorf("netlab: MTU %d; 1280 to 65535 are possible", o.MTU)
	}
	return o, nil
}

// Lab is a network of namespaces: switches in one, each host in its own.
// Its methods may be called by several goroutines.
type Lab struct {
	o      Options
	tb     testing.TB // nil: made by Open
	prefix string
	sw     *namespace // all the bridges
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	hosts    []*Host
	router   *Router
	captures []*Capture
	closed   bool
}

// New makes a lab for the length of t, after [Require] and [Sweep]. Failure to
// make it fails t.
func New(t testing.TB, o Options) *Lab {
	t.Helper()
	Require(t)
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	l.tb = t
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Open makes a lab for a program; the caller must Close it. What a crash
// leaves behind goes with the process or with the next Open.
func Open(o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := Missing(); err != nil {
		return nil, err
	}
	if err := Sweep(); err != nil {
		return nil, err
	}
	if reaperWanted {
		if err := startReaper(); err != nil {
			return nil, err
		}
	}
	prefix, err := nextPrefix()
	if err != nil {
		return nil, err
	}
	l := &Lab{o: o, prefix: prefix}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if err := l.build(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// reaperWanted is switched off by the tests of Sweep.
var reaperWanted = true

func (l *Lab) build() error {
	hosts := make([]*Host, len(l.o.Hosts))
	names := []string{l.name(switchName)}
	for i, name := range l.o.Hosts {
		h, err := l.plan(name, 0, i+1)
		if err != nil {
			return err
		}
		if slices.Contains(l.o.Hosts[:i], name) {
			return fmt.Errorf("netlab: two hosts are called %q", name)
		}
		hosts[i] = h
		names = append(names, l.name(name))
	}
	if err := makeNamespaces(names...); err != nil {
		return err
	}
	var err error
	if l.sw, err = openNamespace(names[0]); err != nil {
		return err
	}
	if err := l.makeSwitches(); err != nil {
		return err
	}
	if err := l.connect(hosts); err != nil {
		return err
	}
	l.hosts = hosts
	if l.o.NoFlood && !l.o.NoQuerier && !l.o.NoSnooping {
		time.Sleep(settle)
	}
	return nil
}

func (l *Lab) name(host string) string { return l.prefix + "-" + host }

// Host returns the host of that name; on the first call it makes it, on the
// first segment. Where that fails it ends the test that [New] was given; a lab
// of [Open] has no test, and Host panics: use [Lab.AddHost] there.
func (l *Lab) Host(name string) *Host {
	l.mu.Lock()
	i := slices.IndexFunc(l.hosts, func(h *Host) bool { return h.name == name })
	var h *Host
	if i >= 0 {
		h = l.hosts[i]
	}
	l.mu.Unlock()
	if h != nil {
		return h
	}
	h, err := l.AddHost(name, 0)
	switch {
	case err == nil:
		return h
	case l.tb != nil:
		l.tb.Helper()
		l.tb.Fatal(err)
	}
	panic(err)
}

// AddHost makes a host on a segment, counted from 0. A name is one lower-case
// letter and up to nine more letters or digits.
func (l *Lab) AddHost(name string, segment int) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, fmt.Errorf("netlab: add host %s: %w", name, net.ErrClosed)
	}
	number := 1
	for _, h := range l.hosts {
		if h.name == name {
			return nil, fmt.Errorf("netlab: there is a host %s already", name)
		}
		if h.segment == segment {
			number++
		}
	}
	h, err := l.plan(name, segment, number)
	if err != nil {
		return nil, err
	}
	if err := makeNamespaces(l.name(name)); err != nil {
		return nil, err
	}
	if err := l.connect([]*Host{h}); err != nil {
		return nil, err
	}
	l.hosts = append(l.hosts, h)
	return h, nil
}

// Close ends what runs in the lab and removes it. Sockets that this process
// still has open in a host live on, cut off from the switch. Close may be
// called again; later calls do nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	captures := l.captures
	l.mu.Unlock()

	l.cancel()
	for _, c := range captures {
		<-c.ended
	}
	return errors.Join(l.takeDown(), l.closeFiles())
}

// takeDown goes by the names that there are rather than by the hosts that were
// finished, so it serves a lab that was half made as well.
func (l *Lab) takeDown() error {
	entries, err := os.ReadDir(namespaceDir)
	if err != nil {
		return fmt.Errorf("netlab: close: %w", err)
	}
	var names []string
	for _, e := range entries {
		if m := ownedName.FindStringIndex(e.Name()); m != nil && hasPrefix(e.Name(), l.prefix) {
			names = append(names, e.Name())
		}
	}
	return destroy(names)
}

func (l *Lab) closeFiles() error {
	var errs []error
	if l.sw != nil {
		errs = append(errs, l.sw.file.Close())
	}
	for _, h := range l.hosts {
		errs = append(errs, h.ns.file.Close())
	}
	if l.router != nil {
		errs = append(errs, l.router.close())
	}
	return errors.Join(errs...)
}
