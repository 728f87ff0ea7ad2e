package dtls

import (
	"errors"
	"fmt"

	"github.com/joinleaf/joinleaf/crypto"
)

// A handshake fails with crypto's errors (ErrProof, ErrPin, ErrCertificate,
// ErrVersion, ErrIdentity) or these, at both ends with the same one.
var (
	// ErrRefused is matched when Config.Admit, here or there, did not want the peer.
	ErrRefused = errors.New("peer refused")
	// ErrBusy is matched when an end has as many associations as it allows.
	ErrBusy = errors.New("too many associations")
	// ErrFIPS is matched by New while FIPS 140-3 is enforced: the cipher suite
	// and the key exchange are not approved, and pion has no others that are safe.
	ErrFIPS = errors.New("DTLS is not available while FIPS 140-3 is enforced")
	// ErrTooLong is matched by Write when a datagram does not fit into a packet.
	ErrTooLong = errors.New("datagram too long")
)

// reason is a refusal as the other end is told it, protected by then.
type reason uint8

const (
	reasonProof       reason = 1
	reasonPin         reason = 2
	reasonCertificate reason = 3
	reasonVersion     reason = 4
	reasonIdentity    reason = 5
	reasonRefused     reason = 6
	reasonBusy        reason = 7
	reasonOther       reason = 8
)

var reasons = []struct {
	reason reason
	err    error
	told   string // at the end that is refused
}{
	{reasonProof, crypto.ErrProof, "the other end has another join code; give both the same one"},
	{reasonPin, crypto.ErrPin, "the other end expects another key at our address; its roster may be older than our start"},
	{reasonCertificate, crypto.ErrCertificate, "the other end does not accept ours: its CAs, the name it expects, our certificate's dates or its usage do not fit"},
	{reasonVersion, crypto.ErrVersion, "the other end does not speak our version; use the same version of joinleaf at both ends"},
	{reasonIdentity, crypto.ErrIdentity, "the ends are not set up alike; give both the same kind of identity"},
	{reasonRefused, ErrRefused, "the other end does not want us; it may have removed us from the session"},
	{reasonBusy, ErrBusy, "the other end has as many associations as it allows; try again later"},
}

func reasonOf(err error) reason {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return reasonOther
}

// refused is the error at the end that was told r.
func (r reason) refused() error {
	for _, k := range reasons {
		if k.reason == r {
			return fmt.Errorf("%w: %s", k.err, k.told)
		}
	}
	return fmt.Errorf("%w: for a reason of the other end's own; see its log", ErrRefused)
}
