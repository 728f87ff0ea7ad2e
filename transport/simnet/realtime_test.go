package simnet_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// Outside a bubble a Net leaves no goroutine (TestMain looks), also when it is
// closed in the middle of traffic.
func TestClose_InTheMiddleOfTraffic(t *testing.T) {
	for range 20 {
		n := simnet.New(seed, simnet.Link{Delay: 10 * time.Microsecond})
		var wg sync.WaitGroup
		a, b := speaker(t, n.Host("a"), transport.SocketOptions{}), speaker(t, n.Host("b"), transport.SocketOptions{})
		endless := func(call func() (int, error)) {
			for {
				if _, err := call(); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		}
		for _, way := range [][2]transport.PacketConn{{a, b}, {b, a}} {
			wg.Go(func() {
				ds := []transport.Datagram{{B: make([]byte, 100), Addr: way[1].LocalAddr()}}
				endless(func() (int, error) { return way[0].WriteBatch(ds) })
			})
			wg.Go(func() {
				endless(func() (int, error) { return way[1].ReadBatch([]transport.Datagram{{B: make([]byte, 100)}}) })
			})
		}
		time.Sleep(time.Millisecond)
		n.Close()
		wg.Wait()
		check(t, n)
	}
}
