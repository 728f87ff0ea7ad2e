package transport

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// belfry is a socket on lo with two bells, and one to ring them with.
type belfry struct {
	talk
	a, b *bell
	in   []Datagram
}

func newBelfry(t *testing.T) *belfry {
	k := newTalk(t, true, SocketOptions{}) // a socket of one's own: nobody else's packets
	y := &belfry{talk: k, in: room(4)}
	for _, b := range []**bell{&y.a, &y.b} {
		made, err := k.to.NewBell()
		if err != nil {
			t.Fatal(err)
		}
		*b = made.(*bell)
	}
	return y
}

// come has a packet come; on lo it is there when the write returns.
func (y *belfry) come(t *testing.T) {
	t.Helper()
	if n, err := y.from.WriteBatch([]Datagram{{B: []byte("ding"), Addr: y.dst}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

// count reads what is there.
func (y *belfry) count(t *testing.T) int {
	t.Helper()
	for i := range y.in {
		y.in[i].B = y.in[i].B[:cap(y.in[i].B)]
	}
	n, err := y.to.ReadNow(y.in)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wait(t *testing.T, b *bell, set, want bool) {
	t.Helper()
	if rung, err := b.Wait(set); rung != want || err != nil {
		t.Fatalf("Wait = %v, %v; want %v", rung, err, want)
	}
}

// hasRung takes a ring that is there, without a wait.
func hasRung(b *bell) (rung bool) {
	b.raw.Control(func(fd uintptr) { rung = b.take(fd) })
	return rung
}

func TestBell_OnlyTheOneThatIsSetRings(t *testing.T) {
	y := newBelfry(t)
	y.b.Set()
	y.come(t)
	wait(t, y.b, false, true)
	if hasRung(y.a) {
		t.Error("a bell rang that was not set")
	}
	y.come(t)
	if hasRung(y.b) {
		t.Error("a bell rang twice and was set once")
	}
	y.a.Set()
	y.a.Unset()
	if hasRung(y.a) {
		t.Error("a bell rang that was unset")
	}
	y.a.Set()
	wait(t, y.a, false, true) // what is there already rings at once
	if n := y.count(t) + y.count(t); n != 2 {
		t.Errorf("%d packets, not 2", n)
	}
}

func TestBell_AWakeEndsTheWaitOrTheNextOne(t *testing.T) {
	y := newBelfry(t)
	y.a.Wake()
	wait(t, y.a, true, false)
	woken := time.AfterFunc(10*time.Millisecond, y.a.Wake)
	defer woken.Stop()
	wait(t, y.a, true, false)
	y.come(t)
	wait(t, y.a, true, true)
}

// The wait that a Wake ended has left the bell set. It has rung meanwhile, and
// who waits next must hear of it.
func TestBell_RingThatAnEarlierWaitLeftBehindIsHeard(t *testing.T) {
	y := newBelfry(t)
	woken := time.AfterFunc(10*time.Millisecond, y.a.Wake)
	defer woken.Stop()
	wait(t, y.a, true, false)
	y.come(t)
	wait(t, y.a, true, true)
	if n := y.count(t); n != 1 {
		t.Errorf("%d packets, not 1", n)
	}
	woken.Reset(10 * time.Millisecond)
	wait(t, y.a, true, false) // nothing is there: no ring is left over
}

// Who moves the turn sets a bell while its waiter is on the way to wait.
func TestBell_SetAtAnyMomentOfAWaitRings(t *testing.T) {
	y := newBelfry(t)
	for range 2000 {
		done := make(chan error, 1)
		go func() { _, err := y.a.Wait(false); done <- err }()
		y.a.Set()
		y.a.Unset()
		y.come(t)
		y.a.Set()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n := y.count(t); n != 1 {
			t.Fatalf("%d packets, not 1", n)
		}
	}
}

func TestBell_CloseEndsEveryWait(t *testing.T) {
	y := newBelfry(t)
	done := make(chan error, 2)
	go func() { _, err := y.a.Wait(true); done <- err }()
	go func() { _, err := y.b.Wait(false); done <- err }()
	time.Sleep(10 * time.Millisecond)
	y.to.Close()
	for range cap(done) {
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait: %v", err)
		}
	}
	if _, err := y.a.Wait(true); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Wait after Close: %v", err)
	}
	if _, err := y.to.ReadNow(room(1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadNow after Close: %v", err)
	}
	if _, err := y.to.NewBell(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("NewBell after Close: %v", err)
	}
	y.a.Set() // harmless
	y.a.Unset()
	y.a.Wake()
}

func TestBell_AllocatesNothing(t *testing.T) {
	y := newBelfry(t)
	out := []Datagram{{B: make([]byte, 64), Addr: y.dst}}
	allocs := testing.AllocsPerRun(300, func() {
		y.b.Set()
		y.b.Unset()
		if y.count(t) != 0 {
			t.Fatal("a packet out of nowhere")
		}
		y.a.Wake()
		wait(t, y.a, true, false)
		y.from.WriteBatch(out)
		wait(t, y.a, true, true)
		if y.count(t) != 1 {
			t.Fatal("the packet is not there")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations; want none", allocs)
	}
}

// A read of one packet leaves out the read that would find nothing; what has
// come by then must ring all the same.
func TestReadBatch_AfterAShortReadMissesNothing(t *testing.T) {
	y := newBelfry(t)
	for i := range 1000 {
		y.come(t)
		for want := 1; want > 0; {
			for j := range y.in {
				y.in[j].B = y.in[j].B[:cap(y.in[j].B)]
			}
			n, err := y.to.ReadBatch(y.in)
			if err != nil {
				t.Fatalf("packet %d: %v", i, err)
			}
			if y.in[0].Addr != (netip.AddrPortFrom(y.in[0].Addr.Addr(), y.from.LocalAddr().Port())) {
				t.Fatalf("from %v", y.in[0].Addr)
			}
			if want -= n; i%2 == 0 && n == 1 && want == 0 {
				y.come(t) // before the next read begins
				want++
				i++
			}
		}
	}
}
