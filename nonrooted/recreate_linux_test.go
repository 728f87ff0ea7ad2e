package nonrooted

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestF8_ALinkThatIsMadeAnewBringsItsMemberBack(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lab := netlab.New(t, netlab.Options{Hosts: []string{"p0", "p1", "p2"}})
	r := &room{T: t, ctx: ctx}
	for i := range 3 {
		p, err := Join(ctx, testGroup, Config{
			Network: lab.Host(name(i)).Network(), Interface: netlab.Device, Identity: crypto.Identity{Code: code}, Data: []byte(name(i)), JoinTimeout: 3 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		r.in = append(r.in, p)
	}
	ps := r.in
	r.settle(5*time.Second, ps...)
	for n := range 2 { // the coordinator, then a member
		if err := lab.Host(name(n)).RecreateLink(); err != nil {
			t.Fatal(err)
		}
		var ks []EventKind
		for !slices.Contains(ks, Parted) {
			e, err := ps[n].NextEvent(ctx)
			if err != nil {
				t.Fatalf("member %d was told %v: %v", n, ks, err)
			}
			ks = append(ks, e.Kind)
		}
		t.Logf("member %d came back %v after that", n, r.settle(wedged, ps...).Round(time.Millisecond))
		if lost := slices.Index(ks, InterfaceLost); lost < 0 || slices.Index(ks, InterfaceBack) < lost {
			t.Errorf("member %d was told %v", n, ks)
		}
		exchangeNew(r, ps)
	}
	if err := lab.Host("p2").DeleteLink(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ps[2].Done():
		if err := ps[2].Err(); !errors.Is(err, transport.WSAENETDOWN) {
			t.Errorf("its interface is gone for good, and it ended with %v", err)
		}
	case <-time.After(wedged):
		t.Error("its interface is gone for good, and it goes on")
	}
	r.settle(wedged, ps[:2]...)
}
