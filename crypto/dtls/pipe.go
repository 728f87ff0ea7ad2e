package dtls

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	maxDatagram = 4096 // bytes; longer ones are not looked at
	maxWaiting  = 64   // datagrams of an association that pion has not read yet
	maxHeld     = 16   // protected records that wait for keys or Finished
)

// pipe is the net.Conn that pion reads and writes. What the guard passed waits
// here, a bounded number of datagrams; more are dropped, like on a network.
//
// Protected records may overtake the handshake that makes their keys. Finished
// waits here until there are keys, with a change of cipher of our own before
// it, for two reasons: that of the other end is one record in the clear that
// anybody can forge, lose or bring forward, and pion keeps early records in a
// buffer that it uses for other connections at the same time. All others wait
// until Finished has opened: pion stops for good at the second that nobody
// reads, and nobody reads before its handshake is done.
type pipe struct {
	suite *suite
	count *counters
	send  func(records []byte)
	to    netip.AddrPort
	wake  chan struct{} // holds one value when there may be something to read

	mu       sync.Mutex
	guard    guard
	waiting  [][]byte // datagrams
	held     [][]byte // records
	switched bool     // pion has been told to change ciphers
	expired  bool     // a read deadline is over
	closed   bool
}

func newPipe(dialler bool, suite *suite, count *counters, to netip.AddrPort, send func([]byte)) *pipe {
	return &pipe{suite: suite, count: count, send: send, to: to, wake: make(chan struct{}, 1), guard: guard{dialler: dialler}}
}

// push takes the records of one datagram and says what became of it: 0 is taken.
func (p *pipe) push(records []byte) Drop {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return DropUnknown
	}
	var plain, sealed []byte
	passed := false
	for b := records; len(b) > 0; {
		p.count.records.Add(1)
		r, rest, ok := cutRecord(b)
		if !ok {
			p.count.drop(RecordMalformed)
			break
		}
		raw := b[:len(b)-len(rest)]
		b = rest
		if d := p.guard.judge(&r, p.suite.opened.Load()); d != 0 {
			p.count.drop(d)
			continue
		}
		p.count.passed.Add(1)
		passed = true
		switch {
		case r.content == contentCipher:
		case r.epoch == 0:
			plain = append(plain, raw...)
		case p.switched && p.timely(raw):
			sealed = append(sealed, raw...)
		default:
			p.hold(raw)
		}
	}
	if !passed {
		return DropEmptied
	}
	if both := append(plain, sealed...); len(both) > 0 {
		if len(p.waiting) >= maxWaiting {
			return DropQueue
		}
		p.waiting = append(p.waiting, both)
	}
	p.rouse()
	return 0
}

// timely reports whether pion may have a protected record, once it has keys.
func (p *pipe) timely(raw []byte) bool {
	return raw[0] == contentHandshake || p.suite.opened.Load()
}

// hold keeps a protected record for later. The newest count: each end repeats
// what was lost.
func (p *pipe) hold(raw []byte) {
	if len(p.held) == maxHeld {
		p.count.drop(RecordBudget)
		copy(p.held, p.held[1:])
		p.held = p.held[:maxHeld-1]
	}
	p.held = append(p.held, append([]byte(nil), raw...))
}

func (p *pipe) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Read gives pion one datagram. pion reads from one goroutine.
func (p *pipe) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		datagram, err := p.next()
		p.mu.Unlock()
		if datagram != nil || err != nil {
			return copy(b, datagram), err
		}
		<-p.wake
	}
}

func (p *pipe) next() ([]byte, error) {
	switch {
	case p.closed:
		return nil, io.EOF
	case p.expired:
		return nil, os.ErrDeadlineExceeded
	case len(p.held) > 0 && p.suite.IsInitialized():
		p.release()
	}
	if len(p.waiting) == 0 {
		return nil, nil
	}
	datagram := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return datagram, nil
}

// release puts the held records whose time has come before all others.
func (p *pipe) release() {
	var now, later [][]byte
	for _, raw := range p.held {
		if p.timely(raw) {
			now = append(now, raw)
		} else {
			later = append(later, raw)
		}
	}
	if len(now) > 0 && !p.switched {
		p.switched = true
		now = append([][]byte{cipherRecord()}, now...)
	}
	p.held, p.waiting = later, append(now, p.waiting...)
}

// Write sends a datagram. What the network refuses is lost, as on any other
// day, and counted.
func (p *pipe) Write(records []byte) (int, error) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	p.send(records)
	return len(records), nil
}

func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.waiting, p.held = nil, nil
	p.rouse()
	return nil
}

// SetReadDeadline is how pion stops a Read: with a time long past, and then
// with none. It knows no other.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expired = !t.IsZero()
	p.rouse()
	return nil
}

// SetWriteDeadline does nothing: writing does not block.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// LocalAddr is unknown to a pipe.
func (p *pipe) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(netip.AddrPort{}) }

// RemoteAddr is where the other end is.
func (p *pipe) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(p.to) }
