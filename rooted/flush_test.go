package rooted

import (
	"testing"
	"time"
)

// Who flushes wants an answer: what it sends is signed at once, though something was
// signed just before.
func TestSigned_FlushHasItSignedAtOnce(t *testing.T) {
	for _, flush := range []bool{true, false} {
		inRoom(t, 77, quick, func(r *room) {
			r.level = Signed
			root := r.listen(nil)
			l := r.leaves(1)[0]
			time.Sleep(time.Second)
			var worst time.Duration
			for i := range 40 {
				at := time.Now()
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Fatal(err)
				}
				if flush {
					root.Flush()
				}
				if _, err := l.Recv(r.ctx, make([]byte, 64<<10)); err != nil {
					r.Fatal(err)
				}
				worst = max(worst, time.Since(at))
				time.Sleep(time.Millisecond)
			}
			if r.Logf("flush %v: %v at worst", flush, worst); flush != (worst < 2*time.Millisecond) {
				r.Error("want a round trip with Flush, and the wait for company without")
			}
		})
	}
}

// Where leaves read at once nobody waits for a proof, so Flush asks for none.
func TestSigned_FlushHurriesNothingForWhoReadsAtOnce(t *testing.T) {
	inRoom(t, 78, quick, func(r *room) {
		r.level = SignedEager
		root := r.listen(nil)
		r.leaves(1)
		time.Sleep(time.Second)
		before := root.Stats().Data.Manifests
		for i := range 40 {
			if err := root.Send(r.ctx, numbered(i)); err != nil {
				r.Fatal(err)
			}
			root.Flush()
			time.Sleep(time.Millisecond)
		}
		if n := root.Stats().Data.Manifests - before; n < 4 || n > 12 {
			r.Errorf("%d manifests in 40 ms, not one each 5 ms or so", n)
		}
	})
}
