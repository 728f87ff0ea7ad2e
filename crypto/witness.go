package crypto

import (
	"crypto/ed25519"
	"encoding/binary"
	"sync"
	"time"
)

// Outcome says what became of something signed. It is a count, never an error:
// any member can send anything.
type Outcome uint8

// The outcomes.
const (
	Taken     Outcome = iota // proven and used
	Held                     // well formed; waits for the rest, or for its proof
	Old                      // tells nothing new; not checked
	Behind                   // proven, but what comes before it was missed: ask the root
	Removed                  // proven: this member is no longer one
	Unfit                    // proven, but does not fit what this member has: ask the root
	Malformed                // breaks a rule of its layout
	Forged                   // the signature is not the author's
	Ignored                  // not checked: too many forgeries lately
	Beyond                   // further ahead than a bounded memory reaches
)

// Outcomes is the number of outcomes: room for an array indexed by Outcome.
const Outcomes = int(Beyond) + 1

var outcomeNames = [Outcomes]string{
	"taken", "held", "old", "behind", "removed", "unfit", "malformed", "forged", "ignored", "beyond",
}

// String returns the outcome as one word, fit for a counter's name.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// A check of a signature is what costs most here, and every member can make us
// do one. So many may fail in a second; then what comes through the group is
// ignored for as long as ignoreFor, and has to be asked for by pairwise
// packets, which no other member can forge.
const (
	failuresAllowed = 200
	ignoreFor       = time.Second
)

// Witness checks what one member signed. It is safe for concurrent use.
type Witness struct {
	session SessionID
	author  uint32
	public  PublicKey

	mu        sync.Mutex
	manifests budget
	others    budget // apart: who floods with manifests does not hold up rekeys
}

// budget counts the checks of a second that led nowhere.
type budget struct {
	since    time.Time
	failures int
	deaf     time.Time // ignoring until
}

// NewWitness makes a witness of what a member of a session signs. The key comes
// from where it is trusted: the root's from a [Grant].
func NewWitness(session SessionID, author uint32, public PublicKey) *Witness {
	return &Witness{session: session, author: author, public: public}
}

// Public returns the author's key.
func (w *Witness) Public() PublicKey { return w.public }

// check verifies a signature within the budget. pairwise says that the packet
// came under a key that the author alone shares with us.
func (w *Witness) check(now time.Time, kind string, body, signature []byte, pairwise bool) Outcome {
	if !pairwise && !w.listens(now, kind) {
		return Ignored
	}
	var room [signedRoom]byte
	msg := appendStatement(room[:0], kind, w.session, w.author, body)
	if ed25519.Verify(w.public[:], msg, signature) {
		return Taken
	}
	if !pairwise {
		w.failed(now, kind)
	}
	return Forged
}

// Signed returns what b says as a statement of that kind; see
// [Author.AppendSigned]. The result aliases b and is nil unless it was Taken.
func (w *Witness) Signed(now time.Time, kind string, b []byte, pairwise bool) ([]byte, Outcome) {
	if len(b) < signatureSize {
		return nil, Malformed
	}
	body, signature := cutSignature(b)
	if o := w.check(now, kind, body, signature, pairwise); o != Taken {
		return nil, o
	}
	return body, Taken
}

func cutSignature(b []byte) (body, signature []byte) {
	n := len(b) - signatureSize
	return b[:n:n], b[n:]
}

// of returns the budget of a kind.
func (w *Witness) of(kind string) *budget {
	if kind == signManifest {
		return &w.manifests
	}
	return &w.others
}

// listens reports whether the group's packets are worth a check.
func (w *Witness) listens(now time.Time, kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !now.Before(w.of(kind).deaf)
}

// failed counts a check that led nowhere.
func (w *Witness) failed(now time.Time, kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.of(kind)
	if now.Sub(b.since) >= time.Second {
		b.since, b.failures = now, 0
	}
	if b.failures++; b.failures >= failuresAllowed {
		b.deaf, b.failures = now.Add(ignoreFor), 0
	}
}

// BindParams returns the hash of a session's parameters together with its
// root's public key. It is what epochs take as their parameters where the root
// signs: members that were told different keys of the root have no key in
// common, and notice at once.
//
//	SHA-256("joinleaf1 signer" ‖ 0x00 ‖ params hash 32 ‖ public key 32)
func BindParams(params [32]byte, root PublicKey) [32]byte {
	b := append(make([]byte, 0, 96), labelPrefix+"signer\x00"...)
	b = append(b, params[:]...)
	return sum256(append(b, root[:]...))
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
