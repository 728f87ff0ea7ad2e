package crypto

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
)

func TestOpen_OfManyCopiesAtOnceExactlyOneOpens(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	for range 200 {
		p := mustSeal(t, root, 0, "once")
		var opened atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			q := bytes.Clone(p)
			wg.Go(func() {
				switch _, drop := leaf.Open(q); Drop(drop) {
				case 0:
					opened.Add(1)
				case DropReplay:
				default:
					t.Errorf("a copy: %v", Drop(drop))
				}
			})
		}
		wg.Wait()
		if n := opened.Load(); n != 1 {
			t.Fatalf("%d copies of one packet opened", n)
		}
	}
}

// Packets are sealed and opened while epochs, senders and pairs change and at
// last the ring closes. Every packet either opens as what was sealed or is
// dropped for a reason that the changes explain.
func TestRing_ChangesUnderLoad(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	e, err := FirstEpoch(root.session, [32]byte{}, [32]byte{})
	must(t, err)
	packets := make(chan []byte, 64)
	var opened, late atomic.Int64
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			for p := range packets {
				o, drop := leaf.Open(p)
				switch Drop(drop) {
				case 0:
					opened.Add(1)
					if string(o.Payload) != "load" || o.Sender != 1 {
						t.Errorf("opened %q from %d", o.Payload, o.Sender)
					}
				case DropKey, DropSender, DropClosed:
				case DropReplay: // this goroutine was held up while others opened a window's worth
					late.Add(1)
				default:
					t.Errorf("dropped: %v", Drop(drop))
				}
			}
		})
	}
	var changes sync.WaitGroup
	changes.Go(func() {
		for range 300 {
			e = e.Next([32]byte{})
			for _, r := range []*Ring{leaf, root} {
				must(t, r.Add(e))
				must(t, r.Activate(e.Number()))
			}
			leaf.Retire(e.Number()-1, 1)
			leaf.Expel(1)
			must(t, leaf.Admit(1))
			leaf.Unpair(1)
			n := e.Number()
			down, up := [32]byte{5, byte(n), byte(n >> 8)}, [32]byte{6, byte(n), byte(n >> 8)}
			leaf.Pair(1, up, down)
			root.Pair(2, down, up)
		}
	})
	for i := range 20_000 {
		p, err := root.Seal(nil, uint32(i%8/7*2), KindData, 0, []byte("load"))
		must(t, err)
		packets <- p
	}
	changes.Wait()
	for range 100 {
		packets <- mustSeal(t, root, 0, "load")
	}
	leaf.Close()
	close(packets)
	workers.Wait()
	if opened.Load() <= late.Load() {
		t.Errorf("%d opened, %d came too late", opened.Load(), late.Load())
	}
}
