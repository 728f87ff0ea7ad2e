package rooted

import (
	"context"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// A goodbye takes another way than data, and may be quicker.
func TestR218_TheGoodbyeDoesNotOvertakeTheData(t *testing.T) {
	for seed := range uint64(10) {
		inRoom(t, seed, simnet.Link{Delay: time.Millisecond, Jitter: 5 * time.Millisecond}, func(r *room) {
			root := r.listen(func(c *Config) { c.Streams = []flow.Class{flow.BestEffort} })
			l, _ := r.join("leaf", nil, nil)
			other, _ := r.join("other", nil, nil)
			const n = 100
			say := func(send func(context.Context, []byte) error, end func(context.Context) error) {
				for i := range n {
					if err := send(r.ctx, numbered(i)); err != nil {
						r.Error(err)
					}
				}
				end(r.ctx)
			}
			go say(other.Send, other.Shutdown)
			p := make([]byte, 64<<10)
			for i := range n {
				m, err := root.Recv(r.ctx, p)
				if err != nil || m.Missed != 0 || numberOf(p) != uint64(i) {
					r.Fatalf("seed %d: message %d of who left: number %d, %d missed, %v", seed, i, numberOf(p), m.Missed, err)
				}
			}
			go say(root.Send, root.Shutdown)
			if got, missed, err := take(r.T, r.ctx, l.Recv, 0); got != n || err != nil {
				r.Errorf("seed %d: %d messages of a root that shut down came, %d were told missing, %v", seed, got, missed, err)
			}
			l.Close()
			root.Close()
		})
	}
}
