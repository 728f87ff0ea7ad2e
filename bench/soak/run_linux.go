package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

var group = transport.Group{Addr: netip.MustParseAddrPort("239.192.77.9:7009"), Interface: netlab.Device}

// The limits of what a run allows.
const (
	wedged    = 5 * time.Second  // without progress, and nobody holds it up
	arrives   = 5 * time.Second  // all that is owed, once losses have ended
	patience  = 15 * time.Second // for a call that has to end by itself
	rootID    = 1
	acceptors = 2
)

// soak is one run.
type soak struct {
	o      options
	log    *journal
	began  time.Time
	ctx    context.Context // ends with the run, or the first failure
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	lab    *netlab.Lab
	host   *netlab.Host // the root's
	code   crypto.JoinCode
	root   *rooted.Root
	script *script
	sends  [2]*sender
	slots  []*slot
	tally  tally
	heard  sync.Map // member id -> *account: what it said to the root

	quarantined sync.Map // member id: the root said that it waits for it no longer

	blocks atomic.Int32  // disturbances that may hold up the reliable stream
	ending atomic.Bool   // the root is closing
	freed  atomic.Uint64 // messages sent when the last one of them ended
	freeAt atomic.Int64  // and when that was, Unix nanoseconds
	pause  atomic.Int64  // longest time without progress while none was on
	still  atomic.Int64  // longest time without progress, whoever was to blame
	awake  atomic.Int64  // time in which this program ran, see watch
	frozen atomic.Int64  // longest time that this program did not run

	cutMu sync.Mutex
	cuts  map[*netlab.Host]bool

	waitMu   sync.Mutex
	waiting  map[string]chan arrival // by caller data
	hasty    time.Time               // until when half-finished joins are about
	baseline point
	points   []point
	pointMu  sync.Mutex
}

// run makes the lab, plays, and tells what was found. An error says that it
// could not be played.
func run(ctx context.Context, o options, out io.Writer) (*report, error) {
	s := &soak{
		o: o, began: time.Now(), cuts: make(map[*netlab.Host]bool), waiting: make(map[string]chan arrival), script: newScript(o.Seed),
	}
	s.log = newJournal(s.began, out, o.Verbose)
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	hosts := []string{"root"}
	for i := range o.Leaves {
		hosts = append(hosts, fmt.Sprintf("leaf%d", i))
	}
	lab, err := netlab.Open(netlab.Options{Hosts: hosts})
	if err != nil {
		return nil, err
	}
	defer lab.Close()
	s.lab, s.host = lab, lab.Host("root")
	for i := range o.Leaves {
		s.slots = append(s.slots, &slot{s: s, name: hosts[i+1], host: lab.Host(hosts[i+1]), orders: make(chan order)})
	}
	if s.code, err = crypto.NewCode(); err != nil {
		return nil, err
	}
	s.baseline = s.measure("before")
	s.keep(s.baseline)
	if s.root, err = rooted.Listen(s.ctx, group, s.rootConfig()); err != nil {
		return nil, err
	}
	s.start()
	s.direct()
	s.ending.Store(true)
	s.cancel(errOver)
	if s.over() {
		s.root = nil // it keeps its ring as long as somebody keeps it
		s.after()
	}
	if ctx.Err() != nil {
		s.log.fail("interrupted")
	}
	return s.report(), nil
}

func (s *soak) start() {
	for st := range s.sends {
		s.sends[st] = &sender{s: s, stream: flow.Stream(st)}
		s.wg.Go(s.sends[st].run)
	}
	for range acceptors {
		s.wg.Go(s.accept)
	}
	s.wg.Go(s.hear)
	s.wg.Go(s.follow)
	s.wg.Go(s.watch)
	s.wg.Go(s.record)
	for _, p := range s.slots {
		s.wg.Go(p.run)
	}
}

// over closes the root and waits for all to end; false: something did not.
func (s *soak) over() bool {
	done := make(chan struct{})
	go func() {
		s.root.Close()
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(2 * patience):
		s.log.fail(fmt.Sprintf("not all has ended %v after the root was closed:\n%s", 2*patience, stacks()))
		return false
	}
}

