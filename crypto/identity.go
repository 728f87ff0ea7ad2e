package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Role is which end of a session somebody is. It says nothing about who dials.
type Role uint8

// The roles. Their numbers are on the wire.
const (
	RoleRoot Role = 1
	RoleLeaf Role = 2
)

// String returns "root" or "leaf".
func (r Role) String() string {
	switch r {
	case RoleRoot:
		return "root"
	case RoleLeaf:
		return "leaf"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

func (r Role) other() Role { return RoleRoot + RoleLeaf - r }

// Identity is who we are and whom we trust, in exactly one of three ways. The
// zero Identity is an error: there is no way to go without.
//
//	(a) join code     Code, on both ends. The root may add a Key, then its
//	                  fingerprint lasts and a leaf may add it as RootPin.
//	(b) certificates  Certificate and CAs, on both ends; a leaf adds
//	                  ServerName, RootPin or both.
//	(c) pinned root   root: Key. Leaf: RootPin, and a Token for the root's
//	                  authorizer if that wants one.
type Identity struct {
	// Code is the secret that all members share.
	Code JoinCode

	// Certificate is ours, with its key: for server authentication at the
	// root, for client authentication at a leaf, whichever of them dials.
	Certificate *tls.Certificate
	// CAs are the authorities whose certificates we accept. They are never
	// the system's: nil is an error with (b).
	CAs *x509.CertPool
	// ServerName is the DNS name or IP address that the root's certificate
	// must be for. For leaves.
	ServerName string

	// RootPin is the root key's fingerprint. For leaves.
	RootPin Pin
	// Key is the root's lasting key, Ed25519 or P-256.
	Key crypto.Signer
	// Token tells the root's authorizer who a leaf is. Handshake does not send
	// it; the caller does, over the proven channel. For leaves.
	Token []byte
}

// way is how an Identity proves itself. Its numbers are on the wire.
type way uint8

const (
	wayCode         way = 1
	wayCertificates way = 2
	wayPin          way = 3
)

func (w way) String() string {
	switch w {
	case wayCode:
		return "a join code"
	case wayCertificates:
		return "certificates"
	case wayPin:
		return "a pinned root key"
	}
	return fmt.Sprintf("way %d", uint8(w))
}

// Check reports what is missing, superfluous or unusable. Its errors match
// ErrIdentity.
func (id Identity) Check(role Role) error {
	if role != RoleRoot && role != RoleLeaf {
		return fmt.Errorf("%w: %v is neither root nor leaf", ErrIdentity, role)
	}
	w, err := id.way()
	if err != nil {
		return err
	}
	if err := id.checkRole(role, w); err != nil {
		return err
	}
	if id.Key != nil && !usable(id.Key.Public()) {
		return fmt.Errorf("%w: Key is a %T; use an Ed25519 or P-256 key", ErrIdentity, id.Key.Public())
	}
	if w == wayCertificates {
		return id.checkCertificate(role)
	}
	return nil
}

// way tells which way id takes, and refuses none and several.
func (id Identity) way() (way, error) {
	certificates := id.Certificate != nil || id.CAs != nil || id.ServerName != ""
	switch {
	case !id.Code.IsZero() && certificates:
		return 0, fmt.Errorf("%w: it has a Code and certificates; choose one of them", ErrIdentity)
	case certificates && id.Key != nil:
		return 0, fmt.Errorf("%w: it has certificates and a Key; choose one of them", ErrIdentity)
	case !id.Code.IsZero():
		return wayCode, nil
	case certificates:
		return wayCertificates, nil
	case id.Key != nil || !id.RootPin.IsZero():
		return wayPin, nil
	case len(id.Token) > 0:
		return 0, fmt.Errorf("%w: it has a Token but no RootPin; without it the token would go to anybody", ErrIdentity)
	}
	return 0, fmt.Errorf("%w: it is empty; set Code, or Certificate and CAs, or Key at the root and RootPin at leaves", ErrIdentity)
}

// checkRole refuses what belongs to the other end.
func (id Identity) checkRole(role Role, w way) error {
	root := role == RoleRoot
	switch {
	case root && !id.RootPin.IsZero():
		return fmt.Errorf("%w: RootPin is for leaves; the root has a Key", ErrIdentity)
	case root && len(id.Token) > 0:
		return fmt.Errorf("%w: Token is for leaves", ErrIdentity)
	case root && id.ServerName != "":
		return fmt.Errorf("%w: ServerName is for leaves; the root's name stands in its certificate", ErrIdentity)
	case !root && id.Key != nil:
		return fmt.Errorf("%w: Key is for the root; a leaf has its fingerprint as RootPin", ErrIdentity)
	case w != wayPin && len(id.Token) > 0:
		return fmt.Errorf("%w: Token goes with RootPin alone, not with %v", ErrIdentity, w)
	case !root && w == wayCertificates && id.ServerName == "" && id.RootPin.IsZero():
		return fmt.Errorf("%w: a leaf with certificates needs ServerName or RootPin; "+
			"without, any member's certificate would pass for the root's", ErrIdentity)
	}
	return nil
}

// checkCertificate finds at home what the other end would refuse.
func (id Identity) checkCertificate(role Role) error {
	switch {
	case id.CAs == nil:
		return fmt.Errorf("%w: CAs is missing; give the authorities that sign members' certificates", ErrIdentity)
	case id.Certificate == nil:
		return fmt.Errorf("%w: Certificate is missing; both ends need one", ErrIdentity)
	case id.Certificate.PrivateKey == nil:
		return fmt.Errorf("%w: Certificate has no private key", ErrIdentity)
	}
	leaf, err := ownLeaf(id.Certificate)
	if err != nil {
		return err
	}
	if time.Now().After(leaf.NotAfter) {
		return fmt.Errorf("%w: our certificate ran out at %s; renew it", ErrIdentity, leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	want := usageOf(role)
	listed := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0
	if listed && !slices.Contains(leaf.ExtKeyUsage, want) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return fmt.Errorf("%w: our certificate is not for %s authentication, which a %v needs", ErrIdentity, usageName(role), role)
	}
	return nil
}

// Pin returns our own fingerprint, if it outlasts a connection: of Key, or of
// the certificate's key. With a join code alone, and at a leaf of (c), every
// Handshake makes a key of its own and there is none to tell.
func (id Identity) Pin() (Pin, error) {
	switch {
	case id.Key != nil:
		return pinOfKey(id.Key.Public())
	case id.Certificate != nil:
		leaf, err := ownLeaf(id.Certificate)
		if err != nil {
			return Pin{}, err
		}
		return PinOf(leaf), nil
	}
	return Pin{}, fmt.Errorf("%w: it has no lasting key and so no fingerprint; set Key at the root", ErrIdentity)
}

// Expires is when our own certificate runs out; the zero time without one.
func (id Identity) Expires() (time.Time, error) {
	if id.Certificate == nil {
		return time.Time{}, nil
	}
	leaf, err := ownLeaf(id.Certificate)
	if err != nil {
		return time.Time{}, err
	}
	return leaf.NotAfter, nil
}

func usable(key crypto.PublicKey) bool {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return true
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	}
	return false
}

// String says which way, not what with.
func (id Identity) String() string {
	w, err := id.way()
	if err != nil {
		return "[no identity]"
	}
	return "[identity: " + w.String() + "]"
}

// GoString is String.
func (id Identity) GoString() string { return id.String() }

// Format is String for every verb.
func (id Identity) Format(f fmt.State, _ rune) { redact(f, id.String()) }

// LogValue is String.
func (id Identity) LogValue() slog.Value { return slog.StringValue(id.String()) }

// MarshalText is String: encoding a configuration must not write tokens or keys.
func (id Identity) MarshalText() ([]byte, error) { return []byte(id.String()), nil }
