package nonrooted

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/crypto/dtls"
)

// links are the DTLS channels to other members, by the machine's numbers.
type links struct {
	mu   sync.Mutex
	open map[uint32]*dtls.Conn
	dial map[uint32]context.CancelFunc
}

func (l *links) init() {
	l.open, l.dial = make(map[uint32]*dtls.Conn), make(map[uint32]context.CancelFunc)
}

// settings of the channels: a member whose identity is a join code is admitted
// by that alone, unless Authorize says more.
func (c Config) channels(w *wires) dtls.Config {
	d := dtls.Config{
		Identity: c.Identity, Write: w.send, Logger: c.Logger, MTU: 1200, HandshakeTimeout: 3 * time.Second,
		HalfOpenPerAddress: 64, Backlog: 256,
	}
	if c.Authorize != nil {
		d.Admit = c.Authorize
	}
	return d
}

// accept takes the channels that others make.
func (p *Peer) accept() {
	for {
		conn, err := p.channels.Accept(p.ctx)
		if err != nil {
			return
		}
		who := conn.Peer()
		taken := p.do(func(now time.Time, m *control.Membership) {
			n := m.Accepted(now, who.Pin, who.AddrPort)
			if n == 0 {
				p.bury(conn)
				return
			}
			p.carry(n, conn)
		})
		if taken != nil {
			conn.Close()
		}
	}
}

// reach makes a channel to somebody.
func (p *Peer) reach(n uint32, to netip.AddrPort, pin crypto.Pin) {
	ctx, cancel := context.WithCancel(p.ctx)
	p.links.mu.Lock()
	p.links.dial[n] = cancel
	p.links.mu.Unlock()
	p.wg.Go(func() {
		defer cancel()
		who := dtls.Who{Pin: pin}
		if pin.IsZero() && p.c.Identity.Certificate != nil {
			who.Any = true
		}
		conn, err := p.channels.Dial(ctx, p.wires.zoned(to), who)
		if refusal(err) && ctx.Err() == nil {
			p.log.Warn("a member does not accept us, or we do not accept it", "address", to, "cause", err)
			p.noteRefusal(err)
		}
		if p.do(func(now time.Time, m *control.Membership) { p.reached(now, m, n, conn, err) }) != nil && err == nil {
			conn.Close()
		}
	})
}

// reached is the end of a dial. It runs in the loop: what was hung up until now
// is not wanted any more, and nobody else would close it.
func (p *Peer) reached(now time.Time, m *control.Membership, n uint32, conn *dtls.Conn, err error) {
	p.links.mu.Lock()
	_, wanted := p.links.dial[n]
	delete(p.links.dial, n)
	p.links.mu.Unlock()
	switch {
	case err != nil:
		if wanted {
			m.Closed(now, n, refusal(err))
		}
	case !wanted:
		p.bury(conn)
	default:
		p.carry(n, conn)
		m.Opened(now, n, conn.Peer().Pin)
	}
}

// refusal reports whether the other end answered, and one of us said no.
func refusal(err error) bool {
	for _, no := range []error{crypto.ErrProof, crypto.ErrPin, crypto.ErrCertificate, crypto.ErrIdentity, crypto.ErrVersion, dtls.ErrRefused} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// carry hands on what comes over a channel, until it ends. It runs in the loop.
func (p *Peer) carry(n uint32, conn *dtls.Conn) {
	p.links.mu.Lock()
	p.links.open[n] = conn
	p.links.mu.Unlock()
	p.wg.Go(func() { p.pump(n, conn) })
}

func (p *Peer) pump(n uint32, conn *dtls.Conn) {
	buf := make([]byte, 4<<10)
	for {
		size, err := conn.Read(p.ctx, buf)
		if err != nil {
			p.do(func(now time.Time, m *control.Membership) { m.Closed(now, n, false) })
			p.hangUp(n)
			return
		}
		b := append([]byte(nil), buf[:size]...)
		p.do(func(now time.Time, m *control.Membership) { m.Datagram(now, n, b) })
	}
}

func (p *Peer) transmit(n uint32, b []byte) {
	p.links.mu.Lock()
	conn := p.links.open[n]
	p.links.mu.Unlock()
	if conn != nil {
		_ = conn.Write(b) // the pipe sends again what got lost
	}
}

func (p *Peer) hangUp(n uint32) {
	p.links.mu.Lock()
	conn, cancel := p.links.open[n], p.links.dial[n]
	delete(p.links.open, n)
	delete(p.links.dial, n)
	p.links.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if conn != nil {
		p.bury(conn)
	}
}

// bury closes a channel, which may take a moment.
func (p *Peer) bury(conn *dtls.Conn) { p.wg.Go(func() { conn.Close() }) }
