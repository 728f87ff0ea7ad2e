package crypto

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
)

// Channel is a proven connection: TLS 1.3 with an end that has shown who it is.
// (PlainHandshake makes the one that is not.)
type Channel struct {
	net.Conn
	// Peer is who that is.
	Peer PeerInfo

	export func(label string, context []byte, n int) ([]byte, error)
}

// NetConn is the connection beneath TLS.
func (c *Channel) NetConn() net.Conn {
	if conn, ok := c.Conn.(*tls.Conn); ok {
		return conn.NetConn()
	}
	return c.Conn
}

// CloseWrite says that nothing more follows.
func (c *Channel) CloseWrite() error {
	if conn, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return conn.CloseWrite()
	}
	return nil
}

// PeerInfo is what a handshake learned about the other end.
type PeerInfo struct {
	// Certificate is the other end's; nil with a join code, which proves
	// membership and nothing more. With a pinned root only its key is proven.
	Certificate *x509.Certificate
	// Pin is the fingerprint of its key.
	Pin Pin
	// AddrPort is where it is; invalid when the connection has no address.
	AddrPort netip.AddrPort
}

func newChannel(conn *tls.Conn, w way) *Channel {
	cs := conn.ConnectionState()
	peer := cs.PeerCertificates[0]
	c := &Channel{Conn: conn, export: cs.ExportKeyingMaterial, Peer: PeerInfo{Pin: PinOf(peer), AddrPort: addrPort(conn.RemoteAddr())}}
	if w != wayCode {
		c.Peer.Certificate = peer
	}
	return c
}

func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	p, _ := netip.ParseAddrPort(a.String()) // a pipe's "pipe" has none
	return p
}

// Export derives n bytes that both ends of this channel, and nobody else, can
// derive (RFC 8446, 7.5). Different labels or contexts give unrelated bytes.
func (c *Channel) Export(label string, context []byte, n int) ([]byte, error) {
	b, err := c.export(label, context, n)
	if err != nil {
		return nil, fmt.Errorf("crypto: exporting %q: %w", label, err)
	}
	return b, nil
}

// PairKeys returns the keys for packets between the root and one leaf over ch,
// one per direction; both ends get the same two:
//
//	exporter("EXPORTER-joinleaf1-unicast", session id 16 ‖ leaf u32 ‖ sealing role u8, 32)
//
// Clear them once they are in a Ring.
func PairKeys(ch *Channel, session SessionID, leaf uint32) (toLeaf, toRoot [32]byte, err error) {
	if toLeaf, err = pairKey(ch, session, leaf, RoleRoot); err != nil {
		return toLeaf, toRoot, err
	}
	toRoot, err = pairKey(ch, session, leaf, RoleLeaf)
	return toLeaf, toRoot, err
}

func pairKey(ch *Channel, session SessionID, leaf uint32, sealer Role) (key [32]byte, err error) {
	b, err := ch.Export("EXPORTER-joinleaf1-unicast", pairContext(session, leaf, sealer), len(key))
	if err != nil {
		return key, err
	}
	copy(key[:], b)
	clear(b)
	return key, nil
}

func pairContext(session SessionID, leaf uint32, sealer Role) []byte {
	b := append(make([]byte, 0, 21), session[:]...)
	b = binary.BigEndian.AppendUint32(b, leaf)
	return append(b, uint8(sealer))
}

// String names the other end and hides the connection's keys.
func (c *Channel) String() string { return fmt.Sprintf("channel to %v", c.Peer.AddrPort) }

// GoString is String.
func (c *Channel) GoString() string { return c.String() }

// Format is String for every verb.
func (c *Channel) Format(f fmt.State, _ rune) { redact(f, c.String()) }

// LogValue is String.
func (c *Channel) LogValue() slog.Value { return slog.StringValue(c.String()) }
