package session

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// Who has no key yet is not refused by the system: what it sends waits, for as long
// as it takes, and leaves with the first key.
func TestWhatIsSentBeforeTheFirstKeyWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		barred := &barred{Sealer: &clearSealer{self: 1}}
		send, recv := pairOf(t, true, Config{Streams: []flow.Class{flow.Reliable}, Sealer: barred, Keyless: true, Logger: slog.New(slog.NewTextHandler(log, nil))})
		ctx, p := context.Background(), make([]byte, 100)
		for i, text := range []string{"before", "still before"} {
			if err := send.Send(ctx, 0, []byte(text)); err != nil {
				t.Fatalf("Send %d: %v", i, err)
			}
			time.Sleep(3 * time.Second)
		}
		if err := send.Cut(func() error { return errors.New("not yet") }); err == nil || barred.asked.Load() {
			t.Errorf("%v; it was asked to seal: %v", err, barred.asked.Load())
		}
		if err := send.Cut(func() error { barred.open.Store(true); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := send.Send(ctx, 0, []byte("after")); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"before", "still before", "after"} {
			if m, err := recv.Recv(ctx, p); err != nil || string(p[:m.N]) != want {
				t.Fatalf("%q, %v, want %q", p[:m.N], err, want)
			}
		}
		send.Close()
		recv.Close()
		if log.Len() > 0 {
			t.Errorf("logged: %s", log)
		}
	})
}

// barred seals nothing before it is open.
type barred struct {
	Sealer
	open, asked atomic.Bool
}

func (b *barred) SealAll(dst []byte, to uint32, kind, flags uint8, frames [][]byte) ([]byte, error) {
	if !b.open.Load() {
		b.asked.Store(true)
		return nil, errors.New("no key to seal with")
	}
	return b.Sealer.SealAll(dst, to, kind, flags, frames)
}
