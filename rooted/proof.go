package rooted

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// SourceLevel says how a leaf knows that group data is the root's.
type SourceLevel uint8

// The levels. At the root the session's, at a leaf the least that it accepts: who
// asks for Signed joins no session of another level. What a leaf sends to the root
// alone is always under the pair's own key.
const (
	// Signed: the root signs what it sends, many symbols at a time, and a leaf reads
	// nothing that is not proven. It costs a hash of every packet at both ends, and
	// up to 5 ms where little is sent and nobody calls Flush.
	Signed SourceLevel = SourceLevel(crypto.LevelSigned)
	// SignedEager: a leaf reads at once, Message.Unproven tells, and a Forged event
	// if it was another member's. For media that cannot wait.
	SignedEager SourceLevel = SourceLevel(crypto.LevelSignedEager)
	// Group: whoever opens a packet knows that a member sealed it, not which. Every
	// leaf could pose as the root. With nonrooted data there is no other level.
	Group SourceLevel = SourceLevel(crypto.LevelGroup)
)

// String names the level as the command does.
func (l SourceLevel) String() string {
	switch l {
	case Signed:
		return "signed"
	case SignedEager:
		return "eager"
	case Group:
		return "group"
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// MarshalText writes the name that String gives.
func (l SourceLevel) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a name as String gives it.
func (l *SourceLevel) UnmarshalText(name []byte) error {
	for _, x := range []SourceLevel{Signed, SignedEager, Group} {
		if x.String() == string(name) {
			*l = x
			return nil
		}
	}
	return fmt.Errorf("rooted: no source level is called %q", name)
}

// sign has the root's data plane prove what it sends.
func (r *Root) sign(plane *session.Config) (err error) {
	level := crypto.Level(r.params.Level)
	if !level.Manifests() {
		return nil
	}
	plane.Eager = !level.Waits()
	size := min(crypto.MaxManifest, flow.HeadSize+int(r.params.Symbol)) // a packet's worth
	plane.Signer, err = crypto.NewManifestSigner(r.author, max(size, leastManifest), 0)
	plane.Hashes = crypto.HashSymbols
	return err
}

// leastManifest is the shortest manifest that crypto makes.
const leastManifest = 512

// verify has a leaf's data plane check what the root sends.
func (l *Leaf) verify(plane *session.Config) (err error) {
	level := crypto.Level(l.params.Level)
	if !level.Manifests() {
		return nil
	}
	span := min(max(leastSpan, 2*int(l.params.Window)/int(l.params.Symbol)), mostSpan)
	c := &checker{eager: !level.Waits(), span: uint64(span)}
	c.ManifestVerifier, err = crypto.NewManifestVerifier(crypto.VerifierConfig{Witness: l.witness, Streams: len(l.params.Streams), Span: span, Draw: c.draw})
	if err != nil {
		return err
	}
	l.checker.Store(c)
	plane.Hashes, plane.Eager, plane.Forged = crypto.HashSymbols, c.eager, l.forged
	plane.Verifier = func(sender uint32) session.Verifier {
		if sender != control.RootID {
			return nil
		}
		return c
	}
	return nil
}

// How many symbols of a stream are remembered: two windows, but no fewer and no
// more than these.
const (
	leastSpan = 1 << 14
	mostSpan  = 1 << 20
)

// checker is crypto's verifier as the data plane wants it.
type checker struct {
	*crypto.ManifestVerifier
	eager bool
	span  uint64
	crowd atomic.Int64
}

// Crowd tells how many may ask the same.
func (c *checker) Crowd(n int) { c.crowd.Store(int64(n)) }

// draw spreads questions: up to eight leaves ask at once, more at 4,000 a second
// in all, as for repairs.
func (c *checker) draw() time.Duration {
	n := c.crowd.Load()
	if n <= 8 {
		return 0
	}
	return time.Duration(rand.Int64N(n * int64(time.Second) / 4000))
}

func (c *checker) Hash(id uint16, seq uint64, symbol []byte) [16]byte {
	return crypto.HashSymbol(id, seq, symbol)
}

func (c *checker) Symbol(now time.Time, id uint16, seq uint64, h [16]byte) flow.Verdict {
	switch c.ManifestVerifier.Symbol(now, id, seq, h) {
	case crypto.Taken:
		return flow.Genuine
	case crypto.Held:
		return flow.Unknown
	case crypto.Beyond, crypto.Old:
		return flow.TooFar
	}
	return flow.Forged
}

// Release forgets what is done with. Where data waits for its proof, that is all
// below; else what was read is still to be proven, as far as memory goes.
func (c *checker) Release(now time.Time, id uint16, seq uint64) {
	if !c.eager {
		c.Skip(now, id, seq, nil)
		return
	}
	c.ManifestVerifier.Release(id, seq)
	if covered := c.Covered(id); seq > covered+c.span/2 {
		c.Skip(now, id, seq-c.span/4, nil)
	}
}

func (c *checker) Manifest(now time.Time, body []byte, pairwise bool, rejected []session.SymbolID) []session.SymbolID {
	rejected, _ = c.ManifestVerifier.Manifest(now, body, pairwise, rejected)
	return rejected
}

// alarm gathers what was forged, so that a flood of it is one event a second.
type alarm struct {
	mu            sync.Mutex
	last          time.Time
	symbols, read int
}

const alarmEvery = time.Second

// forged tells the application that a member poses as the root. It is called by the
// data plane's readers.
func (l *Leaf) forged(sender uint32, symbols, read int) {
	a, now := &l.alarm, time.Now()
	a.mu.Lock()
	a.symbols += symbols
	a.read += read
	symbols, read = a.symbols, a.read
	due := now.Sub(a.last) >= alarmEvery
	if due {
		a.last, a.symbols, a.read = now, 0, 0
	}
	a.mu.Unlock()
	if !due {
		return
	}
	text := fmt.Sprintf("a member seals data in the root's name: %d packets refused", symbols-read)
	if read > 0 {
		text += fmt.Sprintf(", %d read before that showed", read)
	}
	l.log.Warn(text)
	l.events.add(Event{Kind: Forged, Member: sender, Text: text})
}
