package main

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/load"
	"github.com/joinleaf/joinleaf/crypto"
)

// alone is bench without a subcommand: root and leaves in this process, on
// loopback.
func (b *bench) alone(ctx context.Context) (err error) {
	b.plan.Network = kernel()
	if b.plan.Interface, err = loopbackOf(b.plan.Network); err != nil {
		return err
	}
	if b.plan.Code, err = crypto.NewCode(); err != nil {
		return failed(exitRefused, "cannot make a join code: %w", err)
	}
	b.plan.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	b.f.waitFor = b.f.leaves
	var busy sync.WaitGroup
	defer busy.Wait()
	broken := make(chan error, b.f.leaves)
	err = b.run(ctx, func(ctx context.Context) error {
		for range b.f.leaves {
			leaf, err := b.join(ctx)
			if err != nil {
				return cannotJoin(b.root.Facts().Control.String(), err)
			}
			busy.Go(func() {
				defer leaf.leaf.Close()
				if err := leaf.run(ctx); err != nil {
					broken <- err
				}
			})
		}
		return nil
	})
	busy.Wait()
	select {
	case e := <-broken:
		if err == nil && !errors.Is(e, context.Canceled) {
			err = failed(exitLost, "a leaf failed: %w", e)
		}
	default:
	}
	return err
}

func (b *bench) join(ctx context.Context) (*benchLeaf, error) {
	p := plan{
		Network: b.plan.Network, Code: b.plan.Code, Interface: b.plan.Interface, Source: b.plan.Source,
		Root: b.root.Facts().Control, CallerData: load.Hello{}.Append(nil),
	}
	leaf, err := b.open.Join(ctx, p)
	if err != nil {
		return nil, err
	}
	l, err := newBenchLeaf(leaf)
	if err != nil {
		leaf.Close()
	}
	return l, err
}
