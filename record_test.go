package joinleaf

import (
	"math/rand/v2"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR125_R126_R127_R129_R130_TheRecord(t *testing.T) {
	var r record
	if r.note(FDRead, 0) || r.take().Events != 0 {
		t.Error("an event that nobody nominated was recorded")
	}
	r.choose(FDRead | FDConnect)
	if !r.note(FDConnect, transport.WSAECONNREFUSED) || !r.note(FDRead, 0) {
		t.Error("nominated events were not recorded")
	}
	e := r.take()
	if e.Events != FDRead|FDConnect || e.Code(FDConnect) != transport.WSAECONNREFUSED {
		t.Errorf("the record was %+v", e)
	}
	for i, c := range e.Codes {
		if c != 0 && 1<<i != FDConnect {
			t.Errorf("slot %d is %v", i, c)
		}
	}
	if r.take().Events != 0 {
		t.Error("enumerating did not clear it")
	}
	r.note(FDConnect, 0)
	r.choose(FDRead)
	if e := r.take(); e.Events != 0 {
		t.Errorf("a new selection left %+v", e)
	}
	r.choose(0)
	if r.note(FDRead, 0) {
		t.Error("recorded after the selection was cancelled")
	}
}

func TestR132_R134_OnceUntilReEnabled(t *testing.T) {
	var r record
	r.choose(FDAllEvents)
	for _, event := range []uint32{FDRead, FDWrite, FDAccept} {
		if !r.note(event, 0) || r.note(event, 0) {
			t.Errorf("%#x: not recorded exactly once", event)
		}
		r.take()
		if r.note(event, 0) {
			t.Errorf("%#x: enumerating re-enabled it", event)
		}
		r.enable(event)
		if !r.note(event, 0) {
			t.Errorf("%#x: not re-enabled", event)
		}
	}
	r.take()
	r.note(FDConnect, transport.WSAETIMEDOUT)
	r.note(FDConnect, transport.WSAECONNREFUSED)
	if got := r.take().Code(FDConnect); got != transport.WSAECONNREFUSED {
		t.Errorf("of two unread outcomes %v is told", got)
	}
}

// TestR132_RandomHistories compares the record with a plain description of the
// rules: a list of what was recorded, and a set of what waits.
func TestR132_RandomHistories(t *testing.T) {
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		var r record
		mask, waits, set := uint32(0), map[uint32]bool{}, uint32(0)
		held := []uint32{FDRead, FDWrite, FDAccept}
		for range 300 {
			event := held[dice.IntN(3)]
			switch dice.IntN(6) {
			case 0:
				mask = uint32(dice.IntN(0x400)) &^ (FDConnect | FDClose | FDQOS)
				r.choose(mask)
				waits, set = map[uint32]bool{}, 0
			case 1:
				r.enable(event)
				delete(waits, event)
			case 2:
				if got := r.take().Events; got != set {
					t.Fatalf("seed %d: enumerated %#x, want %#x", seed, got, set)
				}
				set = 0
			default:
				rings := mask&event != 0 && !waits[event]
				if r.note(event, 0) != rings {
					t.Fatalf("seed %d: recording %#x rings %v", seed, event, !rings)
				}
				if rings {
					waits[event], set = true, set|event
				}
			}
		}
	}
}

func TestR128_R129_EventObjects(t *testing.T) {
	e := NewEvent()
	waited := e.Wait()
	e.Set()
	e.Set()
	<-waited
	<-e.Wait()
	if !e.IsSet() {
		t.Error("not set")
	}
	e.Reset()
	select {
	case <-e.Wait():
		t.Error("set after Reset")
	default:
	}
	onStage(t, 40, func(s *stage) {
		c := s.session()
		e := selecting(s, c.leaf, FDRead|FDWrite|FDClose)
		if !e.IsSet() { // FD_WRITE is true already
			t.Error("not set")
		}
		s.must(c.leaf.Close())
		e.Reset()
		s.settle()
		if e.IsSet() {
			t.Error("a closed socket sets its event")
		}
		e.Set() // it is still there
		_, err := c.leaf.EnumNetworkEvents(e)
		want(t, "enumerate on a closed socket", err, transport.WSAENOTSOCK)
		if !e.IsSet() {
			t.Error("a failed enumeration reset the event") // R130
		}
	})
	onStage(t, 41, func(s *stage) { // what still happens to a closed socket
		root := s.inviter(nil)
		s.invitable("leaf") // answers nothing
		e := selecting(s, root, FDAllEvents)
		m, err := joinTo(root, s.addr("leaf", 7001))
		s.must(err)
		s.must(root.Close())
		s.must(m.Close()) // cancels the join that was the root's
		s.settle()
		if e.IsSet() {
			t.Error("a closed root sets its event")
		}
	})
}
