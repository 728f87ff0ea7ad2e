package crypto

import (
	"sync"
	"sync/atomic"
	"time"
)

// farTries is how often a second a sender's packet that skips a whole
// generation is tried. Such a packet is honest only after an outage of millions
// of packets; a forged one costs us a key derivation.
const farTries = 10

// inbound is what one sender may still deliver under one secret. Goroutines
// that open packets hold mu for a few instructions before and after decrypting,
// never while.
type inbound struct {
	admitted atomic.Bool

	mu     sync.Mutex
	secret *secret // nil once wiped
	window window
	end    uint64 // numbers from here on are refused
	newest uint32 // generation of the highest number opened
	keys   [3]*generation
	tries  tries
}

func newInbound(s *secret, words int) *inbound {
	return &inbound{secret: s, window: newWindow(words), end: lastNumber + 1}
}

// check says whether number is worth decrypting, and with which key.
func (in *inbound) check(number uint64, build maker) (*generation, Drop) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.secret == nil:
		return nil, DropClosed
	case number > lastNumber:
		return nil, DropGeneration
	case number >= in.end:
		return nil, DropClosed
	case !in.window.fresh(number):
		return nil, DropReplay
	}
	g := generationOf(number)
	if key := in.keys[g%3]; key != nil && key.number == g {
		return key, 0
	}
	if g <= in.newest+1 { // the one before, this one or the next: kept
		key := newGeneration(in.secret, g, build)
		in.keys[g%3] = key
		return key, 0
	}
	if !in.tries.allow(time.Now()) {
		return nil, DropGeneration
	}
	return newGeneration(in.secret, g, build), 0
}

// mark records that number opened with key. It is where two copies that were
// decrypted at the same time part: one is a replay.
func (in *inbound) mark(number uint64, key *generation) Drop {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.secret == nil || number >= in.end { // the end came while it was decrypted
		return DropClosed
	}
	if !in.window.mark(number) {
		return DropReplay
	}
	if key.number > in.newest {
		in.newest = key.number
		in.keys[key.number%3] = key
		for i, k := range in.keys {
			if k != nil && k.number+1 < in.newest {
				in.keys[i] = nil
			}
		}
	}
	return 0
}

func (in *inbound) wipe() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.secret.wipe()
	in.secret = nil
	in.keys = [3]*generation{}
}

// tries counts within a second that starts with the first try.
type tries struct {
	since time.Time
	n     int
}

func (t *tries) allow(now time.Time) bool {
	if t.n == 0 || now.Sub(t.since) >= time.Second {
		t.since, t.n = now, 0
	}
	t.n++
	return t.n <= farTries
}
