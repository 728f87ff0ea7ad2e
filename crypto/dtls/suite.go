package dtls

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync/atomic"

	"golang.org/x/crypto/chacha20poly1305"

	pion "github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/clientcertificate"
	"github.com/pion/dtls/v2/pkg/crypto/prf"
	"github.com/pion/dtls/v2/pkg/protocol/recordlayer"
)

// suiteID is TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 (RFC 7905).
const suiteID pion.CipherSuiteID = 0xCCA9

const (
	// maxRecords is how many records one key protects. Numbers never repeat, so
	// the cipher could do many more; an association ends here.
	maxRecords = 1 << 32
	// maxFinished is how often Finished may be repeated: pion keeps each one.
	maxFinished = 64

	ivSize  = chacha20poly1305.NonceSize
	tagSize = chacha20poly1305.Overhead
)

var (
	errNoKeys     = errors.New("dtls: no keys yet")
	errExhausted  = errors.New("dtls: all record numbers of this association are used; dial again")
	errNotRecord  = errors.New("dtls: not a record of the protected epoch")
	errForged     = errors.New("dtls: record does not open")
	errInner      = errors.New("dtls: record holds what the profile forbids")
	errLongRecord = errors.New("dtls: record too long")
)

// suite is the only cipher suite of an association, and the association's own:
// pion's suites are neither offered nor accepted. Its nonce is the write IV xor
// (0⁴ ‖ epoch 16 ‖ number 48), so it never repeats under a key and nothing of
// it is on the wire (RFC 7905, 2):
//
//	body = ciphertext ‖ tag 16
//	authenticated beside it: epoch 2 ‖ number 6 ‖ content type 1 ‖ version 2 ‖ length of the plain body 2
type suite struct {
	count *counters

	keys     atomic.Pointer[suiteKeys]
	opened   atomic.Bool // Finished has opened
	finished atomic.Int32
}

type suiteKeys struct {
	seal, open     cipher.AEAD
	sealIV, openIV [ivSize]byte

	master                     [48]byte
	clientRandom, serverRandom [32]byte
}

func (s *suite) String() string                          { return "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" }
func (s *suite) ID() pion.CipherSuiteID                  { return suiteID }
func (s *suite) CertificateType() clientcertificate.Type { return clientcertificate.ECDSASign }
func (s *suite) HashFunc() func() hash.Hash              { return sha256.New }
func (s *suite) ECC() bool                               { return true }
func (s *suite) IsInitialized() bool                     { return s.keys.Load() != nil }

func (s *suite) AuthenticationType() pion.CipherSuiteAuthenticationType {
	return pion.CipherSuiteAuthenticationTypeCertificate
}

func (s *suite) KeyExchangeAlgorithm() pion.CipherSuiteKeyExchangeAlgorithm {
	return pion.CipherSuiteKeyExchangeAlgorithmEcdhe
}

// Init is called once, when both ends' key shares are known.
func (s *suite) Init(master, clientRandom, serverRandom []byte, dialler bool) error {
	k := &suiteKeys{}
	if copy(k.master[:], master) != len(k.master) || copy(k.clientRandom[:], clientRandom) != 32 || copy(k.serverRandom[:], serverRandom) != 32 {
		return fmt.Errorf("dtls: a master secret of %d bytes, randoms of %d and %d", len(master), len(clientRandom), len(serverRandom))
	}
	b, err := prf.GenerateEncryptionKeys(master, clientRandom, serverRandom, 0, chacha20poly1305.KeySize, ivSize, sha256.New)
	if err != nil {
		return fmt.Errorf("dtls: deriving keys: %w", err)
	}
	own, other := b.ServerWriteKey, b.ClientWriteKey
	ownIV, otherIV := b.ServerWriteIV, b.ClientWriteIV
	if dialler {
		own, other, ownIV, otherIV = other, own, otherIV, ownIV
	}
	copy(k.sealIV[:], ownIV)
	copy(k.openIV[:], otherIV)
	if k.seal, err = chacha20poly1305.New(own); err != nil {
		return fmt.Errorf("dtls: %w", err)
	}
	if k.open, err = chacha20poly1305.New(other); err != nil {
		return fmt.Errorf("dtls: %w", err)
	}
	for _, secret := range [][]byte{own, other, ownIV, otherIV} {
		clear(secret)
	}
	s.keys.Store(k)
	return nil
}

// Encrypt protects raw, a record in the clear with its header.
func (s *suite) Encrypt(_ *recordlayer.RecordLayer, raw []byte) ([]byte, error) {
	k := s.keys.Load()
	if k == nil {
		return nil, errNoKeys
	}
	r, rest, ok := cutRecord(raw)
	switch {
	case !ok || len(rest) > 0 || r.version != dtls12 || r.epoch != 1:
		return nil, errNotRecord
	case r.number >= maxRecords:
		return nil, errExhausted
	case len(r.body)+tagSize > maxDatagram:
		return nil, errLongRecord
	}
	nonce := nonceOf(&k.sealIV, raw)
	out := append(make([]byte, 0, len(raw)+tagSize), raw[:recordHeader]...)
	binary.BigEndian.PutUint16(out[11:], uint16(len(r.body)+tagSize))
	aad := aadOf(raw, len(r.body))
	return k.seal.Seal(out, nonce[:], r.body, aad[:]), nil
}

// Decrypt opens in into a record in the clear. It never writes over in: pion
// reuses its buffers.
func (s *suite) Decrypt(in []byte) ([]byte, error) {
	k := s.keys.Load()
	if k == nil {
		return nil, errNoKeys
	}
	r, rest, ok := cutRecord(in)
	if !ok || len(rest) > 0 || r.version != dtls12 || r.epoch != 1 || r.content == contentCipher || len(r.body) < tagSize {
		s.count.drop(RecordForged)
		return nil, errNotRecord
	}
	nonce := nonceOf(&k.openIV, in)
	aad := aadOf(in, len(r.body)-tagSize)
	out := append(make([]byte, 0, len(in)), in[:recordHeader]...)
	out, err := k.open.Open(out, nonce[:], r.body, aad[:])
	if err != nil {
		s.count.drop(RecordForged)
		return nil, errForged
	}
	binary.BigEndian.PutUint16(out[11:], uint16(len(out)-recordHeader))
	if !judgeInner(r.content, out[recordHeader:]) || !s.inTurn(r.content) {
		s.count.drop(RecordInner)
		return nil, errInner
	}
	return out, nil
}

// inTurn wants Finished first, and not too often.
func (s *suite) inTurn(content uint8) bool {
	if content != contentHandshake {
		return s.opened.Load()
	}
	s.opened.Store(true)
	return s.finished.Add(1) <= maxFinished
}

// nonceOf reads epoch and number where they stand in the record's header.
func nonceOf(iv *[ivSize]byte, header []byte) (nonce [ivSize]byte) {
	nonce = *iv
	for i, b := range header[3:11] {
		nonce[4+i] ^= b
	}
	return nonce
}

func aadOf(header []byte, plain int) (aad [13]byte) {
	copy(aad[:], header[3:11])
	copy(aad[8:], header[:3])
	binary.BigEndian.PutUint16(aad[11:], uint16(plain))
	return aad
}

// forget clears what can be cleared; the ciphers and pion keep copies.
func (s *suite) forget() {
	if k := s.keys.Load(); k != nil {
		clear(k.master[:])
	}
}
