package dtls

import (
	"context"
	"crypto/fips140"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/joinleaf/joinleaf/crypto"
)

// TestMain looks for goroutines that outlive the tests. While FIPS 140-3 is
// enforced there is nothing but the refusal to test.
func TestMain(m *testing.M) {
	flag.Parse()
	if fips140.Enforced() {
		fmt.Println("FIPS 140-3 is enforced: only the refusal is tested")
		_ = flag.Set("test.run", "^TestZ2_")
		_ = flag.Set("test.fuzz", "")
	}
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lab is a network in memory whose time is the bubble's.
type lab struct {
	t    *testing.T
	code crypto.JoinCode

	mu                   sync.Mutex
	rng                  *rand.Rand
	hosts                map[netip.AddrPort]func(packet []byte, from netip.AddrPort)
	loss, twice, shuffle float64                                           // odds for each packet
	tap                  func(packet []byte, from, to netip.AddrPort)      // sees everything sent
	filter               func(packet []byte, from, to netip.AddrPort) bool // false loses a packet
	longest              int
}

func newLab(t *testing.T, seed uint64) *lab {
	t.Helper()
	t.Logf("seed %d", seed)
	code, err := crypto.NewCode()
	must(t, err)
	return &lab{t: t, code: code, rng: rand.New(rand.NewPCG(seed, 1)), hosts: map[netip.AddrPort]func([]byte, netip.AddrPort){}}
}

// bubble runs a story whose time is fake.
func bubble(t *testing.T, story func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(t, newLab(t, 1)) })
}

// send is Config.Write of the host at from.
func (l *lab) send(packet []byte, from, to netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, len(packet))
	packet = append([]byte(nil), packet...)
	if l.tap != nil {
		l.tap(packet, from, to)
	}
	if l.filter != nil && !l.filter(packet, from, to) || l.rng.Float64() < l.loss {
		return
	}
	copies := 1
	if l.rng.Float64() < l.twice {
		copies = 2
	}
	for range copies {
		delay := time.Millisecond
		if l.rng.Float64() < l.shuffle {
			delay += time.Duration(l.rng.IntN(40)) * time.Millisecond
		}
		time.AfterFunc(delay, func() { l.inject(packet, from, to) })
	}
}

// inject delivers a packet at once, from whomever.
func (l *lab) inject(packet []byte, from, to netip.AddrPort) {
	l.mu.Lock()
	h := l.hosts[to]
	l.mu.Unlock()
	if h != nil {
		h(packet, from)
	}
}

func (l *lab) attach(at netip.AddrPort, h func([]byte, netip.AddrPort)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts[at] = h
}

// host starts an Endpoint at an address, by default with the lab's join code.
func (l *lab) host(addr string, change func(*Config)) (*Endpoint, netip.AddrPort) {
	l.t.Helper()
	at := netip.MustParseAddrPort(addr)
	c := Config{
		Identity: crypto.Identity{Code: l.code},
		Write:    func(p []byte, to netip.AddrPort) error { l.send(p, at, to); return nil },
	}
	if change != nil {
		change(&c)
	}
	e, err := New(c)
	must(l.t, err)
	l.attach(at, e.Handle)
	l.t.Cleanup(func() { _ = e.Close() })
	return e, at
}

// meet dials b from a and returns both ends.
func (l *lab) meet(a, b *Endpoint, to netip.AddrPort, who Who) (dialled, accepted *Conn) {
	l.t.Helper()
	d, acc, err1, err2 := try(l.t, a, b, to, who)
	if err := errors.Join(err1, err2); err != nil {
		l.t.Fatal(err)
	}
	return d, acc
}

// try is meet that may fail, each end for itself.
func try(t *testing.T, a, b *Endpoint, to netip.AddrPort, who Who) (dialled, accepted *Conn, dialErr, acceptErr error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan struct{})
	actx, stop := context.WithCancelCause(ctx)
	go func() {
		defer close(done)
		accepted, acceptErr = b.Accept(actx)
	}()
	if dialled, dialErr = a.Dial(ctx, to, who); dialErr != nil {
		stop(dialErr)
	}
	<-done
	stop(nil)
	return dialled, accepted, dialErr, acceptErr
}

// pass sends a datagram over a good network and wants it to arrive.
func pass(t *testing.T, from, to *Conn, text string) {
	t.Helper()
	must(t, from.Write([]byte(text)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	b := make([]byte, 2000)
	n, err := to.Read(ctx, b)
	if err != nil || string(b[:n]) != text {
		t.Fatalf("sent %q, read %q, %v", text, b[:n], err)
	}
}

// alive wants an association to work both ways.
func alive(t *testing.T, a, b *Conn) {
	t.Helper()
	pass(t, a, b, "ping")
	pass(t, b, a, "pong")
}

// balanced wants every datagram and record accounted for.
func balanced(t *testing.T, es ...*Endpoint) {
	t.Helper()
	for i, e := range es {
		s := e.Stats()
		datagrams, records := s.Taken, s.Passed
		for d := DropClosed; d <= DropQueue; d++ {
			datagrams += s.Drops[d]
		}
		for d := RecordMalformed; d < RecordBudget; d++ {
			records += s.Drops[d]
		}
		if s.Arrived != datagrams || records > s.Records || records+s.Drops[RecordBudget] < s.Records {
			t.Errorf("endpoint %d: the books do not balance: %+v", i, s)
		}
	}
}

// loopback is an Endpoint on a real socket of the loopback interface.
func loopback(t *testing.T, code crypto.JoinCode) (*Endpoint, netip.AddrPort) {
	t.Helper()
	sock, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	must(t, err)
	e, err := New(Config{
		Identity: crypto.Identity{Code: code},
		Write: func(p []byte, to netip.AddrPort) error {
			_, err := sock.WriteToUDPAddrPort(p, to)
			return err
		},
	})
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := sock.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			e.Handle(b[:n], from)
		}
	}()
	t.Cleanup(func() {
		_ = e.Close()
		_ = sock.Close()
		<-done
	})
	return e, sock.LocalAddr().(*net.UDPAddr).AddrPort()
}
