package nonrooted

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// kinds is what a member was told, in order.
func kinds(p *Peer) (ks []EventKind) {
	for e, ok := p.events.take(); ok; e, ok = p.events.take() {
		ks = append(ks, e.Kind)
	}
	return ks
}

func TestF8_WhoseInterfaceIsMadeAnewComesBackAndSaysSo(t *testing.T) {
	inRoom(t, 51, lan, func(r *room) {
		ps := r.joinAll(4, nil)
		r.settle(time.Second, ps...)
		for _, n := range []int{2, 0} { // a member, then the coordinator
			for _, p := range ps {
				kinds(p)
			}
			id := ps[n].ID()
			r.net.Host(name(n)).Recreate("sim0")
			var ks []EventKind
			for !slices.Contains(ks, Parted) {
				e, err := ps[n].NextEvent(r.ctx)
				if err != nil {
					t.Fatal(err)
				}
				ks = append(ks, e.Kind)
			}
			r.settle(10*time.Second, ps...)
			lost, back := slices.Index(ks, InterfaceLost), slices.Index(ks, InterfaceBack)
			if lost < 0 || back < lost || slices.Index(ks, Parted) < back {
				t.Errorf("member %d was told %v", n, ks)
			}
			if ps[n].ID() == id {
				t.Errorf("it is member %d again, whose packet numbers others have seen", id)
			}
			for _, p := range ps {
				if p != ps[n] && slices.Contains(kinds(p), InterfaceLost) {
					t.Error("the others lost no interface")
				}
			}
			exchangeNew(r, ps)
		}
	})
}

// hidden is a host whose interfaces are gone while it says so.
type hidden struct {
	*simnet.Host
	gone atomic.Bool
}

func (h *hidden) Interfaces() ([]transport.Interface, error) {
	if h.gone.Load() {
		return nil, nil
	}
	return h.Host.Interfaces()
}

func TestF8_WhoseInterfaceStaysAwayEndsAndSaysWhy(t *testing.T) {
	inRoom(t, 52, lan, func(r *room) {
		h := &hidden{Host: r.net.Host("p1")}
		r.join(nil)
		r.join(func(c *Config) { c.Network, c.JoinTimeout = h, 10*time.Second })
		ps := r.in
		r.settle(time.Second, ps...)
		h.gone.Store(true)
		r.net.Partition([]string{"p1"})
		began := time.Now()
		ctx, cancel := context.WithTimeout(r.ctx, 20*time.Second)
		defer cancel()
		for {
			e, err := ps[1].NextEvent(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == InterfaceLost {
				break
			}
		}
		<-ps[1].Done()
		if took := time.Since(began); !errors.Is(ps[1].Err(), transport.WSAENETDOWN) || took < 10*time.Second || took > 15*time.Second {
			t.Errorf("after %v it ended with %v", took, ps[1].Err())
		}
		r.settle(5*time.Second, ps[0])
	})
}
