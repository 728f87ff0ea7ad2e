package control

import (
	"flag"
	"slices"
	"testing"
	"time"
)

var histories = flag.Int("histories", 500, "seeded histories of a session of equals")

// TestN4_HistoriesEndInOneRoster lets joins, crashes, departures, evictions,
// sleeps, loss and partitions happen in an order that only the seed knows. When
// the network is whole again and quiet, all who are up and were not evicted are
// one session. Throughout, no two members may hold one id under one key: then
// their packet numbers would be nonces twice.
func TestN4_HistoriesEndInOneRoster(t *testing.T) {
	n := *histories
	if testing.Short() {
		n = 50
	}
	for seed := range uint64(n) {
		w := newTown(t, seed)
		w.rooted = seed%5 == 4
		history(w, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func history(w *town, seed uint64) {
	defer func() {
		if w.t.Failed() {
			w.t.Logf("seed %d", seed)
		}
	}()
	size := 2 + w.dice.IntN(9)
	if seed%50 == 49 {
		size = 24
	}
	for range size {
		w.join()
		w.run(time.Duration(w.dice.Int64N(int64(300 * time.Millisecond))))
	}
	w.loss = []float64{0, 0.01, 0.1}[w.dice.IntN(3)]
	for range 6 + w.dice.IntN(8) {
		w.something()
		w.run(time.Duration(w.dice.Int64N(int64(4 * time.Second))))
	}
	clear(w.side)
	w.loss = 0
	w.run(5 * time.Second) // the last sleeper is awake
	if !w.until(30*time.Second, w.allAgree) {
		w.t.Fatalf("seed %d: no agreement 30 s after everything was well\n%s", seed, w)
	}
	w.run(3 * time.Second)
	if !w.allAgree() {
		w.t.Fatalf("seed %d: the agreement did not last\n%s", seed, w)
	}
	for _, h := range w.alive() {
		// An eviction that died with the only one who knew of it is none.
		known := slices.ContainsFunc(w.alive(), func(o *home) bool { return o.m.isDenied(h.pin) })
		if known {
			w.t.Fatalf("seed %d: home %d was evicted and is in\n%s", seed, h.n, w)
		}
	}
	for _, h := range w.homes {
		if h.closed && !w.evicted[h.pin] && h.code != "left" {
			w.t.Fatalf("seed %d: home %d ended: %s", seed, h.n, h.code)
		}
	}
}

// something happens.
func (w *town) something() {
	up := w.alive()
	if len(up) == 0 {
		w.join()
		return
	}
	h := up[w.dice.IntN(len(up))]
	switch w.dice.IntN(10) {
	case 0, 1:
		w.join()
	case 2:
		w.crash(h)
	case 3:
		h.m.Leave(w.now)
		w.drain(h)
	case 4, 5, 6:
		for _, h := range w.homes {
			w.side[h.n] = w.dice.IntN(2 + w.dice.IntN(2))
		}
	case 7:
		clear(w.side)
	case 8:
		w.sleep(h, time.Duration(w.dice.Int64N(int64(5*time.Second))))
	case 9:
		i := slices.IndexFunc(up, func(h *home) bool { return h.m.standing == leading })
		if i < 0 || len(up[i].roster) < 3 {
			return
		}
		lead := up[i]
		e := lead.roster[w.dice.IntN(len(lead.roster))]
		if e.ID == lead.id {
			return
		}
		if lead.m.Evict(w.now, e.ID) == nil {
			w.evicted[e.Pin] = true
		}
		w.drain(lead)
	}
}
