package dtls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	three "github.com/pion/dtls/v3"
	curves "github.com/pion/dtls/v3/pkg/crypto/elliptic"

	"github.com/joinleaf/joinleaf/crypto"
	two "github.com/joinleaf/joinleaf/crypto/dtls"
)

var (
	atTwo   = netip.MustParseAddrPort("10.0.0.2:4000")
	atThree = netip.MustParseAddrPort("10.0.0.3:4000")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wire is a network of two: our Endpoint, and a peer of version 3 that keeps our
// envelopes.
type wire struct {
	t    *testing.T
	two  *two.Endpoint
	own  tls.Certificate // of version 3
	want crypto.Pin      // what version 3 takes for ours; zero: any

	mu    sync.Mutex
	third *third
	tap   func(records []byte, toTwo bool)
}

func newWire(t *testing.T) *wire {
	w := &wire{t: t, own: certificate(t)}
	var err error
	w.two, err = two.New(two.Config{
		Admit: two.AnyMember,
		Write: func(p []byte, _ netip.AddrPort) error { w.carry(p, false); return nil },
	})
	must(t, err)
	t.Cleanup(func() { _ = w.two.Close() })
	return w
}

// carry delivers a packet after a millisecond.
func (w *wire) carry(p []byte, toTwo bool) {
	p = append([]byte(nil), p...)
	w.mu.Lock()
	tap, third := w.tap, w.third
	w.mu.Unlock()
	if v, d := parseEnvelope(p); tap != nil && d == 0 && len(v.records) > 0 {
		tap(v.records, toTwo)
	}
	time.AfterFunc(time.Millisecond, func() {
		if toTwo {
			w.two.Handle(p, atThree)
		} else if third != nil {
			third.handle(p)
		}
	})
}

func (w *wire) pinOfThree() crypto.Pin { return crypto.PinOf(w.own.Leaf) }

func certificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// third is the net.PacketConn of version 3: records in our envelopes.
type third struct {
	w        *wire
	acceptor bool

	mu      sync.Mutex
	id      id
	token   token
	given   chan struct{}
	queue   chan []byte
	late    chan struct{} // closed: the read deadline is over
	expired bool
	closed  chan struct{}
	once    sync.Once
}

func (w *wire) newThird(acceptor bool) *third {
	x := &third{w: w, acceptor: acceptor, given: make(chan struct{}), queue: make(chan []byte, 256), late: make(chan struct{}), closed: make(chan struct{})}
	w.mu.Lock()
	w.third = x
	w.mu.Unlock()
	return x
}

// ask gets a dialler its token.
func (x *third) ask() {
	_, err := rand.Read(x.id[:])
	must(x.w.t, err)
	x.w.carry((&envelope{kind: kindAsk, id: x.id}).append(nil), true)
	select {
	case <-x.given:
	case <-time.After(time.Second):
		x.w.t.Fatal("no token")
	}
}

func (x *third) handle(p []byte) {
	v, d := parseEnvelope(p)
	if d != 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch v.kind {
	case kindAsk:
		x.id = v.id
		x.w.carry((&envelope{kind: kindGive, id: v.id, token: token{1}}).append(nil), true)
	case kindGive:
		if x.token == (token{}) {
			x.token = v.token
			close(x.given)
		}
	default:
		select {
		case x.queue <- v.records:
		default:
		}
	}
}

func (x *third) ReadFrom(b []byte) (int, net.Addr, error) {
	x.mu.Lock()
	late := x.late
	x.mu.Unlock()
	select {
	case p := <-x.queue:
		return copy(b, p), net.UDPAddrFromAddrPort(atTwo), nil
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	case <-x.closed:
		return 0, nil, net.ErrClosed
	}
}

func (x *third) WriteTo(records []byte, _ net.Addr) (int, error) {
	x.mu.Lock()
	v := envelope{kind: kindOpen, id: x.id, token: x.token, records: records}
	x.mu.Unlock()
	if x.acceptor {
		v.kind = kindCarry
	}
	x.w.carry(v.append(nil), true)
	return len(records), nil
}

func (x *third) Close() error { x.once.Do(func() { close(x.closed) }); return nil }

// SetReadDeadline knows none and one that is over, which is all that is used.
func (x *third) SetReadDeadline(t time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	over := !t.IsZero() && !t.After(time.Now())
	switch {
	case over && !x.expired:
		close(x.late)
	case !over && x.expired:
		x.late = make(chan struct{})
	}
	x.expired = over
	return nil
}
func (x *third) SetWriteDeadline(time.Time) error { return nil }
func (x *third) SetDeadline(t time.Time) error    { return x.SetReadDeadline(t) }
func (x *third) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(atThree) }

