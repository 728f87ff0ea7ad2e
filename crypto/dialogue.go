package crypto

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
)

// A dialogue is what follows a finished TLS handshake, see record. A TLS 1.3
// client is done before the server has judged its certificate; a Handshake is
// done when both have said that they accept.
type dialogue struct {
	conn    *tls.Conn
	role    Role
	way     way
	id      Identity
	verdict error // dialler: on the listener's certificate
}

// open is the dialler's part: its verdict, then the listener's.
func (d *dialogue) open() error {
	if err := d.say(d.verdict); err != nil {
		return err
	}
	r, err := d.hear()
	if err != nil {
		return err
	}
	return d.fits(r)
}

// answer is the listener's part.
func (d *dialogue) answer() error {
	r, err := d.hear()
	if err != nil {
		return err
	}
	if err := d.fits(r); err != nil {
		return d.say(err)
	}
	cs := d.conn.ConnectionState()
	return d.say(d.id.judge(d.role, &cs))
}

// fits refuses an end of our own role, or with another kind of identity.
func (d *dialogue) fits(r record) error {
	switch {
	case r.kind != recordAccept:
		return fmt.Errorf("%w: the other end spoke out of turn", ErrVersion)
	case r.role == d.role:
		return fmt.Errorf("%w: both ends are a %v; one must be the root and one a leaf", ErrIdentity, d.role)
	case r.way != d.way:
		return fmt.Errorf("%w: this end has %v and the other has %v; give both the same kind", ErrIdentity, d.way, r.way)
	}
	return nil
}

// prove is the part that only holders of the join code pass. The root speaks
// first: a false root learns nothing to guess from.
func (d *dialogue) prove(own *tls.Certificate) error {
	root, leaf, err := d.proofs(own)
	if err != nil {
		return err
	}
	if d.role == RoleRoot {
		if err := d.send(&record{kind: recordProof, proof: root}); err != nil {
			return err
		}
		return d.say(d.demand(leaf))
	}
	if err := d.demand(root); err != nil {
		return d.say(err)
	}
	if err := d.send(&record{kind: recordProof, proof: leaf}); err != nil {
		return err
	}
	r, err := d.hear()
	if err != nil {
		return err
	}
	return d.fits(r)
}

// proofs computes both proofs. Keyed by the code, each covers the role, so that
// none can be reflected; the TLS connection's exporter, so that none can be
// relayed or replayed; and both keys, since the client's certificate is not in
// what a TLS 1.3 exporter covers (RFC 8446, 7.1 and 7.5).
func (d *dialogue) proofs(own *tls.Certificate) (root, leaf [32]byte, err error) {
	cs := d.conn.ConnectionState()
	export, err := cs.ExportKeyingMaterial("EXPORTER-joinleaf1-psk", nil, 32)
	if err != nil {
		return root, leaf, fmt.Errorf("TLS exports no key: %w", err)
	}
	defer clear(export)
	mine, err := ownLeaf(own)
	if err != nil {
		return root, leaf, err
	}
	rootPin, leafPin := PinOf(mine), PinOf(cs.PeerCertificates[0])
	if d.role == RoleLeaf {
		rootPin, leafPin = leafPin, rootPin
	}
	code := d.id.Code.bytes()
	return proof(code, RoleRoot, export, rootPin, leafPin), proof(code, RoleLeaf, export, rootPin, leafPin), nil
}

// proof is HMAC-SHA256(code, "joinleaf1 proof" ‖ 0x00 ‖ role ‖ exporter ‖
// spki(root) ‖ spki(leaf)), role being "root" or "leaf".
func proof(code []byte, role Role, export []byte, root, leaf Pin) (p [32]byte) {
	m := hmac.New(sha256.New, code)
	m.Write([]byte(labelPrefix + "proof\x00" + role.String()))
	m.Write(export)
	m.Write(root[:])
	m.Write(leaf[:])
	m.Sum(p[:0])
	return p
}

// demand hears the other end's proof.
func (d *dialogue) demand(want [32]byte) error {
	r, err := d.hear()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the %v's proof is cut off: %w", ErrProof, d.role.other(), err)
	}
	if err != nil {
		return err
	}
	if r.kind != recordProof || r.role != d.role.other() || !hmac.Equal(r.proof[:], want[:]) {
		return fmt.Errorf("%w: the %v has another join code, or somebody stands between; give both ends the same code",
			ErrProof, d.role.other())
	}
	return nil
}

// told marks an error that the other end knows of already.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

// say tells our verdict and returns it: nil once acceptance was sent.
func (d *dialogue) say(verdict error) error {
	if verdict == nil {
		return d.send(&record{kind: recordAccept})
	}
	if _, ok := errors.AsType[told](verdict); !ok {
		_ = d.send(&record{kind: recordRefuse, reason: reasonOf(verdict)}) // the verdict is the news
	}
	return verdict
}

func (d *dialogue) send(r *record) error {
	r.role, r.way = d.role, d.way
	if _, err := d.conn.Write(r.append(make([]byte, 0, recordSize))); err != nil {
		return explain(err)
	}
	return nil
}

// hear reads one record. A refusal is an error that needs no answer.
func (d *dialogue) hear() (record, error) {
	var b [recordSize]byte
	if _, err := io.ReadFull(d.conn, b[:]); err != nil {
		return record{}, told{explain(err)}
	}
	r, err := parseRecord(b[:])
	if err != nil {
		return record{}, fmt.Errorf("%w: the other end sent what no joinleaf sends; use the same version at both ends", ErrVersion)
	}
	if r.kind == recordRefuse {
		return record{}, told{r.reason.refused()}
	}
	return r, nil
}
