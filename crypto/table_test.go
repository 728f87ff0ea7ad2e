package crypto

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestTable_AgreesWithAMap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var tab table[int]
	model := map[uint32]*int{}
	for i := range 50_000 {
		id := rng.Uint32N(3000)
		switch {
		case rng.IntN(3) == 0:
			tab.set(id, nil)
			delete(model, id)
		default:
			v := i
			tab.set(id, &v)
			model[id] = &v
		}
		if id = rng.Uint32N(3000); tab.get(id) != model[id] {
			t.Fatalf("after %d changes id %d differs", i, id)
		}
		if tab.live != len(model) {
			t.Fatalf("after %d changes: %d live, want %d", i, tab.live, len(model))
		}
	}
	n := 0
	tab.each(func(id uint32, v *int) {
		n++
		if model[id] != v {
			t.Errorf("each: id %d differs", id)
		}
	})
	if size := len(*tab.array.Load()); n != len(model) || size > 8*3000 {
		t.Errorf("each saw %d of %d; %d places", n, len(model), size)
	}
}

func TestTable_StaysSmallWhileIDsRiseForEver(t *testing.T) {
	var tab table[int]
	for id := uint32(1); id <= 100_000; id++ {
		tab.set(id, new(int))
		if id > 10 {
			tab.set(id-10, nil)
		}
	}
	if size := len(*tab.array.Load()); tab.live != 10 || size > 64 {
		t.Errorf("%d live in %d places", tab.live, size)
	}
}

// Ids are dense and a stranger may ask for any: misses must stay short.
func TestTable_MissesAreShort(t *testing.T) {
	var tab table[int]
	for id := uint32(1); id <= 10_000; id++ {
		tab.set(id, new(int))
	}
	rows := *tab.array.Load()
	longest := 0
	for id := uint32(0); id < 200_000; id++ {
		n := 0
		for i := slot(id, len(rows)); rows[i].Load() != nil && rows[i].Load().id != id; i = (i + 1) & (len(rows) - 1) {
			n++
		}
		longest = max(longest, n)
	}
	if longest > 32 {
		t.Errorf("a look-up passes %d rows", longest)
	}
}

func TestTable_ReadersSeeEveryRowThatStays(t *testing.T) {
	var tab table[int]
	tab.set(7, new(int))
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if tab.get(7) == nil {
					t.Error("row 7 was away for a moment")
					return
				}
			}
		})
	}
	for id := uint32(8); id < 20_000; id++ {
		tab.set(id, new(int))
		tab.set(id, nil)
	}
	close(done)
	wg.Wait()
}
