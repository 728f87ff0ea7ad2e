package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// The streams: two of the root's, and what leaves say.
const (
	reliable   flow.Stream = 0
	bestEffort flow.Stream = 1
	upward     flow.Stream = 2 // stream 0 of a leaf

	longest  = 256 << 10
	numbered = 8 // bytes; a shorter message does not carry its number
)

// script knows every message: number n of a stream is a piece of fixed noise,
// behind its number where there is room for that.
type script struct {
	seed  uint64
	noise []byte
}

func newScript(seed uint64) *script {
	c := &script{seed: seed, noise: make([]byte, 2*longest)}
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i < len(c.noise); i += 8 {
		binary.LittleEndian.PutUint64(c.noise[i:], rng.Uint64())
	}
	return c
}

// draw is splitmix64 of a message's name.
func (c *script) draw(st flow.Stream, n uint64) uint64 {
	x := c.seed + uint64(st)<<56 + n*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// size is 1 byte to 256 KiB on the reliable stream, 10 KB in the mean; small
// elsewhere.
func (c *script) size(st flow.Stream, n uint64) int {
	x := c.draw(st, n)
	class, at := x%1000, int(x>>20)
	switch {
	case st == bestEffort:
		return numbered + at%1200
	case st == upward:
		return numbered + at%4000
	case class < 5:
		return 1
	case class < 10:
		return longest
	case class < 400:
		return 1 + at%64
	case class < 800:
		return 65 + at%2000
	case class < 950:
		return 2<<10 + at%(30<<10)
	}
	return 32<<10 + at%(longest-32<<10)
}

// write appends message n to p.
func (c *script) write(p []byte, st flow.Stream, n uint64) []byte {
	size := c.size(st, n)
	if size >= numbered {
		p = binary.BigEndian.AppendUint64(p, n)
		size -= numbered
	}
	at := c.draw(st, n) >> 32 % longest
	return append(p, c.noise[at:at+uint64(size)]...)
}

// is reports whether p is message n, byte by byte.
func (c *script) is(p []byte, st flow.Stream, n uint64) bool {
	if len(p) != c.size(st, n) {
		return false
	}
	if len(p) >= numbered {
		if binary.BigEndian.Uint64(p) != n {
			return false
		}
		p = p[numbered:]
	}
	at := c.draw(st, n) >> 32 % longest
	return bytes.Equal(p, c.noise[at:at+uint64(len(p))])
}

// account holds one stream, as one member hears it, to its numbers: each comes
// once and in order or was told missing. Until a message that carries its
// number came, it counts from zero and keeps the short ones.
type account struct {
	script *script
	stream flow.Stream
	low    uint64 // what is owed begins here
	high   uint64 // or before this

	mu       sync.Mutex
	anchored bool
	next     uint64
	early    map[uint64][]byte
	got      uint64
	missed   uint64
}

// take checks the next message.
func (a *account) take(p []byte, missed uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next += missed
	a.missed += missed
	a.got++
	n := a.next
	a.next++
	if a.anchored {
		if !a.script.is(p, a.stream, n) {
			return fmt.Errorf("stream %d: want message %d of %d bytes (%d told missed before it), got %s", a.stream, n, a.script.size(a.stream, n), missed, label(p))
		}
		return nil
	}
	if len(p) < numbered {
		if a.early == nil {
			a.early = make(map[uint64][]byte)
		}
		a.early[n] = bytes.Clone(p)
		return nil
	}
	return a.anchor(p, n)
}

// anchor finds the first number from message p, the n-th since the beginning.
func (a *account) anchor(p []byte, n uint64) error {
	start := binary.BigEndian.Uint64(p) - n
	if start < a.low || start > a.high {
		return fmt.Errorf("stream %d: begins with message %d, not from %d to %d: %s came, after %d others, %d told missed", a.stream, int64(start), a.low, a.high, label(p), a.got-1, a.missed)
	}
	if !a.script.is(p, a.stream, start+n) {
		return fmt.Errorf("stream %d: not message %d: %s", a.stream, start+n, label(p))
	}
	for i, q := range a.early {
		if !a.script.is(q, a.stream, start+i) {
			return fmt.Errorf("stream %d: not message %d: %d bytes", a.stream, start+i, len(q))
		}
	}
	a.anchored, a.early = true, nil
	a.next += start
	return nil
}

// position is the number after the last one; false until that is known.
func (a *account) position() (next uint64, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next, a.anchored
}

// totals are the messages that came and those told missing.
func (a *account) totals() (got, missed uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got, a.missed
}

// label tells a wrong message for the report.
func label(p []byte) string {
	if len(p) < numbered {
		return fmt.Sprintf("%d bytes % x", len(p), p)
	}
	return fmt.Sprintf("%d bytes numbered %d", len(p), binary.BigEndian.Uint64(p))
}

var errOver = errors.New("the run is over")
