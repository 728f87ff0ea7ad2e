package rooted

import "context"

// What follows lets a caller wait for what Recv, RecvChat and Send would do,
// without doing it. It costs those calls nothing.

// Readable reports whether Recv would return at once, and whether with the end.
func (r *Root) Readable() (data, end bool) { return r.s.Readable() }

// WaitReadable waits until Recv would return at once.
func (r *Root) WaitReadable(ctx context.Context) error { return r.s.WaitReadable(ctx) }

// WaitRoom waits until Send would take a message of n bytes at once, or fail.
func (r *Root) WaitRoom(ctx context.Context, n int) error { return r.s.WaitRoom(ctx, 0, n) }

// Undelivered reports whether Drain would wait.
func (r *Root) Undelivered() bool { return r.s.Behindhand() }

// Readable reports whether Recv would return at once, and whether with the end.
func (l *Leaf) Readable() (data, end bool) { return l.s.Readable() }

// WaitReadable waits until Recv would return at once.
func (l *Leaf) WaitReadable(ctx context.Context) error { return l.s.WaitReadable(ctx) }

// WaitRoom waits until Send would take a message of n bytes at once, or fail.
func (l *Leaf) WaitRoom(ctx context.Context, n int) error { return l.s.WaitRoom(ctx, 0, n) }

// Undelivered reports whether Drain would wait.
func (l *Leaf) Undelivered() bool { return !l.over.Load() && l.s.Behindhand() }
