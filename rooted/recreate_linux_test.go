package rooted

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestF8_ALinkThatIsMadeAnewHearsTheGroupAgain(t *testing.T) {
	netlab.Require(t)
	lab := netlab.New(t, netlab.Options{Hosts: []string{"root", "leaf"}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	config := func(h string) Config {
		return Config{Network: lab.Host(h).Network(), Identity: crypto.Identity{Code: code}, Source: Group, Interface: netlab.Device, Silence: 2 * time.Second}
	}
	rc := config("root")
	rc.Control = netip.AddrPortFrom(lab.Host("root").Addr4(), 7001)
	root, err := Listen(ctx, testGroup, rc)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	go root.Accept(ctx)
	leaf, err := Join(ctx, root.Addr(), nil, config("leaf"))
	if err != nil {
		t.Fatal(err)
	}
	defer leaf.Close()

	const n = 3000
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for i := range n {
			if err := root.Send(ctx, numbered(i)); err != nil {
				t.Errorf("send %d: %v", i, err)
				return
			}
			time.Sleep(200 * time.Microsecond)
		}
	})
	p := make([]byte, 64<<10)
	for i := range n {
		if i == n/2 {
			if err := lab.Host("leaf").RecreateLink(); err != nil {
				t.Error(err)
			}
		}
		m, err := leaf.Recv(ctx, p)
		if err != nil || m.Missed != 0 || !bytes.Equal(p[:m.N], numbered(i)) {
			t.Fatalf("message %d: %d bytes, %d missed, %v; %+v", i, m.N, m.Missed, err, leaf.Stats().Data)
		}
	}
	for {
		e, err := leaf.NextEvent(ctx)
		if err != nil {
			t.Fatalf("the leaf was not told that the group was silent: %v", err)
		}
		if e.Kind == GroupSilent {
			break
		}
	}
}
