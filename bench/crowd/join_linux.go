package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

const (
	onTheirWay = 250 // joins at the same time; a root has 256 handshakes at most
	fromOne    = 8   // of one address: a root has no more handshakes with it, and closes the oldest
	limit      = 2 * time.Minute
	mostHosts  = 250 // that such a network has; leaves share them
)

var group = netip.MustParseAddrPort("239.192.77.12:7012")

// joined is one round in memory.
type joined struct {
	Seconds float64 // until all were in
	Bytes   float64 // heap and stacks, of root and leaf together, a leaf
}

// simulated lets n leaves join in this process.
func simulated(n int) (j joined, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	code, err := crypto.NewCode()
	if err != nil {
		return j, err
	}
	nw := simnet.New(1, simnet.Link{Delay: 100 * time.Microsecond})
	defer nw.Close()
	hosts := make([]transport.Network, min(n, mostHosts))
	for i := range hosts {
		hosts[i] = nw.Host(fmt.Sprint("leaves", i))
	}
	before := memory().held()
	r, err := rooted.Listen(ctx, transport.Group{Addr: group}, rooted.Config{Network: nw.Host("root"), Identity: crypto.Identity{Code: code}})
	if err != nil {
		return j, err
	}
	defer r.Close()
	stop, err := stage.Profile("crowd-simulated")
	if err != nil {
		return j, err
	}
	defer stop()
	began := time.Now()
	accepted := make(chan error, 1)
	go func() { accepted <- accept(ctx, r, n) }()
	leaves, err := join(ctx, r.Addr(), n, onTheirWay, code, func(i int) rooted.Config {
		return rooted.Config{Network: hosts[i%len(hosts)]}
	})
	defer closeAll(leaves)
	if err != nil {
		cancel() // or Accept would wait for the others
	}
	if e := <-accepted; err == nil {
		err = e
	}
	if err != nil {
		return j, err
	}
	j.Seconds = time.Since(began).Seconds()
	j.Bytes = float64(memory().held()-before) / float64(n)
	return j, nil
}

// accept takes n leaves in, as many at a time as are on their way: one Accept is
// one join, from the request until the leaf is ready.
func accept(ctx context.Context, r *rooted.Root, n int) (err error) {
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	close(left)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range onTheirWay {
		wg.Go(func() {
			for range left {
				if _, e := r.Accept(ctx); e != nil {
					mu.Lock()
					err = errors.Join(err, fmt.Errorf("accept: %w", e))
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return err
}

// join lets n leaves join, some at a time. Those that are in are returned with an
// error, too.
func join(ctx context.Context, root netip.AddrPort, n, atOnce int, code crypto.JoinCode, config func(i int) rooted.Config) (leaves []*rooted.Leaf, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range turn {
				c := config(i)
				c.Identity = crypto.Identity{Code: code}
				l, e := rooted.Join(ctx, root, nil, c)
				mu.Lock()
				if e == nil {
					leaves = append(leaves, l)
				} else if err == nil {
					err = fmt.Errorf("leaf %d: %w", i, e)
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		turn <- i + 1
	}
	close(turn)
	wg.Wait()
	return leaves, err
}

func closeAll(leaves []*rooted.Leaf) {
	var wg sync.WaitGroup
	for _, l := range leaves {
		wg.Go(func() { _ = l.Close() }) // the measurement is over
	}
	wg.Wait()
}
