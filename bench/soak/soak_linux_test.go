package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestSoak_ASessionOutlivesAllThatHappensToItsLeaves(t *testing.T) {
	netlab.Require(t)
	o := options{
		For: 4 * time.Second, Round: 4 * time.Second, Rest: 100 * time.Millisecond, Every: time.Second,
		Pace: 90 * time.Millisecond, Silence: 1500 * time.Millisecond, Leaves: 5, Seed: rand.Uint64(), Rate: 5e6, Thin: true,
	}
	t.Logf("seed %d", o.Seed)
	var out bytes.Buffer
	r, err := run(t.Context(), o, &out)
	if err != nil {
		t.Fatal(err)
	}
	r.show(&out)
	t.Log(out.String())
	for _, f := range r.Failures {
		t.Errorf("at %.3f s, seed %d: %s", f.At, r.Seed, f.What)
	}
	for k := range kinds {
		if r.Events[k.String()] == 0 && len(r.Failures) == 0 {
			t.Errorf("%v never happened", k)
		}
	}
	if r.SentReliable == 0 || r.SentBest == 0 || r.DeliveredReliable < r.SentReliable || r.FromLeaves == 0 || r.Joins < uint64(2*o.Leaves) {
		t.Errorf("too little happened: %+v", r)
	}
}

