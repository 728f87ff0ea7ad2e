package crypto

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

var testGroup = netip.MustParseAddrPort("239.255.77.1:7000")

// suites are those that this process may use.
var suites = slices.DeleteFunc([]Suite{AES256GCM, AES256GCMRandomNonce, ChaCha20Poly1305},
	func(s Suite) bool { return s.Check() != nil })

// BenchmarkBare is the cipher alone, what Seal and Open are measured against.
func BenchmarkBare(b *testing.B) {
	for _, size := range []int{64, 1408} {
		a, err := buildAEAD(AES256GCM, new(secret))
		if err != nil {
			b.Skip(err)
		}
		nonce, aad, payload := make([]byte, 12), make([]byte, aadSize), make([]byte, size)
		dst := make([]byte, 0, size+40)
		b.Run(fmt.Sprintf("seal/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				dst = a.Seal(dst[:0], nonce, payload, aad)
			}
		})
		sealed := a.Seal(nil, nonce, payload, aad)
		work := make([]byte, len(sealed))
		b.Run(fmt.Sprintf("open/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				copy(work, sealed)
				if _, err := a.Open(work[:0], nonce, work, aad); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		for _, size := range []int{64, 1408} {
			b.Run(fmt.Sprintf("suite%d/%d", s, size), func(b *testing.B) {
				root, _ := newPeers(b, s)
				payload, dst := make([]byte, size), make([]byte, 0, size+s.Overhead())
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					var err error
					if dst, err = root.Seal(dst[:0], 0, KindData, 0, payload); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, s := range suites {
		for _, size := range []int{64, 1408} {
			b.Run(fmt.Sprintf("suite%d/%d", s, size), func(b *testing.B) { benchmarkOpen(b, s, size, 1) })
		}
	}
	// Two goroutines that open one sender's packets, on two cores.
	b.Run("suite1/1408/parallel", func(b *testing.B) { benchmarkOpen(b, AES256GCM, 1408, 2) })
}

// benchmarkOpen opens each packet once, as a receiver does: sealing happens
// with the clock stopped, a batch at a time.
func benchmarkOpen(b *testing.B, s Suite, size, workers int) {
	const batch = 4096
	root, leaf := newPeers(b, s)
	packets := make([][]byte, batch)
	for i := range packets {
		packets[i] = make([]byte, 0, size+s.Overhead())
	}
	payload := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		b.StopTimer()
		for i := range packets {
			packets[i], _ = root.Seal(packets[i][:0], 0, KindData, 0, payload)
		}
		b.StartTimer()
		openAll(b, leaf, packets[:min(batch, b.N-n)], workers)
	}
}