var errPin = errors.New("another key than the one that was meant")

// config is our profile, in version 3's words.
func (w *wire) config() *three.Config {
	return &three.Config{
		CipherSuites:     []three.CipherSuiteID{three.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		EllipticCurves:   []curves.Curve{curves.X25519},
		Certificates:     []tls.Certificate{w.own}, ClientAuth: three.RequireAnyClientCert,
		InsecureSkipVerify: true, // pins, as in version 2
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			c, err := x509.ParseCertificate(raw[0])
			if err == nil && !w.want.IsZero() && crypto.PinOf(c) != w.want {
				err = errPin
			}
			return err
		},
		ExtendedMasterSecret: three.RequireExtendedMasterSecret, SupportedProtocols: []string{crypto.Protocol},
		ReplayProtectionWindow: 1024, MTU: 1000, FlightInterval: 300 * time.Millisecond,
	}
}

// pair is an association between the versions.
type pair struct {
	t     *testing.T
	two   *two.Conn
	three *three.Conn
	wall  *wall
	x     *third
}

// frames of the dialogue with pins alone, as docs and crypto/dtls/frame.go have them.
var (
	offerFrame    = append([]byte{1, 1, 3}, make([]byte, 32)...)
	answerFrame   = append([]byte{2, 1, 3}, make([]byte, 32)...)
	admittedFrame = []byte{3, 1, 3, 0}
)

// meet makes an association, dialled by one or the other.
func (w *wire) meet(threeDials bool, c *three.Config) (*pair, error) {
	x := w.newThird(!threeDials)
	p := &pair{t: w.t, x: x, wall: newWall(x, threeDials)}
	ctx, cancel := context.WithTimeout(w.t.Context(), 4*time.Second)
	defer cancel()
	done := make(chan error, 1)
	var err error
	if threeDials {
		x.ask()
		go func() { var err error; p.two, err = w.two.Accept(ctx); done <- err }()
		p.three, err = three.Client(p.wall, net.UDPAddrFromAddrPort(atTwo), c)
	} else {
		go func() {
			var err error
			p.two, err = w.two.Dial(ctx, atThree, two.Who{Pin: w.pinOfThree()})
			done <- err
		}()
		p.three, err = three.Server(p.wall, net.UDPAddrFromAddrPort(atTwo), c)
	}
	if err == nil {
		w.t.Cleanup(func() { _ = p.three.Close(); _ = x.Close() })
		if err = p.three.HandshakeContext(ctx); err == nil {
			p.wall.sealed.Store(true)
			err = p.dialogue(threeDials)
		}
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("version 3: %w; version 2: %w", err, errOr(<-done))
	}
	return p, <-done
}

func errOr(err error) error {
	if err == nil {
		return errors.New("well")
	}
	return err
}

// dialogue admits both ends, at version 3's.
func (p *pair) dialogue(threeDials bool) error {
	b := make([]byte, maxDatagram)
	expect := func(kind byte, again []byte) error {
		for range 20 {
			if again != nil {
				if _, err := p.three.Write(again); err != nil {
					return err
				}
			}
			_ = p.three.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			n, err := p.three.Read(b)
			if err == nil && n > 0 && b[0] == kind {
				return p.three.SetReadDeadline(time.Time{})
			}
			if err != nil && again == nil && !errors.Is(err, os.ErrDeadlineExceeded) && !isTimeout(err) {
				return err
			}
		}
		return fmt.Errorf("no frame %d came", kind)
	}
	if threeDials {
		if err := expect(1, nil); err != nil {
			return err
		}
		return expect(3, answerFrame)
	}
	if err := expect(2, offerFrame); err != nil {
		return err
	}
	_, err := p.three.Write(admittedFrame)
	return err
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// alive wants data both ways.
func (p *pair) alive() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Second)
	defer cancel()
	b := make([]byte, maxDatagram)
	must(p.t, p.two.Write([]byte("from two")))
	_ = p.three.SetReadDeadline(time.Now().Add(2 * time.Second))
	for {
		n, err := p.three.Read(b)
		if err != nil {
			p.t.Fatalf("version 3 reads %v", err)
		}
		if n > 0 && b[0] == 0 {
			if string(b[1:n]) != "from two" {
				p.t.Fatalf("version 3 reads %q", b[:n])
			}
			break
		}
	}
	_, err := p.three.Write(append([]byte{0}, "from three"...))
	must(p.t, err)
	if n, err := p.two.Read(ctx, b); err != nil || string(b[:n]) != "from three" {
		p.t.Fatalf("version 2 reads %q, %v", b[:n], err)
	}
}
