package crypto

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// impostor plays a role with a join code that it does not have, up to where the
// proofs begin.
func impostor(t *testing.T, conn net.Conn, dialer bool, role Role) *dialogue {
	t.Helper()
	own, err := throwaway()
	must(t, err)
	return impostorWith(t, conn, dialer, role, own)
}

func impostorWith(t *testing.T, conn net.Conn, dialer bool, role Role, own *tls.Certificate) *dialogue {
	t.Helper()
	d := &dialogue{role: role, way: wayCode}
	if dialer {
		c := baseConfig()
		c.Certificates = []tls.Certificate{*own}
		d.conn = tls.Client(conn, c)
	} else {
		d.conn = tls.Server(conn, serverConfig(own))
	}
	must(t, d.conn.Handshake())
	if dialer {
		must(t, d.send(&record{kind: recordAccept}))
	}
	_, err := d.hear()
	must(t, err)
	if !dialer {
		must(t, d.send(&record{kind: recordAccept}))
	}
	return d
}

// victim starts a Handshake on its end of a pipe and gives the other end.
func victim(t *testing.T, dialer bool, role Role, code JoinCode) (net.Conn, <-chan error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	a, b := net.Pipe()
	result := make(chan error, 1)
	go func() {
		defer cancel()
		_, err := Handshake(ctx, a, dialer, role, Identity{Code: code})
		result <- err
	}()
	return b, result
}

func TestC3_AFalseRootNeverSeesALeafsProof(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		code := newCode(t)
		for name, record := range map[string]record{
			"noise":                   {kind: recordProof, proof: [32]byte{1, 2, 3}},
			"nothing in it":           {kind: recordProof},
			"acceptance for a proof":  {kind: recordAccept},
			"a proof of another code": {kind: recordProof, proof: proof(newCode(t).bytes(), RoleRoot, nil, Pin{}, Pin{})},
		} {
			conn, result := victim(t, !rootDials, RoleLeaf, code)
			d := impostor(t, conn, rootDials, RoleRoot)
			must(t, d.send(&record))
			var b [recordSize]byte
			if _, err := io.ReadFull(d.conn, b[:]); err != nil || b[0] != recordRefuse {
				t.Errorf("%s: the leaf answered %x, %v; want a refusal", name, b, err)
			}
			if n, err := d.conn.Read(b[:]); err == nil {
				t.Errorf("%s: after its refusal the leaf said %x", name, b[:n])
			}
			if err := <-result; !errors.Is(err, ErrProof) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestC3_AFalseLeafIsRefused(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		code := newCode(t)
		var earlier record // the root's proof in an earlier connection
		for _, c := range []struct {
			name   string
			answer func(root record) []byte
		}{
			{"the root's proof reflected", func(r record) []byte { return r.append(nil) }},
			{"reflected as a leaf's", func(r record) []byte { r.role = RoleLeaf; return r.append(nil) }},
			{"an earlier proof replayed", func(record) []byte { r := earlier; r.role = RoleLeaf; return r.append(nil) }},
			{"noise", func(r record) []byte { _, _ = rand.Read(r.proof[:]); r.role = RoleLeaf; return r.append(nil) }},
			{"one bit wrong", func(r record) []byte { r.proof[31] ^= 1; r.role = RoleLeaf; return r.append(nil) }},
			{"zeros", func(record) []byte { return (&record{kind: recordProof, role: RoleLeaf, way: wayCode}).append(nil) }},
			{"acceptance for a proof", func(record) []byte { return (&record{kind: recordAccept, role: RoleLeaf, way: wayCode}).append(nil) }},
			{"a proof cut short", func(r record) []byte { r.role = RoleLeaf; return r.append(nil)[:20] }},
		} {
			conn, result := victim(t, rootDials, RoleRoot, code)
			d := impostor(t, conn, !rootDials, RoleLeaf)
			root, err := d.hear()
			must(t, err)
			if root == earlier || root.kind != recordProof {
				t.Errorf("%s: the root's proof is the same in two connections, or none: %+v", c.name, root)
			}
			_, err = d.conn.Write(c.answer(root))
			must(t, err)
			earlier = root
			if len(c.answer(root)) < recordSize {
				must(t, d.conn.Close())
			} else if r, err := d.hear(); err == nil {
				t.Errorf("%s: the root answered %+v", c.name, r)
			}
			if err := <-result; !errors.Is(err, ErrProof) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

// A leaf written from the formula alone is let in: what the proof covers is what
// the documentation says.
func TestC3_TheFormulaIsWhatIsProven(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		code := newCode(t)
		conn, result := victim(t, rootDials, RoleRoot, code)
		own, err := throwaway()
		must(t, err)
		d := impostorWith(t, conn, !rootDials, RoleLeaf, own)
		_, err = d.hear()
		must(t, err)
		cs := d.conn.ConnectionState()
		export, err := cs.ExportKeyingMaterial("EXPORTER-joinleaf1-psk", nil, 32)
		must(t, err)
		root, leaf := sha256.Sum256(cs.PeerCertificates[0].RawSubjectPublicKeyInfo), sha256.Sum256(own.Leaf.RawSubjectPublicKeyInfo)
		m := hmac.New(sha256.New, code.bytes())
		m.Write(slices.Concat([]byte("joinleaf1 proof\x00leaf"), export, root[:], leaf[:]))
		must(t, d.send(&record{kind: recordProof, proof: [32]byte(m.Sum(nil))}))
		if r, err := d.hear(); err != nil || r.kind != recordAccept {
			t.Errorf("the root answered %+v, %v", r, err)
		}
		must(t, <-result)
		_ = conn.Close()
	})
}

// Even the right proof is refused from an end that calls itself something else.
func TestC3_AProofUnderTheWrongRoleIsRefused(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		code := newCode(t)
		conn, result := victim(t, rootDials, RoleRoot, code)
		own, err := throwaway()
		must(t, err)
		d := impostorWith(t, conn, !rootDials, RoleLeaf, own)
		d.id.Code = code
		_, err = d.hear()
		must(t, err)
		_, proof, err := d.proofs(own)
		must(t, err)
		_, err = d.conn.Write((&record{kind: recordProof, role: RoleRoot, way: wayCode, proof: proof}).append(nil))
		must(t, err)
		if r, err := d.hear(); err == nil {
			t.Errorf("the root answered %+v", r)
		}
		if err := <-result; !errors.Is(err, ErrProof) {
			t.Error(err)
		}
	})
}

