package session

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// onLo is a sender and a receiver with the kernel's sockets on lo.
type onLo struct {
	send, recv *Session
	group      transport.Group
}

var groupPort atomic.Uint32

func newOnLo(t testing.TB, class flow.Class, change ...func(send, recv *Config)) *onLo {
	t.Helper()
	pid := os.Getpid()
	h := &onLo{group: transport.Group{Interface: "lo", Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 194, byte(pid >> 8), byte(pid)}),
		uint16(17500+groupPort.Add(1)))}}
	o := transport.SocketOptions{Interface: "lo"}
	unicast := func() transport.PacketConn {
		c, err := transport.Kernel{}.OpenUnicast(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), o)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := Config{GroupAddr: h.group.Addr, Symbol: flow.SymbolSize(1500, 40, false), Streams: []flow.Class{class}}
	a, b := c, c
	a.Self, a.Sealer, a.Unicast = 1, &clearSealer{self: 1}, unicast()
	b.Self, b.Sealer, b.Unicast, b.Group, b.ReceiveOnly = 2, &clearSealer{self: 2}, unicast(), h.open(t), true
	a.BusyPoll, b.BusyPoll = busyPoll, busyPoll
	addrA, addrB := a.Unicast.LocalAddr(), b.Unicast.LocalAddr()
	for _, f := range change {
		f(&a, &b)
	}
	start := func(c Config) *Session {
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		giveUp := time.AfterFunc(20*time.Second, func() { t.Error("it hangs"); s.Close() })
		t.Cleanup(func() { giveUp.Stop(); s.Close() })
		return s
	}
	h.send, h.recv = start(a), start(b)
	edges := h.send.AddMember(2, addrB, flow.Admission{})
	if err := h.recv.AdmitSender(1, addrA, edges); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *onLo) open(t testing.TB) transport.PacketConn {
	t.Helper()
	g, err := transport.Kernel{}.OpenGroup(t.Context(), h.group, transport.SocketOptions{Interface: "lo"})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// say sends a numbered message, long enough to leave alone.
func (h *onLo) say(t testing.TB, n uint64, size int) {
	t.Helper()
	if err := h.send.Send(context.Background(), 0, binary.BigEndian.AppendUint64(make([]byte, 0, size), n)[:max(8, size)]); err != nil {
		t.Fatal(err)
	}
	h.send.Flush()
}

// expect receives the message with that number.
func (h *onLo) expect(t testing.TB, n uint64) {
	t.Helper()
	p := make([]byte, 64<<10)
	m, err := h.recv.Recv(context.Background(), p)
	if err != nil {
		t.Fatalf("message %d: %v", n, err)
	}
	if got := binary.BigEndian.Uint64(p); got != n || m.Missed != 0 {
		t.Fatalf("message %d came, %d missed, instead of %d", got, m.Missed, n)
	}
}

func (h *onLo) turn() (t *turn, lent bool) {
	x := &h.recv.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.turn, x.turn != nil && x.turn.lent
}

// until waits for what must come.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for began := time.Now(); !f(); time.Sleep(100 * time.Microsecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("never: " + what)
		}
	}
}

// isLent waits until somebody in Recv has the turn.
func (h *onLo) isLent(t testing.TB) {
	t.Helper()
	until(t, "Recv waits at the socket", func() bool { _, lent := h.turn(); return lent })
	time.Sleep(time.Millisecond) // as a rule it waits by then; where it does not yet, the case is another good one
}

// waiting is a Recv that waits.
func (h *onLo) waiting(t testing.TB, ctx context.Context) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { _, err := h.recv.Recv(ctx, make([]byte, 64<<10)); done <- err }()
	h.isLent(t)
	return done
}

func TestTurn_RecvReadsTheGroupItself(t *testing.T) {
	h := newOnLo(t, flow.Reliable)
	done := h.waiting(t, t.Context())
	if u, _ := h.turn(); !u.r.group.IsValid() {
		t.Error("the socket that Recv reads is not the group's")
	}
	h.say(t, 1, 8)
	if err := <-done; err != nil {
		t.Error(err)
	}
	root := onLo{recv: h.send} // it hears no group
	if u, _ := root.turn(); u == nil || u.r.group.IsValid() {
		t.Error("who hears no group does not read its own socket in Recv")
	}
}

// An application takes some messages, and then none for three seconds. Its
// session goes on: it confirms, and what is lost is asked for and repaired.
func TestTurn_ASlowApplicationStillConfirmsAndAsks(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch int // messages that leave together
		stops time.Duration
	}{
		{"one by one", 1, 300 * time.Millisecond},
		{"in company", 50, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			leak := new(leaky)
			h := newOnLo(t, flow.Reliable, func(send, _ *Config) {
				leak.PacketConn, send.Unicast, send.NoParity = send.Unicast, leak, true
			})
			done := h.waiting(t, t.Context())
			for range c.batch {
				if err := h.send.Send(t.Context(), 0, make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			h.send.Flush()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			for range c.batch - 1 {
				h.expect(t, 0)
			}
			leak.lose.Store(true)
			sent, stopped := uint64(0), time.Now()
			for ; time.Since(stopped) < c.stops || h.send.Stats().Sender.Naks == 0; sent++ {
				h.say(t, sent, 200)
				time.Sleep(c.stops / 100)
			}
			until(t, "what was lost was asked for, and repaired", func() bool {
				s := h.send.Stats().Sender
				return s.Naks > 0 && s.Repaired > 0 && s.StillWanted == 0
			})
			until(t, "all of it was confirmed", func() bool {
				m, x := h.send.Members(), h.send.Edges()
				return len(m) == 1 && m[0].Streams[0].Highest == x[0].Seq
			})
			if n := h.recv.Stats().Receivers.Messages; n != uint64(c.batch) {
				t.Errorf("the application has read %d messages, not %d", n, c.batch)
			}
			for n := range sent {
				h.expect(t, n)
			}
		})
	}
}

