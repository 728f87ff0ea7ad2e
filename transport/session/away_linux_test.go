package session

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// desk is a socket that is looked at, or waited at: what is put there rings only
// bells that are set.
type desk struct {
	transport.PacketConn // Info and the like
	mu                   sync.Mutex
	bells                []*deskBell
	letters              int
	closed               bool
}

type deskBell struct {
	d    *desk
	ring chan struct{}

	set, off bool
}

func (d *desk) NewBell() (transport.Bell, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &deskBell{d: d, ring: make(chan struct{}, 1)}
	d.bells = append(d.bells, b)
	return b, nil
}

func (d *desk) ReadNow(ds []transport.Datagram) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; n < min(len(ds), d.letters); n++ {
		ds[n] = transport.Datagram{B: ds[n].B[:copy(ds[n].B, "junk")]}
	}
	d.letters -= n
	return n, nil
}

// put reports whether that was while all bells were off.
func (d *desk) put() (unheard bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letters++
	unheard = true
	for _, b := range d.bells {
		b.look()
		unheard = unheard && b.off
	}
	return unheard
}

func (d *desk) Close() error {
	d.mu.Lock()
	d.closed = true
	for _, b := range d.bells {
		b.Wake()
	}
	d.mu.Unlock()
	return d.PacketConn.Close()
}

func (d *desk) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.letters
}

func (b *deskBell) look() {
	if b.set && b.d.letters > 0 {
		b.set = false
		b.Wake()
	}
}

func (b *deskBell) change(set, off bool) {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	b.set, b.off = set, off
	b.look()
}

func (b *deskBell) Set()    { b.change(true, false) }
func (b *deskBell) Unset()  { b.change(false, b.off) }
func (b *deskBell) Detach() { b.change(false, true) }
func (b *deskBell) Wake() {
	select {
	case b.ring <- struct{}{}:
	default:
	}
}

func (b *deskBell) Wait(set bool) (bool, error) {
	if set {
		b.Set()
	}
	<-b.ring
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if b.d.closed {
		return false, errClosed("wait")
	}
	return true, nil
}

// atDesk is a sender with such a socket, without anybody to send to.
func atDesk(t *testing.T) (*Session, *desk) {
	t.Helper()
	d := &desk{}
	s, err := New(Config{Self: 1, Sealer: &clearSealer{self: 1}, Streams: []flow.Class{flow.Reliable}, Symbol: flow.SymbolSize(1500, 40, false),
		GroupAddr: netip.MustParseAddrPort("239.194.1.1:9"), Unicast: unicastOnLo(t, d)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, d
}

func unicastOnLo(t *testing.T, d *desk) *desk {
	t.Helper()
	var err error
	if d.PacketConn, err = (transport.Kernel{}).OpenUnicast(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), transport.SocketOptions{Interface: "lo"}); err != nil {
		t.Fatal(err)
	}
	return d
}

// sendsAtSpeed has the sender's books say so, until stop.
func sendsAtSpeed(t *testing.T, s *Session) (stop func()) {
	t.Helper()
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				s.wr.sent.Add(5000)
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	stop = sync.OnceFunc(func() { close(over); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

func TestAway_WhoSendsAtSpeedTakesItsBellsOffAndLooksIn(t *testing.T) {
	s, d := atDesk(t)
	stop := sendsAtSpeed(t, s)
	for range 3 {
		until(t, "the bells are off", d.put) // each letter has the reader look up
		until(t, "what came is read though no bell rang", func() bool { return d.left() == 0 })
	}
	stop()
	until(t, "the reader waits at its bell again when sending ends", func() bool { return d.bellOn(0) })
	d.put()
	until(t, "and is woken by it", func() bool { return d.left() == 0 })
}

func TestAway_ASendThatWaitsCallsTheReaderBack(t *testing.T) {
	s, d := atDesk(t)
	sendsAtSpeed(t, s)
	until(t, "the bells are off", d.put)
	s.tx.callBack()
	until(t, "the reader is back at its bell", func() bool { return d.bellOn(0) })
	for range 3 { // where it stays for a while
		d.put()
		until(t, "a letter is read", func() bool { return d.left() == 0 })
	}
}

func TestAway_WhoseLettersGatherTakesItsBellsOffAfterAWhile(t *testing.T) {
	s, d := atDesk(t)
	until(t, "the reader waits", func() bool { return d.bellOn(0) })
	own, _ := d.NewBell()
	own.Set()
	r := &reader{s: s, own: own}
	for i := range awayNaps + 2 {
		if off := own.(*deskBell).off; off != (i >= awayNaps) {
			t.Errorf("after %d rests the bell is off: %v", i, off)
		}
		r.gather(time.Microsecond)
	}
	d.put() // rings, for the one that reads is set
	own.(*deskBell).Wake()
	if err := r.wait(); err != nil || own.(*deskBell).off || r.away.off || r.away.naps != 0 {
		t.Errorf("%v; after a wait at the bell it is off: %v, %+v", err, own.(*deskBell).off, r.away)
	}
}

func TestAway_NobodyIsAwayBeforeItSendsAtSpeed(t *testing.T) {
	began := time.Now()
	for _, c := range []struct {
		name   string
		sent   uint64 // within a second
		waited time.Duration
		group  bool
		want   bool
	}{
		{"at speed", 30_000, 0, false, true},
		{"slower than packets gather", 20_000, 0, false, false},
		{"the socket of the group: nothing leaves there", 30_000, 0, true, false},
		{"a Send waited a moment ago", 30_000, 995 * time.Millisecond, false, false},
		{"a Send waited before that", 30_000, 900 * time.Millisecond, false, true},
	} {
		s := &Session{}
		s.tx.sender = new(flow.Sender)
		r := &reader{s: s}
		if c.group {
			r.group = netip.MustParseAddrPort("239.194.1.1:9")
		}
		r.sending(began)
		s.wr.sent.Add(c.sent)
		if c.waited > 0 {
			s.tx.waited.Store(true)
			r.sending(began.Add(c.waited))
			s.wr.sent.Add(c.sent)
		}
		if got := r.sending(began.Add(time.Second)); got != c.want {
			t.Errorf("%s: away is %v", c.name, got)
		}
	}
}

// bellOn reports whether that bell is on its socket, and set.
func (d *desk) bellOn(i int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.bells[i].off && d.bells[i].set
}
