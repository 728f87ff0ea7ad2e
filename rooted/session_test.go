package rooted

import (
	"context"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func TestReliableReachesEveryLeafInOrder(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.05, 0.2} {
		inRoom(t, 1, simnet.Link{Delay: 200 * time.Microsecond, Loss: loss}, func(r *room) {
			root := r.listen(nil)
			leaves := r.leaves(3)
			const n = 2000
			done := make(chan error, len(leaves))
			for _, l := range leaves {
				go func() {
					got, missed, err := take(r.T, r.ctx, l.Recv, 0)
					if got != n || missed != 0 {
						r.Errorf("loss %v: leaf %d got %d, missed %d", loss, l.ID(), got, missed)
					}
					done <- err
				}()
			}
			for i := range n {
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Fatal(err)
				}
			}
			if err := root.Shutdown(r.ctx); err != nil {
				r.Fatal(err)
			}
			for range leaves {
				if err := <-done; err != nil {
					r.Error(err)
				}
			}
			for _, l := range leaves {
				l.Close()
			}
		})
	}
}

func TestBestEffortTellsExactlyWhatWasMissed(t *testing.T) {
	inRoom(t, 2, simnet.Link{Delay: 200 * time.Microsecond, Loss: 0.05}, func(r *room) {
		root := r.listen(func(c *Config) { c.Streams = []flow.Class{flow.BestEffort} })
		leaves := r.leaves(3)
		const n = 3000
		done := make(chan int, len(leaves))
		for _, l := range leaves {
			go func() {
				got, missed, err := take(r.T, r.ctx, l.Recv, 0)
				if err != nil || got+missed != n || missed == 0 {
					r.Errorf("leaf %d: got %d and missed %d of %d, %v", l.ID(), got, missed, n, err)
				}
				done <- missed
			}()
		}
		for i := range n {
			if err := root.Send(r.ctx, numbered(i)); err != nil {
				r.Fatal(err)
			}
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		root.Shutdown(r.ctx)
		for range leaves {
			<-done
		}
		for _, l := range leaves {
			l.Close()
		}
	})
}

func TestR244_NothingFromBeforeTheJoinEverythingAfter(t *testing.T) {
	for seed := range uint64(20) {
		inRoom(t, seed, simnet.Link{Delay: time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.02}, func(r *room) {
			root := r.listen(nil)
			first, _ := r.join("first", nil, nil)
			go take(r.T, r.ctx, first.Recv, 0)
			sent := make(chan int)
			stop := make(chan struct{})
			go func() { // keeps sending while the second one joins
				i := 0
				for ; ; i++ {
					select {
					case <-stop:
						sent <- i
						return
					default:
						root.Send(r.ctx, numbered(i))
						time.Sleep(100 * time.Microsecond)
					}
				}
			}()
			time.Sleep(20 * time.Millisecond)
			late, _ := r.join("late", nil, nil)
			close(stop)
			n := <-sent
			for i := range 50 {
				if err := root.Send(r.ctx, numbered(n+i)); err != nil {
					r.Fatal(err)
				}
			}
			go root.Shutdown(r.ctx)
			p := make([]byte, 64<<10)
			m, err := late.Recv(r.ctx, p)
			if err != nil {
				r.Fatal(err)
			}
			start := int(numberOf(p[:m.N]))
			if start > n {
				r.Errorf("the first message is %d: %d was sent after Accept returned", start, n)
			}
			got, missed, err := take(r.T, r.ctx, late.Recv, start+1)
			if err != nil || missed != 0 || start+1+got != n+50 {
				r.Errorf("from %d: got %d, missed %d, want up to %d; %v", start, got, missed, n+50, err)
			}
			late.Close()
			first.Close()
		})
	}
}

func numberOf(p []byte) (n uint64) {
	for _, b := range p[:8] {
		n = n<<8 | uint64(b)
	}
	return n
}

func TestLeavesSendToTheRootOnly(t *testing.T) {
	inRoom(t, 3, simnet.Link{Delay: time.Millisecond, Loss: 0.05}, func(r *room) {
		root := r.listen(nil)
		leaves := r.leaves(3)
		const n = 300
		for _, l := range leaves {
			go func() {
				for i := range n {
					if err := l.Send(r.ctx, numbered(i)); err != nil {
						r.Error(err)
						return
					}
				}
				if err := l.Drain(r.ctx); err != nil {
					r.Error(err)
				}
			}()
		}
		next := map[uint32]int{}
		p := make([]byte, 64<<10)
		for range n * len(leaves) {
			m, err := root.Recv(r.ctx, p)
			if err != nil {
				r.Fatal(err)
			}
			if string(p[:m.N]) != string(numbered(next[m.From])) || m.Missed != 0 {
				r.Fatalf("leaf %d: message %d is not the next one", m.From, next[m.From])
			}
			next[m.From]++
		}
		time.Sleep(time.Second)
		for _, l := range leaves {
			if h := l.Stats().Data.Receivers.Messages; h != 0 { // R235
				r.Errorf("leaf %d heard %d messages of other leaves", l.ID(), h)
			}
			l.Close()
		}
	})
}

func TestR238_NonrootedDataReachesAllOthers(t *testing.T) {
	inRoom(t, 4, simnet.Link{Delay: time.Millisecond, Loss: 0.03}, func(r *room) {
		root := r.listen(func(c *Config) { c.Data = NonrootedData })
		leaves := r.leaves(3)
		time.Sleep(time.Second) // everybody has met everybody
		const n = 200
		send := func(f func(context.Context, []byte) error) {
			for i := range n {
				if err := f(r.ctx, numbered(i)); err != nil {
					r.Error(err)
					return
				}
			}
		}
		go send(root.Send)
		for _, l := range leaves {
			go send(l.Send)
		}
		recv := func(name uint32, f func(context.Context, []byte) (Message, error), done chan<- bool) {
			next := map[uint32]int{}
			p := make([]byte, 64<<10)
			for range n * len(leaves) {
				m, err := f(r.ctx, p)
				if err != nil {
					r.Errorf("member %d: %v after %v", name, err, next)
					break
				}
				if m.Missed != 0 || string(p[:m.N]) != string(numbered(next[m.From])) {
					r.Errorf("member %d: message %d of %d is not the next one", name, next[m.From], m.From)
					break
				}
				next[m.From]++
			}
			done <- true
		}
		done := make(chan bool)
		go recv(1, root.Recv, done)
		for _, l := range leaves {
			go recv(l.ID(), l.Recv, done)
		}
		for range len(leaves) + 1 {
			<-done
		}
		for _, l := range leaves {
			l.Close()
		}
	})
}
