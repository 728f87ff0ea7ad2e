package rooted

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestF8_ALinkThatIsMadeAnewHearsTheGroupAgain(t *testing.T) {
	netlab.Require(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	lab, root, _, leaf := inLab(t, ctx, Config{Source: Group, Silence: 2 * time.Second})

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
