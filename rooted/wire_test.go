package rooted

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/simnet"
)

// TestWire_IsWhatAMessageTakes sends messages one by one and compares the promise with
// the packets: never less, and not a tenth more but for a hundred bytes.
func TestWire_IsWhatAMessageTakes(t *testing.T) {
	for _, level := range []SourceLevel{Signed, Group} {
		inRoom(t, 64, simnet.Link{Delay: time.Millisecond}, func(r *room) {
			r.level = level
			r.listen(nil)
			l, _ := r.join("leaf", nil, nil)
			time.Sleep(time.Second)
			for _, n := range []int{0, 1, 100, 1300, 1380, 1384, 1400, 5000, 20_000, 100_000} {
				before := r.root.s.Stats()
				if err := r.root.Send(r.ctx, make([]byte, n)); err != nil {
					t.Fatal(err)
				}
				if m, err := l.Recv(r.ctx, make([]byte, n+1)); err != nil || m.N != n {
					t.Fatal(m, err)
				}
				r.root.Flush()
				time.Sleep(2 * time.Second)
				after := r.root.s.Stats()
				took := int(after.BytesSent-before.BytesSent) + 28*int(after.PacketsSent-before.PacketsSent)
				said, packets := r.root.Wire(n)
				proofs := int(after.Manifests - before.Manifests)
				if level == Group && proofs != 0 || level == Signed && proofs == 0 {
					t.Errorf("%v: %d proofs", level, proofs)
				}
				got := int(after.Sender.Data - before.Sender.Data)
				told := int(after.Sender.Beats-before.Sender.Beats) * 130 // at most
				if said < took-told || packets != got {
					t.Errorf("%v, %d bytes: %d in %d packets are said, at least %d in %d were sent", level, n, said, packets, took-told, got)
				}
				if said > took+took/10+100 {
					t.Errorf("%v, %d bytes: %d are said, at most %d were sent", level, n, said, took)
				}
			}
		})
	}
}