// leaky loses some of what is written, once it is told to.
type leaky struct {
	transport.PacketConn
	lose atomic.Bool
	seed uint64
}

func (l *leaky) WriteBatch(ds []transport.Datagram) (int, error) {
	l.seed = l.seed*6364136223846793005 + 1442695040888963407
	if l.lose.Load() && l.seed>>61 == 0 { // 1 in 8
		return len(ds), nil
	}
	return l.PacketConn.WriteBatch(ds)
}

func TestTurn_EverythingThatEndsAWaitEndsItAtTheSocket(t *testing.T) {
	cause := errors.New("enough")
	for _, c := range []struct {
		name string
		do   func(h *onLo, cancel context.CancelCauseFunc)
		want error
	}{
		{"a done ctx", func(_ *onLo, cancel context.CancelCauseFunc) { cancel(cause) }, cause},
		{"Close", func(h *onLo, _ context.CancelCauseFunc) { h.recv.Close() }, transport.WSA_OPERATION_ABORTED},
		{"EndReceive", func(h *onLo, _ context.CancelCauseFunc) { h.recv.EndReceive(io.EOF) }, io.EOF},
		{"EndReceive, then Close", func(h *onLo, _ context.CancelCauseFunc) { h.recv.EndReceive(io.EOF); h.recv.Close() }, io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newOnLo(t, flow.Reliable)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			h.say(t, 1, 8)
			h.expect(t, 1)
			h.send.Close() // its beats would wake Recv as well
			done := h.waiting(t, ctx)
			c.do(h, cancel)
			if err := <-done; !errors.Is(err, c.want) {
				t.Errorf("Recv: %v, want %v", err, c.want)
			}
		})
	}
}

// The same ctx comes again and again, and stays registered; then it is done.
func TestTurn_ACtxThatCameOftenStillEndsTheWait(t *testing.T) {
	h := newOnLo(t, flow.Reliable)
	ctx, cancel := context.WithCancel(t.Context())
	for n := range uint64(20) {
		done := h.waiting(t, ctx)
		h.say(t, n, 8)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	h.send.Close()
	other, cancelOther := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancelOther()
	if _, err := h.recv.Recv(other, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another ctx between them: %v", err)
	}
	done := h.waiting(t, ctx)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A ctx that is done ends only a wait: who polls with one reads the socket.
func TestTurn_WhoPollsWithADoneCtxReceives(t *testing.T) {
	h := newOnLo(t, flow.Reliable)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	p := make([]byte, 100)
	for n := range uint64(50) {
		h.say(t, n, 8)
		until(t, "a message", func() bool {
			m, err := h.recv.Recv(done, p)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			return err == nil && m.N == 8
		})
		if got := binary.BigEndian.Uint64(p); got != n {
			t.Fatalf("message %d instead of %d", got, n)
		}
	}
}

func TestTurn_GroupIsReplacedWhileRecvWaitsInIt(t *testing.T) {
	h := newOnLo(t, flow.Reliable)
	for n := range uint64(20) {
		before, _ := h.turn()
		done := make(chan struct{})
		go func() { defer close(done); h.expect(t, n) }()
		if n%2 == 0 {
			h.isLent(t)
		}
		h.recv.ReplaceGroup(h.open(t))
		if after, _ := h.turn(); after == before || !after.r.group.IsValid() {
			t.Fatal("the new socket is not the one that Recv reads")
		}
		h.say(t, n, 8)
		<-done
	}
	until(t, "the sockets' buffers are given back", func() bool { return h.recv.Stats().BuffersHeld <= (2*slabsRead+8)*flow.SlabSize })
}

// What comes by another socket, or by the judgement of the timer, reaches who
// waits at the group's.
func TestTurn_WhatComesAnotherWayWakesWhoWaitsAtTheSocket(t *testing.T) {
	h := newOnLo(t, flow.Reliable, func(send, _ *Config) { send.To = 2 }) // by unicast, all of it
	for n := range uint64(100) {
		done := make(chan struct{})
		go func() { defer close(done); h.expect(t, n) }()
		if n%4 == 0 {
			h.isLent(t)
		}
		h.say(t, n, 8)
		<-done
	}
	done := make(chan error, 1)
	go func() { done <- h.recv.WaitReadable(t.Context()) }()
	h.isLent(t)
	h.say(t, 100, 8)
	if err := <-done; err != nil {
		t.Error(err)
	}
	h.expect(t, 100)
}

// A Recv that comes while the reader's goroutine is at work waits for that, and
// then has the turn though nothing was there for it.
func TestTurn_WhoCameWhileTheReaderReadHasTheTurnThen(t *testing.T) {
	at, on := make(chan struct{}), make(chan struct{})
	h := newOnLo(t, flow.Reliable, func(_, recv *Config) {
		recv.Heard = func(*Session, uint64) { close(at); <-on }
	})
	h.send.Probe()
	<-at
	done := h.quick()
	x := &h.recv.rx
	until(t, "Recv waits for the reader", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.bell.waiting) == 1
	})
	close(on)
	h.isLent(t)
	h.say(t, 1, 8)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
