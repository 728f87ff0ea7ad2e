package rooted

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

func TestK1_EvictIsPromptWhoeverElseLeavesOrSaysNothing(t *testing.T) {
	inRoom(t, 34, quick, func(r *room) {
		r.listen(nil)
		mute, _ := r.join("mute", nil, nil)
		eve, m := r.join("eve", nil, nil)
		var guests []*Leaf
		for range 20 {
			l, _ := r.join("guest", nil, nil)
			guests = append(guests, l)
		}
		time.Sleep(time.Second)
		r.net.Partition([]string{"mute"}) // answers no rekey
		done := make(chan struct{})
		go func() {
			for _, l := range guests {
				l.Close()
				time.Sleep(200 * time.Millisecond)
			}
			close(done)
		}()
		start := time.Now()
		m.Evict(transport.WSAEACCES, "out")
		if d := time.Since(start); d > 600*time.Millisecond {
			r.Errorf("Evict took %v", d)
		}
		<-done
		r.net.Heal()
		eve.Close()
		mute.Close()
	})
}
