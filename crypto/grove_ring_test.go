package crypto

import (
	"bytes"
	"testing"
)

// K1 and K3 with packets: members come and go by the tree, and every packet is
// kept. Who was removed opens none that was sealed after, who joined none that
// was sealed before, and whoever is in opens all.
func TestK1_WhoWasRemovedOpensNoLaterPacket(t *testing.T) {
	for _, suite := range suites {
		g := newGrove(t, 9, suite)
		root := newMember(t, suite, groveSession, 1)
		rings := map[uint32]*Ring{}
		type record struct {
			packet []byte
			epoch  uint64
		}
		var sealed []record
		gone, came := map[uint32]uint64{}, map[uint32]uint64{} // at which epoch
		say := func() {
			packet := mustSeal(t, root, 0, "to all who are in")
			sealed = append(sealed, record{packet, g.epoch.number})
			for id := range g.members {
				if _, drop := rings[id].Open(bytes.Clone(packet)); drop != 0 {
					t.Fatalf("member %d at epoch %d: %v", id, g.epoch.number, Drop(drop))
				}
			}
		}
		for range 25 {
			g.join(g.rng.IntN(4))
			if n := len(g.members); n > 3 {
				for _, id := range g.some(g.rng.IntN(3)) {
					g.leave(id)
					gone[id] = g.epoch.number + 1
				}
			}
			g.commit(g.rng.IntN(5) == 0)
			must(t, root.Add(g.epoch))
			must(t, root.Activate(g.epoch.number))
			for id, gr := range g.members {
				if rings[id] == nil {
					rings[id] = newMember(t, suite, groveSession, id)
					must(t, rings[id].Admit(1))
					came[id] = g.epoch.number
				}
				must(t, rings[id].Add(gr.Epoch))
			}
			say()
		}
		tried := 0
		for id, ring := range rings {
			for _, r := range sealed {
				if left := gone[id]; r.epoch >= came[id] && (left == 0 || r.epoch < left) {
					continue
				}
				tried++
				if _, drop := ring.Open(bytes.Clone(r.packet)); drop == 0 || Drop(drop) == DropReplay {
					t.Errorf("%v: member %d, in from epoch %d and out at %d, opens a packet of epoch %d", suite, id, came[id], gone[id], r.epoch)
				}
			}
		}
		if tried < 100 || len(gone) == 0 {
			t.Errorf("only %d tries by %d who left", tried, len(gone))
		}
	}
}
