package rooted

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
)

// The root is told of junk as leaves are, and of nothing where there is none.
func TestP9_TheRootIsToldOfJunk(t *testing.T) {
	inRoom(t, 96, quick, func(r *room) {
		root := r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		count := func() (n int) {
			for {
				e, ok := root.events.take()
				if !ok {
					return n
				}
				if e.Kind == Junk {
					n++
				}
			}
		}
		time.Sleep(5 * time.Second)
		if n := count(); n != 0 {
			r.Errorf("%d events of junk before there was any", n)
		}
		p, err := l.ring.Seal(nil, control.RootID, crypto.KindData, 0, make([]byte, 100))
		if err != nil {
			r.Fatal(err)
		}
		p[len(p)-1] ^= 1
		for range 3000 {
			r.net.Inject(l.s.LocalAddr(), root.data.LocalAddr(), p)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := count(); n < 2 || n > 4 {
			r.Errorf("%d events of three seconds of junk", n)
		}
	})
}
