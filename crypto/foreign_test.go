package crypto

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// loopback is a TCP connection on this host. Programs that are not joinleaf may
// talk when we do, so these stories need a connection that buffers.
func loopback(t *testing.T) (dialled, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	dialled, err = net.Dial("tcp", l.Addr().String())
	must(t, err)
	accepted, err = l.Accept()
	must(t, err)
	t.Cleanup(func() { _, _ = dialled.Close(), accepted.Close() })
	return dialled, accepted
}

func handshakeOver(t *testing.T, conn net.Conn, dialer bool, role Role, id Identity) <-chan error {
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	go func() {
		defer cancel()
		_, err := Handshake(ctx, conn, dialer, role, id)
		result <- err
	}()
	return result
}

func TestC2_ForeignLeavesAreRefused(t *testing.T) {
	own, err := throwaway()
	must(t, err)
	a := newAuthority(t)
	identities := map[string]Identity{
		"code":         {Code: newCode(t)},
		"certificates": {Certificate: a.issue(t, issue{root: true}), CAs: a.pool},
	}
	for name, c := range map[string]struct {
		change func(*tls.Config)
		want   error
	}{
		"no certificate": {func(c *tls.Config) { c.Certificates = nil }, ErrCertificate},
		"TLS 1.2":        {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }, ErrVersion},
		"another ALPN":   {func(c *tls.Config) { c.NextProtos = []string{"h2", "joinleaf/2"} }, ErrVersion},
		"no ALPN":        {func(c *tls.Config) { c.NextProtos = nil }, ErrVersion},
	} {
		for kind, id := range identities {
			dialled, accepted := loopback(t)
			result := handshakeOver(t, accepted, false, RoleRoot, id)
			config := baseConfig()
			config.Certificates = []tls.Certificate{*own}
			c.change(config)
			client := tls.Client(dialled, config)
			_ = client.Handshake()
			accept := record{kind: recordAccept, role: RoleLeaf, way: wayCode}
			if id.Certificate != nil {
				accept.way = wayCertificates
			}
			_, _ = client.Write(accept.append(nil))
			if err := <-result; !errors.Is(err, c.want) {
				t.Errorf("%s, against %s: %v, want %v", name, kind, err, c.want)
			}
		}
	}
}

// What an evicted leaf keeps must not let it in again without being judged.
func TestC2_NoTicketOutlivesAConnection(t *testing.T) {
	a := newAuthority(t)
	root := Identity{Certificate: a.issue(t, issue{root: true}), CAs: a.pool}
	leaf := a.issue(t, issue{})
	cache := &countingCache{}
	for range 3 {
		dialled, accepted := loopback(t)
		result := handshakeOver(t, accepted, false, RoleRoot, root)
		config := baseConfig()
		config.Certificates = []tls.Certificate{*leaf}
		config.SessionTicketsDisabled, config.ClientSessionCache, config.ServerName = false, cache, "root"
		d := &dialogue{conn: tls.Client(dialled, config), role: RoleLeaf, way: wayCertificates}
		must(t, d.conn.Handshake())
		must(t, d.open())
		must(t, <-result)
		_ = accepted.Close()
		_, _ = io.Copy(io.Discard, d.conn) // a ticket would come with the first read
		if cs := d.conn.ConnectionState(); cs.DidResume || cache.puts > 0 {
			t.Errorf("resumed %v, %d tickets", cs.DidResume, cache.puts)
		}
	}
	if cache.gets != 3 {
		t.Errorf("the client looked for tickets %d times; the test proves nothing", cache.gets)
	}
}

type countingCache struct{ gets, puts int }

func (c *countingCache) Get(string) (*tls.ClientSessionState, bool) { c.gets++; return nil, false }
func (c *countingCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.puts++
	}
}

func TestHandshake_WhatIsNotJoinleafIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		want error
		text string
	}{
		"a web server":          {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", ErrVersion, "control port"},
		"closes without a word": {"", io.EOF, "closed without a word"},
	} {
		for _, dials := range []bool{true, false} {
			dialled, accepted := loopback(t)
			result := handshakeOver(t, dialled, dials, RoleLeaf, Identity{Code: newCode(t)})
			_, _ = io.WriteString(accepted, c.says)
			_ = accepted.(*net.TCPConn).CloseWrite()
			err := <-result
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), accepted.LocalAddr().String()) {
				t.Errorf("%s, dialled %v: %v", name, dials, err)
			}
		}
	}
}

func TestHandshake_OverTCPKnowsAddressesAndRefusals(t *testing.T) {
	dialled, accepted := loopback(t)
	code := newCode(t)
	result := make(chan *Channel, 1)
	go func() {
		ch, err := Handshake(t.Context(), dialled, true, RoleLeaf, Identity{Code: code})
		if err != nil {
			t.Error(err)
		}
		result <- ch
	}()
	root, err := Handshake(t.Context(), accepted, false, RoleRoot, Identity{Code: code})
	must(t, err)
	leaf := <-result
	if root.Peer.AddrPort.String() != dialled.LocalAddr().String() || leaf.Peer.AddrPort.String() != accepted.LocalAddr().String() {
		t.Errorf("addresses %v and %v", root.Peer.AddrPort, leaf.Peer.AddrPort)
	}
	if s := root.String(); !strings.Contains(s, dialled.LocalAddr().String()) {
		t.Errorf("the channel calls itself %q", s)
	}
	dialled, accepted = loopback(t)
	rootErr := handshakeOver(t, accepted, false, RoleRoot, Identity{Code: newCode(t)})
	leafErr := handshakeOver(t, dialled, true, RoleLeaf, Identity{Code: code})
	for _, err := range []error{<-rootErr, <-leafErr} {
		if !errors.Is(err, ErrProof) {
			t.Errorf("another code over TCP: %v", err)
		}
	}
}