func TestAccount_TellsEveryMessageThatIsNotTheNext(t *testing.T) {
	c := newScript(7)
	message := func(n uint64) []byte { return c.write(nil, reliable, n) }
	long := func(from uint64) uint64 { // the next one that carries its number
		for c.size(reliable, from) < numbered {
			from++
		}
		return from
	}
	start := long(100)
	fresh := func() *account {
		a := &account{script: c, stream: reliable, low: start, high: start}
		if err := a.take(message(start), 0); err != nil {
			t.Fatal(err)
		}
		for n := start + 1; n < start+50; n++ {
			if err := a.take(message(n), 0); err != nil {
				t.Fatal(err)
			}
		}
		return a
	}
	next := start + 50
	flipped := message(next)
	flipped[len(flipped)-1] ^= 1
	for name, wrong := range map[string]struct {
		p      []byte
		missed uint64
	}{
		"the one before again":  {message(next - 1), 0},
		"one too far":           {message(next + 1), 0},
		"one too far, told two": {message(next + 1), 2},
		"told one that came":    {message(next), 1},
		"another byte":          {flipped, 0},
		"one byte more":         {append(message(next), 0), 0},
		"one byte less":         {message(next)[:len(message(next))-1], 0},
	} {
		if err := fresh().take(wrong.p, wrong.missed); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := fresh().take(message(next+3), 3); err != nil {
		t.Errorf("three told missed: %v", err)
	}
}

func TestAccount_FindsWhereALeafBeganThoughShortMessagesCarryNoNumber(t *testing.T) {
	c := newScript(9)
	first := uint64(0) // a short one, with a long one soon after
	for c.size(reliable, first) >= numbered {
		first++
	}
	feed := func(a *account, from uint64) (err error) {
		for n := from; n < from+20 && err == nil; n++ {
			err = a.take(c.write(nil, reliable, n), 0)
		}
		return err
	}
	a := &account{script: c, stream: reliable, low: first, high: first + 2}
	if err := feed(a, first); err != nil {
		t.Fatal(err)
	}
	if next, known := a.position(); !known || next != first+20 {
		t.Fatal(next, known)
	}
	if feed(&account{script: c, stream: reliable, low: first + 1, high: first + 2}, first) == nil {
		t.Error("what was sent before the join was accepted")
	}
	if feed(&account{script: c, stream: reliable, low: 0, high: first - 1}, first) == nil {
		t.Error("a message that was sent after Accept is missing, and nobody says so")
	}
	a = &account{script: c, stream: reliable, low: 0, high: 1 << 40}
	if err := a.take([]byte{^c.write(nil, reliable, first)[0]}, 0); err != nil {
		t.Fatal(err)
	}
	if feed(a, first+1) == nil {
		t.Error("a short message with a wrong byte was accepted")
	}
}

func TestScript_MixesSizesAndNumbersThem(t *testing.T) {
	c := newScript(3)
	var ones, largest, sum int
	const n = 20_000
	for i := range uint64(n) {
		p := c.write(nil, reliable, i)
		if !c.is(p, reliable, i) || len(p) < 1 || len(p) > longest {
			t.Fatalf("message %d of %d bytes", i, len(p))
		}
		if len(p) >= numbered && binary.BigEndian.Uint64(p) != i {
			t.Fatalf("message %d carries another number", i)
		}
		sum += len(p)
		switch len(p) {
		case 1:
			ones++
		case longest:
			largest++
		}
	}
	if mean := sum / n; ones < n/500 || largest < n/500 || mean < 5_000 || mean > 20_000 {
		t.Errorf("%d of 1 B, %d of 256 KiB, %d B in the mean", ones, largest, mean)
	}
}

func TestGrown_SeesASlopeAndNotWhatComesAndGoes(t *testing.T) {
	points := func(n, leaves int, heap func(i int) int) (ps []point) {
		for i := range n {
			ps = append(ps, point{Leaves: leaves, Heap: uint64(heap(i)) << 20, Goroutines: 50, Descriptors: 30, Buffers: leaves << 20})
		}
		return ps
	}
	noisy := func(i int) int { return 40 + i*7%13 }
	slope := func(i int) int { return 40 + i }
	even := func(int) int { return 40 }
	for _, n := range []int{fewestEmpty - 1, fewestEmpty, 40, 200} {
		if bad := grown(points(n, 0, even)); bad != "" {
			t.Errorf("%d even records: %s", n, bad)
		}
		if bad := grown(points(n, 6, noisy)); bad != "" {
			t.Errorf("%d noisy records: %s", n, bad)
		}
	}
	if bad := grown(points(40, 0, slope)); !strings.Contains(bad, "heap") {
		t.Errorf("40 to 80 MiB without leaves: %q", bad)
	}
	if bad := grown(points(100, 6, slope)); !strings.Contains(bad, "heap") {
		t.Errorf("40 to 140 MiB with leaves: %q", bad)
	}
	more := func(grow func(p *point, i int)) string {
		ps := points(40, 0, even)
		for i := range ps {
			grow(&ps[i], i)
		}
		return grown(ps)
	}
	if bad := more(func(p *point, i int) { p.Goroutines += 2 * i }); !strings.Contains(bad, "goroutines") {
		t.Errorf("2 more goroutines each time: %q", bad)
	}
	if bad := more(func(p *point, i int) { p.Descriptors += i }); !strings.Contains(bad, "descriptors") {
		t.Errorf("one more descriptor each time: %q", bad)
	}
	for _, p := range []point{{Ring: 41 << 20}, {Leaves: 1, Buffers: 200 << 20}} {
		if p.beyond() == "" {
			t.Errorf("%+v is within bounds", p)
		}
	}
	if bad := (point{Ring: 33 << 20, Leaves: 6, Buffers: 60 << 20}).beyond(); bad != "" {
		t.Error(bad)
	}
}

func TestDeck_OneSeedOneStory(t *testing.T) {
	story := func(seed uint64) (list []event) {
		gentle, rough := newDecks(options{Seed: seed, Leaves: 6})
		for range 100 {
			for _, d := range []*deck{gentle, rough} {
				d.deal(func(e event) bool { list = append(list, e); return true })
			}
		}
		return list
	}
	if !slices.Equal(story(1), story(1)) {
		t.Error("one seed draws two stories")
	}
	if slices.Equal(story(1), story(2)) {
		t.Error("two seeds draw one story")
	}
	seen := make(map[kind]bool)
	for _, e := range story(1) {
		seen[e.kind] = true
		if d := e.lasts(5 * time.Second); d < 0 || d > 6250*time.Millisecond || e.amount < 0 || e.amount >= 1 {
			t.Errorf("%v lasts %v", e, d)
		}
	}
	for k := shutdown; k < kinds; k++ {
		if !seen[k] {
			t.Errorf("%v is never drawn", k)
		}
	}
}

func TestParseRate_TakesBytesASecond(t *testing.T) {
	for text, want := range map[string]int{"50MB/s": 50e6, "800kB/s": 800e3, "2000000": 2e6, "1.5GB/s": 15e8, "10kB": 1e4} {
		if n, err := parseRate(text); err != nil || n != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "MB/s", "-5MB/s", "1kB/s", "NaN", "1e99", "50 Mbit/s"} {
		if n, err := parseRate(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
}