// stacks are those of all goroutines.
func stacks() []byte {
	b := make([]byte, 256<<10)
	return b[:runtime.Stack(b, true)]
}

// fail ends the run with the first failure; later ones are told too.
func (s *soak) fail(format string, args ...any) {
	if s.ctx.Err() != nil {
		return // what follows a failure, or the end, is no finding
	}
	s.log.fail(fmt.Sprintf(format, args...))
	s.cancel(errOver)
}

// config is what root and leaves have in common.
func (s *soak) config(h *netlab.Host) rooted.Config {
	return rooted.Config{
		Network: h.Network(), Identity: crypto.Identity{Code: s.code}, Source: rooted.Group, Interface: netlab.Device,
		Silence: s.o.Silence, JoinTimeout: 4 * s.o.Silence,
	}
}

func (s *soak) rootConfig() rooted.Config {
	c := s.config(s.host)
	c.Control = netip.AddrPortFrom(s.host.Addr4(), 7001)
	c.Streams = []flow.Class{reliable: flow.Reliable, bestEffort: flow.BestEffort}
	c.Condition = func(r *rooted.Request) rooted.Verdict {
		if string(r.Data) == unwelcome {
			return rooted.Refuse
		}
		r.Callee = append([]byte("welcome "), r.Data...)
		return rooted.Accept
	}
	return c
}

// sleep waits, or returns false at the end of the run.
func (s *soak) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// until waits for f to come true, within d of time in which this program ran.
func (s *soak) until(d time.Duration, f func() bool) bool {
	for end := s.awake.Load() + int64(d); !f(); {
		if s.awake.Load() > end || !s.sleep(2*time.Millisecond) {
			return false
		}
	}
	return true
}

// cut takes a host off the network, or puts it back. Each of those cut off is
// alone in fact: leaves have nothing to say to each other.
func (s *soak) cut(h *netlab.Host, off bool) {
	s.cutMu.Lock()
	defer s.cutMu.Unlock()
	if delete(s.cuts, h); off {
		s.cuts[h] = true
	}
	var all []*netlab.Host
	for h := range s.cuts {
		all = append(all, h)
	}
	if len(all) == 0 {
		s.must(s.lab.Heal())
		return
	}
	s.must(s.lab.Partition(all...))
}

// must ends the run where the lab fails it.
func (s *soak) must(err error) {
	if err != nil {
		s.fail("the lab: %v", err)
	}
}

// block says that the reliable stream may stand still until the returned
// function is called.
func (s *soak) block() (unblock func()) {
	s.blocks.Add(1)
	return func() {
		s.freed.Store(s.sends[reliable].done.Load())
		s.freeAt.Store(time.Now().UnixNano())
		s.blocks.Add(-1)
	}
}

// after checks what is left when all is closed.
func (s *soak) after() {
	var p point
	for end := time.Now().Add(patience / 3); ; time.Sleep(20 * time.Millisecond) {
		p = s.measure("after")
		settled := p.Goroutines <= s.baseline.Goroutines && p.Descriptors <= s.baseline.Descriptors && p.Heap <= s.baseline.Heap+slack
		if settled || time.Now().After(end) {
			break
		}
	}
	s.keep(p)
	if len(s.log.failures()) > 0 {
		return // whoever failed may have left something
	}
	if p.Goroutines > s.baseline.Goroutines {
		s.log.fail(fmt.Sprintf("%d goroutines at the end, %d before:\n%s", p.Goroutines, s.baseline.Goroutines, stacks()))
	}
	if p.Descriptors > s.baseline.Descriptors {
		s.log.fail(fmt.Sprintf("%d descriptors are open at the end, %d were before", p.Descriptors, s.baseline.Descriptors))
	}
	if p.Heap > s.baseline.Heap+slack {
		s.log.fail(fmt.Sprintf("the heap holds %s at the end, %s before", mega(p.Heap), mega(s.baseline.Heap)))
	}
	s.flat()
}
