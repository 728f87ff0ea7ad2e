package door

import (
	"context"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// socketOutput sends each piece as datagrams.
type socketOutput struct {
	e     *Endpoint
	c     transport.PacketConn
	pace  Pacer
	batch []transport.Datagram
}

func (h House) openSocketOutput(ctx context.Context, e *Endpoint) (Output, error) {
	c, err := h.open(ctx, e, Out)
	if err != nil {
		return nil, err
	}
	return &socketOutput{e: e, c: c}, nil
}

// Write sends one datagram when it is due, or a stream's bytes cut at pkt_size.
func (o *socketOutput) Write(ctx context.Context, p Piece) error {
	o.batch = o.batch[:0]
	if p.Whole {
		if err := o.wait(ctx, p.Micros); err != nil {
			return err
		}
		o.batch = append(o.batch, transport.Datagram{B: p.B, Addr: o.e.Addr})
	} else {
		for b := range slices.Chunk(p.B, cutSize(o.e.PacketSize, p.B)) {
			o.batch = append(o.batch, transport.Datagram{B: b, Addr: o.e.Addr})
		}
	}
	_, err := o.c.WriteBatch(o.batch)
	return err
}

// cutSize keeps transport packets whole.
func cutSize(size int, b []byte) int {
	if len(b) > 0 && b[0] == tsSync && size >= tsPacket {
		return size / tsPacket * tsPacket
	}
	return size
}

func (o *socketOutput) wait(ctx context.Context, micros uint64) error {
	if o.e.Pace == PaceNone {
		return nil
	}
	now := time.Now()
	d := o.pace.Due(now, micros).Sub(now)
	if d < 200*time.Microsecond { // the timer is no finer
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *socketOutput) Commit() (string, error) { return o.e.String(), o.c.Close() }
func (o *socketOutput) Keep() (string, error)   { return o.Commit() }
func (o *socketOutput) Abort()                  { o.c.Close() }
