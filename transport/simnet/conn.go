package simnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"github.com/joinleaf/joinleaf/transport"
)

// conn is one end of a stream.
type conn struct {
	host          *Host
	local, remote netip.AddrPort
	out, in       *half

	closed             bool
	err                error // why the stream ended, unless in good order
	writing            bool  // a Write is under way; others wait
	readable, writable sync.Cond
	readBy, writeBy    deadline
	resetting          node
	accepting          node
}

var _ interface {
	net.Conn
	CloseWrite() error
} = (*conn)(nil)

// cause is why a stream ended, as a Code and as the system's own number: code
// that looks for syscall.ECONNRESET finds it here too.
type cause struct {
	code  transport.Code
	errno syscall.Errno
}

var (
	timedOut  = cause{transport.WSAETIMEDOUT, syscall.ETIMEDOUT}
	wasReset  = cause{transport.WSAECONNRESET, syscall.ECONNRESET}
	noReader  = cause{transport.WSAECONNRESET, syscall.EPIPE}
	shutWrite = cause{transport.WSAESHUTDOWN, syscall.EPIPE}
)

func (c cause) Error() string   { return c.code.Error() }
func (c cause) Unwrap() []error { return []error{c.code, c.errno} }
func (c cause) Timeout() bool   { return c.errno.Timeout() }
func (c cause) Temporary() bool { return c.errno.Temporary() }

// connect makes both ends of a stream.
func connect(local, remote netip.AddrPort, way, back *pair) (dialed, accepted *conn) {
	dialed, accepted = newConn(way.from.host, local, remote), newConn(way.to.host, remote, local)
	dialed.out, accepted.out = newHalf(dialed, accepted, way), newHalf(accepted, dialed, back)
	dialed.in, accepted.in = accepted.out, dialed.out
	for _, c := range []*conn{dialed, accepted} {
		k1, k2 := c.out.flush.k1, c.out.flush.k2
		c.resetting = node{k1: k1&(1<<56-1) | classReset<<56, k2: k2, fire: c.peerReset}
		c.readBy.node = node{k1: k1&(1<<56-1) | classDeadline<<56, k2: k2, fire: func(int64) { c.readBy.passed = true; c.readable.Broadcast() }}
		c.writeBy.node = node{k1: k1&(1<<56-1) | classDeadline<<56, k2: k2 | 1, fire: func(int64) { c.writeBy.passed = true; c.writable.Broadcast() }}
		c.host.conns = append(c.host.conns, c)
		c.host.tcpPorts[c.local.Port()]++
	}
	return dialed, accepted
}

func newConn(h *Host, local, remote netip.AddrPort) *conn {
	c := &conn{host: h, local: local, remote: remote}
	c.readable.L, c.writable.L = &h.net.mu, &h.net.mu
	return c
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// failed puts an error into package net's form.
func (c *conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// ended is the error of a call that must not wait any more, nil while it may.
func (c *conn) ended(d *deadline) error {
	if err := c.host.gone("use a stream", transport.Group{}); err != nil {
		return err
	}
	switch {
	case c.closed:
		return net.ErrClosed
	case d != nil && d.passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Read returns what has arrived, up to a reset too; then why there is no more.
func (c *conn) Read(p []byte) (int, error) {
	mu := &c.host.net.mu
	mu.Lock()
	defer mu.Unlock()
	for {
		if err := c.ended(&c.readBy); err != nil {
			return 0, c.failed("read", err)
		}
		switch {
		case len(p) == 0:
			return 0, nil
		case c.host.paused:
		case c.in.ready() > 0:
			return c.in.take(p), nil
		case c.in.got > c.in.end:
			return 0, io.EOF
		case c.err != nil:
			return 0, c.failed("read", c.err)
		}
		c.readable.Wait()
	}
}

// Write waits until all of p is in the stream's buffer.
func (c *conn) Write(p []byte) (n int, err error) {
	mu := &c.host.net.mu
	mu.Lock()
	defer mu.Unlock()
	mine := false
	defer func() {
		if mine {
			c.writing = false
			c.writable.Broadcast()
		}
	}()
	for {
		err := c.ended(&c.writeBy)
		switch {
		case err != nil:
		case c.err == wasReset:
			err = noReader
		case c.err != nil:
			err = c.err
		case c.out.end != endless:
			err = shutWrite
		}
		if err != nil {
			return n, c.failed("write", err)
		}
		if !c.host.paused && (mine || !c.writing) {
			c.writing, mine = true, true
			if n += c.out.write(p[n:]); n == len(p) {
				return n, nil
			}
		}
		c.writable.Wait()
	}
}

// CloseWrite ends this direction; the other stays open.
func (c *conn) CloseWrite() error {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	if err := c.ended(nil); err != nil {
		return c.failed("close", err)
	}
	if c.err != nil {
		return c.failed("close", c.err)
	}
	c.out.close()
	return nil
}

// Close ends both directions. What was written still arrives, unless something
// that arrived was not read: then, as TCP has it, the other side sees a reset.
func (c *conn) Close() error {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	if err := c.ended(nil); err != nil {
		return c.failed("close", err)
	}
	c.hangUp()
	return nil
}

func (c *conn) hangUp() {
	unread := c.in.ready() > 0
	c.shut()
	switch {
	case c.err != nil:
		c.remove()
	case unread:
		c.abort()
	default:
		c.out.close()
		c.settle()
	}
}

func (c *conn) shut() {
	c.closed = true
	c.host.net.disarm(&c.readBy.node)
	c.host.net.disarm(&c.writeBy.node)
	c.readable.Broadcast()
	c.writable.Broadcast()
}

// abort ends the stream at once and tells the other side, behind what was
// written until now.
func (c *conn) abort() {
	c.shut()
	if c.err == nil {
		c.out.send(c.host.net.now() + 1)
		c.fail(net.ErrClosed)
		c.reset(c.host.net.now())
	}
}

// fail ends the stream on this side.
func (c *conn) fail(why error) {
	if c.err != nil {
		return
	}
	c.err = why
	c.out.stop()
	if c.closed {
		c.remove()
	}
	c.readable.Broadcast()
	c.writable.Broadcast()
}

// reset sends word that there is no stream here, behind what is under way.
func (c *conn) reset(at int64) {
	if c.resetting.index != 0 {
		return
	}
	arrives := at + max(1, int64(c.out.way.link.Delay))
	if f := &c.out.arriving; f.len() > 0 {
		arrives = max(arrives, f.last().at)
	}
	c.host.net.arm(&c.resetting, arrives)
}

// peerReset: the word arrives, unless the way is cut.
func (c *conn) peerReset(at int64) {
	peer := c.in.from
	if c.out.way.blocked() || peer.err != nil {
		return
	}
	c.host.net.tellStream(at, StreamReset, c, peer, 0)
	peer.fail(wasReset)
}

// settle forgets a stream that both sides have ended in good order.
func (c *conn) settle() {
	if c.closed && c.out.acked == c.out.written && c.in.end != endless && c.in.got > c.in.end {
		c.remove()
	}
}

func (c *conn) remove() {
	for i, other := range c.host.conns {
		if other == c {
			c.host.conns = append(c.host.conns[:i:i], c.host.conns[i+1:]...)
			if c.host.tcpPorts[c.local.Port()]--; c.host.tcpPorts[c.local.Port()] == 0 {
				delete(c.host.tcpPorts, c.local.Port())
			}
			return
		}
	}
}
