package dtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/joinleaf/joinleaf/crypto"
)

// Conn is an association whose ends have admitted each other. It carries
// datagrams: they may be lost, come twice over or out of order on the network,
// and are delivered at most once. Its methods may be called from any goroutine.
type Conn struct{ a *association }

// Peer is who the other end has proven to be. Certificate is set when the
// identity is one; AddrPort always is.
func (c *Conn) Peer() crypto.PeerInfo { return c.a.peer() }

// Read waits for the next datagram and copies it into p. One that does not fit
// is lost, with io.ErrShortBuffer. When the other end has closed and everything
// is read, the error is io.EOF; after Close, IdleTimeout and Lifetime it
// matches net.ErrClosed.
func (c *Conn) Read(ctx context.Context, p []byte) (int, error) {
	select {
	case b := <-c.a.unread: // what is here is given, whatever has ended
		return fill(p, b)
	default:
	}
	select {
	case b := <-c.a.unread:
		return fill(p, b)
	case <-c.a.ending:
		return c.last(p)
	case <-ctx.Done():
		return 0, c.failed("reading from", context.Cause(ctx))
	}
}

// last gives what came before the end.
func (c *Conn) last(p []byte) (int, error) {
	cause := c.a.causeOf()
	if !errors.Is(cause, net.ErrClosed) {
		select {
		case b := <-c.a.unread:
			return fill(p, b)
		default:
		}
	}
	if cause == io.EOF {
		return 0, io.EOF
	}
	return 0, c.failed("reading from", cause)
}

func fill(p, datagram []byte) (int, error) {
	if n := copy(p, datagram); n < len(datagram) {
		return n, fmt.Errorf("dtls: a datagram of %d bytes for a buffer of %d: %w", len(datagram), len(p), io.ErrShortBuffer)
	}
	return len(datagram), nil
}

// Write sends p as one datagram. It does not wait for anything but the network
// taking it. p may be empty, and MaxDatagram long; above, the error matches
// ErrTooLong and nothing is sent.
func (c *Conn) Write(p []byte) error {
	if most := c.MaxDatagram(); len(p) > most {
		return c.failed("writing to", fmt.Errorf("%w: %d bytes, and %d fit into a packet", ErrTooLong, len(p), most))
	}
	select {
	case <-c.a.ending:
		return c.closed("writing to")
	default:
	}
	b := append(make([]byte, 0, 1+len(p)), frameData)
	if _, err := c.a.conn.Write(append(b, p...)); err != nil {
		if errors.Is(err, errExhausted) {
			c.a.end(fmt.Errorf("%w: %w", errExhausted, net.ErrClosed))
		}
		return c.failed("writing to", err)
	}
	c.a.touch()
	return nil
}

// MaxDatagram is the longest datagram that Write takes, in bytes.
func (c *Conn) MaxDatagram() int { return c.a.e.MaxDatagram() }

// Export derives n bytes, 1 to 1,024, that both ends of this association, and
// nobody else, can derive (RFC 5705). Different labels or contexts give
// unrelated bytes; labels begin with "EXPORTER".
func (c *Conn) Export(label string, context []byte, n int) ([]byte, error) {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if c.a.wiped {
		return nil, c.failed("exporting from", net.ErrClosed)
	}
	return c.a.suite.keys.Load().export(label, context, n)
}

// Close tells the other end and returns when nothing of the association runs
// any more: at once, or within a second if a lost handshake packet was just
// sent again. Closing again does nothing.
func (c *Conn) Close() error {
	c.a.end(net.ErrClosed)
	<-c.a.ended
	return nil
}

// closed is the error of an association that is over.
func (c *Conn) closed(op string) error {
	cause := c.a.causeOf()
	if cause == io.EOF {
		cause = fmt.Errorf("the other end has closed: %w", net.ErrClosed)
	}
	return c.failed(op, cause)
}

func (c *Conn) failed(op string, err error) error {
	return fmt.Errorf("dtls: %s %v: %w", op, c.a.route.peer, err)
}

// String names the other end and hides the keys.
func (c *Conn) String() string { return fmt.Sprintf("dtls association with %v", c.a.route.peer) }

// Format is String for every verb.
func (c *Conn) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
