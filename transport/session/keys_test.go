package session

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// heardKeys is what Config.Keys was given.
type heardKeys struct {
	mu   sync.Mutex
	got  []string
	bell chan struct{}
}

func (h *heardKeys) take(kind uint8, body []byte, from uint32, pairwise bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if kind == 1 || pairwise {
		return false
	}
	h.got = append(h.got, string(rune('0'+kind))+string(rune('0'+from))+string(body))
	h.bell <- struct{}{}
	return true
}

func TestNewsOfKeysComesUnreadAndCountsAsHeard(t *testing.T) {
	h := &heardKeys{bell: make(chan struct{}, 8)}
	send, recv := pair(t, true, flow.Reliable, func(c *Config) { c.Keys = h.take })
	ctx, p := context.Background(), make([]byte, 100)
	for _, body := range []string{"one", "two"} {
		if err := send.SendKeys(2, []byte(body)); err != nil {
			t.Fatal(err)
		}
		<-h.bell
	}
	if err := send.SendKeys(1, []byte("nobody's")); err != nil {
		t.Fatal(err)
	}
	if err := send.Send(ctx, 0, []byte("data")); err != nil {
		t.Fatal(err)
	}
	if m, err := recv.Recv(ctx, p); err != nil || string(p[:m.N]) != "data" {
		t.Fatalf("%q, %v", p[:m.N], err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if want := []string{"21one", "21two"}; !slices.Equal(h.got, want) {
		t.Errorf("got %q, want %q", h.got, want)
	}
	st := recv.Stats()
	if st.Drops[DropKind] != 1 || st.Receivers.Heard < 4 || st.Receivers.Expected != st.Receivers.Heard {
		t.Errorf("%d dropped, %d expected, %d heard", st.Drops[DropKind], st.Receivers.Expected, st.Receivers.Heard)
	}
	send.Close()
	if err := send.SendKeys(2, nil); err == nil {
		t.Error("a closed session sends")
	}
}
