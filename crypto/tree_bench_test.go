package crypto

import (
	"fmt"
	"testing"
)

func benchTree(b *testing.B, n int) (*Tree, *Epoch, uint32) {
	b.Helper()
	a, err := NewAuthor(groveSession, 1)
	must(b, err)
	t, err := NewTree(AES256GCM, a)
	if err != nil {
		b.Skip(err)
	}
	e, err := FirstEpoch(groveSession, BindParams(groveParams, a.Public()), groveRoster)
	must(b, err)
	for id := uint32(2); id < uint32(n)+2; id++ {
		must(b, t.Add(id, leafKey(id)))
	}
	c, err := t.Commit(e, groveRoster, false)
	must(b, err)
	return t, c.Epoch, uint32(n) + 1
}

// BenchmarkTreeRemove10000 is one of 10,000 members evicted: keys, wraps, the
// epoch and the signature. (Somebody joins in its place, untimed.)
func BenchmarkTreeRemove10000(b *testing.B) {
	t, e, last := benchTree(b, 10_000)
	gone, wraps, size := uint32(5000), 0, 0
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		t.Remove(gone)
		c, err := t.Commit(e, groveRoster, false)
		must(b, err)
		wraps, size = max(wraps, c.Wraps), max(size, len(c.Parts[0]))
		if c.Wraps > 14 || len(c.Parts) != 1 {
			b.Fatalf("%d wraps in %d parts", c.Wraps, len(c.Parts))
		}
		b.StopTimer()
		last++
		must(b, t.Add(last, leafKey(last)))
		d, err := t.Commit(c.Epoch, groveRoster, false)
		must(b, err)
		e, gone = d.Epoch, last
		b.StartTimer()
	}
	b.ReportMetric(float64(wraps), "wraps")
	b.ReportMetric(float64(size), "bytes")
}

// BenchmarkTreeJoin10000 is one more member let in among 10,000, with its grant.
func BenchmarkTreeJoin10000(b *testing.B) {
	t, e, last := benchTree(b, 10_000)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		last++
		must(b, t.Add(last, [32]byte{1}))
		c, err := t.Commit(e, groveRoster, false)
		must(b, err)
		_, err = t.AppendGrant(nil, last, c.Epoch)
		must(b, err)
		e = c.Epoch
	}
}

func BenchmarkTreeBatch10000(b *testing.B) {
	for _, n := range []uint32{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var parts int
			for range b.N {
				b.StopTimer()
				t, e, _ := benchTree(b, 10_000)
				for i := range n {
					t.Remove(2 + i*10)
				}
				b.StartTimer()
				c, err := t.Commit(e, groveRoster, false)
				must(b, err)
				parts = len(c.Parts)
			}
			b.ReportMetric(float64(parts), "parts")
		})
	}
}

// BenchmarkPathRekey is what one of 10,000 members does when another is evicted.
func BenchmarkPathRekey(b *testing.B) {
	t, e, _ := benchTree(b, 10_000)
	blob, err := t.AppendGrant(nil, 7, e)
	must(b, err)
	t.Remove(9000)
	c, err := t.Commit(e, groveRoster, false)
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		g, err := ParseGrant(groveSession, groveParams, AES256GCM, 1, leafKey(7), blob)
		must(b, err)
		if _, o := g.Path.Rekey(epochZero, g.Epoch, c.Parts[0], false); o != Taken {
			b.Fatal(o)
		}
	}
}

func BenchmarkHashSymbol(b *testing.B) {
	for _, size := range []int{64, 1392, 8896} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				HashSymbol(1, 2, p)
			}
		})
	}
}

// BenchmarkManifests is everything that signed data costs beyond sealing, a
// symbol of 1,392 bytes at a time and at full rate: at the sender the hash and
// its share of a signature, at the receiver the hash, its check and its share
// of a check of the signature.
func BenchmarkManifests(b *testing.B) {
	for _, size := range []int{MaxRekey, 1408, MaxManifest} {
		for _, end := range []string{"sender", "receiver"} {
			b.Run(fmt.Sprintf("%s/%d", end, size), func(b *testing.B) {
				s, v := newManifests(b, size, 0, 1)
				symbol, now, buf := make([]byte, 1392), epochZero, make([]byte, 0, MaxManifest)
				sender := end == "sender"
				b.SetBytes(int64(len(symbol)))
				b.ReportAllocs()
				b.ResetTimer()
				for n := 0; n < b.N; {
					if !sender {
						b.StopTimer()
					}
					first, bodies := n, [][]byte(nil)
					for range 256 {
						s.Symbol(now, 0, uint64(n), symbol)
						n++
					}
					for {
						body, ok := s.Poll(now, buf[:0])
						if !ok {
							break
						}
						if !sender {
							bodies = append(bodies, append([]byte(nil), body...))
						}
					}
					if sender {
						continue
					}
					b.StartTimer()
					for seq := first; seq < n; seq++ {
						v.Symbol(now, 0, uint64(seq), HashSymbol(0, uint64(seq), symbol))
					}
					for _, body := range bodies {
						v.Manifest(now, body, false, nil)
					}
					v.Release(0, v.Covered(0))
				}
				if !sender && v.Covered(0) == 0 {
					b.Fatal("nothing is covered")
				}
			})
		}
	}
}