// Somebody between two holders of the code ends TLS on both sides and passes
// every byte on: the proofs are bound to the connection that they were made in.
func TestC3_ARelayWithItsOwnTLSIsNoticed(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		code := newCode(t)
		toRoot, rootResult := victim(t, rootDials, RoleRoot, code)
		toLeaf, leafResult := victim(t, !rootDials, RoleLeaf, code)
		own, err := throwaway()
		must(t, err)
		ends := map[bool]net.Conn{rootDials: toRoot, !rootDials: toLeaf} // by whether that end dials
		server := tls.Server(ends[true], serverConfig(own))
		config := baseConfig()
		config.Certificates = []tls.Certificate{*own}
		client := tls.Client(ends[false], config)
		must(t, server.Handshake())
		must(t, client.Handshake())
		go func() { _, _ = io.Copy(server, client); _ = server.NetConn().Close() }()
		go func() { _, _ = io.Copy(client, server); _ = client.NetConn().Close() }()
		for end, result := range map[string]<-chan error{"root": rootResult, "leaf": leafResult} {
			if err := <-result; !errors.Is(err, ErrProof) {
				t.Errorf("the %s: %v", end, err)
			}
		}
	})
}

// A leaf that dials shows its certificate to nobody it would refuse.
func TestC1_AFalseRootDoesNotLearnWhoTheLeafIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(t)
		leaf := Identity{Certificate: a.issue(t, issue{names: []string{"alice"}}), CAs: a.pool, ServerName: "root.test"}
		pin, err := leaf.Pin()
		must(t, err)
		x, y := net.Pipe()
		result := make(chan error, 1)
		go func() {
			_, err := Handshake(t.Context(), x, true, RoleLeaf, leaf)
			result <- err
		}()
		own, err := throwaway()
		must(t, err)
		server := tls.Server(y, serverConfig(own))
		must(t, server.Handshake())
		if shown := server.ConnectionState().PeerCertificates[0]; PinOf(shown) == pin || len(shown.DNSNames) > 0 {
			t.Errorf("the false root saw %v", shown.DNSNames)
		}
		var b [recordSize]byte
		if _, err := io.ReadFull(server, b[:]); err != nil || b[0] != recordRefuse {
			t.Errorf("the leaf said %x, %v", b, err)
		}
		if err := <-result; !errors.Is(err, ErrCertificate) {
			t.Error(err)
		}
	})
}

func TestHandshake_StrangeRecordsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		code := newCode(t)
		for name, b := range map[string][]byte{
			"zeros":                make([]byte, recordSize),
			"text":                 []byte("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")[:recordSize],
			"a refusal for itself": (&record{kind: recordRefuse, role: RoleLeaf, way: wayCode, reason: reasonOther}).append(nil),
			"a proof out of turn":  (&record{kind: recordProof, role: RoleLeaf, way: wayCode, proof: [32]byte{1}}).append(nil),
		} {
			conn, result := victim(t, false, RoleRoot, code)
			own, err := throwaway()
			must(t, err)
			c := baseConfig()
			c.Certificates = []tls.Certificate{*own}
			client := tls.Client(conn, c)
			must(t, client.Handshake())
			_, err = client.Write(b)
			must(t, err)
			_, _ = io.Copy(io.Discard, client)
			if err := <-result; err == nil {
				t.Errorf("%s: the root accepts it", name)
			}
		}
	})
}
