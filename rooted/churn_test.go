package rooted

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// lag looks every 10 ms who lacks the root's newest keys until stop is closed, and
// gives the longest that one leaf went without an epoch that the root had.
func (r *room) lag(ls []*Leaf, stop <-chan struct{}) <-chan time.Duration {
	worst := make(chan time.Duration, 1)
	go func() {
		made := map[uint64]time.Time{}
		var most time.Duration
		for running := true; running; time.Sleep(10 * time.Millisecond) {
			var newest uint64
			r.root.do(func(time.Time, *control.Root) { newest = r.root.epoch.Number() })
			if _, known := made[newest]; !known {
				made[newest] = time.Now()
			}
			for _, l := range ls {
				has := l.holds()
				for n, at := range made {
					if n > has {
						most = max(most, time.Since(at))
					}
				}
			}
			select {
			case <-stop:
				running = false
			default:
			}
		}
		worst <- most
	}()
	return worst
}

// loseRekeys drops 30 % of what is said of keys and 2 % of the rest, each
// receiver's its own.
func (r *room) loseRekeys(seed uint64) {
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, 0))
	r.net.Filter(func(p simnet.Packet) bool {
		mu.Lock()
		defer mu.Unlock()
		switch kindOf(p) {
		case crypto.KindRekey, crypto.KindEpoch:
			return dice.Float64() >= 0.3
		case crypto.KindData, crypto.KindManifest:
			return dice.Float64() >= 0.02
		}
		return true
	})
}

func TestK5_AReliableTransferLosesNothingThoughKeysChangeAndRekeysAreLost(t *testing.T) {
	for _, level := range []SourceLevel{Group, Signed} {
		t.Run(level.String(), func(t *testing.T) { churn(t, level) })
	}
}

// churn is a transfer to some while others come and go every 100 ms.
func churn(t *testing.T, level SourceLevel) {
	inRoom(t, 51, quick, func(r *room) {
		r.level = level
		root := r.listen(nil)
		stays := r.leaves(3)
		r.loseRekeys(51)
		done := make(chan int, len(stays))
		for _, l := range stays {
			go func() {
				got, missed, err := take(r.T, r.ctx, l.Recv, 0)
				if missed != 0 || err != nil {
					r.Errorf("leaf %d missed %d, %v", l.ID(), missed, err)
				}
				done <- got
			}()
		}
		stop, sent := make(chan struct{}), make(chan int)
		go func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					sent <- i
					return
				default:
				}
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		}()
		lag := r.lag(stays, stop)
		var guests sync.WaitGroup
		for i := range 20 {
			guests.Go(func() { root.Accept(r.ctx) })
			guests.Go(func() {
				l, err := Join(r.ctx, root.Addr(), nil, r.config(fmt.Sprintf("guest%d", i)))
				if err != nil {
					r.Error(err)
					return
				}
				if err := visit(r.ctx, l, root.member(l.ID()), i); err != nil {
					r.Error(err)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		guests.Wait()
		close(stop)
		n := <-sent
		worst, st := <-lag, root.Stats().Control
		if r.Logf("%d epochs, %d granted, somebody was behind for %v", st.Epochs, st.Granted, worst); worst > 2*time.Second {
			r.Error("that is too long")
		}
		if st.Granted == 0 {
			r.Error("nobody lost a rekey: the test tests nothing")
		}
		if st.Epochs < 10 { // two who come within one view share an epoch: less than one a guest
			r.Error("the keys hardly changed: the test tests nothing")
		}
		if err := root.Shutdown(r.ctx); err != nil {
			r.Error(err)
		}
		for range stays {
			if got := <-done; got != n {
				r.Errorf("%d of %d messages came", got, n)
			}
		}
	})
}
