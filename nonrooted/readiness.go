package nonrooted

import "context"

// WaitRoom waits until Send would take a message of n bytes at once, or fail.
func (p *Peer) WaitRoom(ctx context.Context, n int) error {
	for {
		pl, err := p.current(ctx, "wait for room")
		if err != nil {
			return err
		}
		err = pl.within(ctx, func(ctx context.Context) error { return pl.s.WaitRoom(ctx, 0, n) })
		if !pl.paused.Load() || ctx.Err() != nil {
			return err
		}
	}
}

// Undelivered reports whether Drain would wait.
func (p *Peer) Undelivered() bool {
	pl := p.sending.Load()
	return pl != nil && pl.s.Behindhand()
}
