package session

import (
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// A key of the group proves that a member sealed a packet, not which. Where that is
// not enough the sender hashes every symbol that it sends for the first time and
// signs the hashes, many at a time; these manifests go to the group as packets of
// their own. What a manifest says, and how it is asked for again, is the Signer's
// and the Verifier's: bodies pass through here unread.
//
//	sender    batch -> Hash, Seal -> socket       Add -> Poll -> manifests -> socket
//	receiver  Open -> Hash -> flow.Receiver (Unknown: kept, not read) <- Proven
//	                 manifest -> Verifier.Manifest -> rejected: asked for again
//	                             Verifier.Ask -> question, pairwise -> Signer.Ask

// Hash is what a manifest knows a symbol by. It and the three below have no names of
// their own, so that crypto can declare the same types.
type Hash = [16]byte

// Symbol is what is hashed: a symbol with its place.
type Symbol = struct {
	Stream uint16
	Seq    uint64
	Bytes  []byte
}

// SymbolID names a symbol of one sender.
type SymbolID = struct {
	Stream uint16
	Seq    uint64
}

// SymbolRange names symbols of one stream, End not among them.
type SymbolRange = struct {
	Stream     uint16
	First, End uint64
}

// Signer makes the manifests of what this member sends: crypto.ManifestSigner is
// one. It is called by one goroutine at a time.
type Signer interface {
	// Add takes up a symbol that was sent.
	Add(now time.Time, stream uint16, seq uint64, h Hash)
	// Cut wants a manifest of what there is: nothing more will come soon.
	Cut()
	// Hurry wants one of what there is and what comes next, if there was none just now.
	Hurry()
	// Poll appends the next manifest for the group, until false.
	Poll(now time.Time, dst []byte) ([]byte, bool)
	// Ask takes a member's question. It appends the symbols to unknown that have to
	// be added again.
	Ask(now time.Time, from uint32, question []byte, unknown []SymbolRange) ([]SymbolRange, bool)
	// Again appends the next answer; to 0 is the group.
	Again(now time.Time, dst []byte) (b []byte, to uint32, ok bool)
	// NextTimeout is when Poll has something though nothing is added.
	NextTimeout() time.Time
}

// Verifier tells one sender's symbols from forgeries by its manifests. All methods
// are safe for concurrent use.
type Verifier interface {
	flow.Judge
	// Manifest takes one, and appends to rejected what was kept and is forged.
	Manifest(now time.Time, body []byte, pairwise bool, rejected []SymbolID) []SymbolID
	// Ask appends the question to the sender that is due.
	Ask(now time.Time, dst []byte) ([]byte, bool)
	// NextTimeout is when Ask has one though nothing comes.
	NextTimeout() time.Time
	// Crowd says how many members there are that may ask.
	Crowd(members int)
}

const kindManifest = 1

// Bounds of what a sender does for questions.
const (
	questionEach  = 5 * time.Millisecond // one from a member, on average
	questionAhead = 8                    // as many may come ahead of that
	answerRate    = 256 << 10            // bytes a second, and a quarter of what data takes
	answerRoom    = 256 << 10            // of that is saved up at most
	answerWait    = 5 * time.Millisecond
	resignMost    = 256 // symbols that are signed anew within answerWait
	manifestsOnce = 16  // in one system call
)

// prover is the sending half's part: the signer, and what it is still good for.
type prover struct {
	hashes  [flow.MaxSegments]Hash // of the batch in hand
	one     [1]Symbol
	hash    [1]Hash
	bodies  [manifestsOnce][]byte
	pending [][]byte
	unknown []SymbolRange
	asked   map[uint32]time.Time // when a member's questions are paid off
	tokens  int                  // bytes that answers may take
	filled  time.Time            // when tokens were reckoned last
	moreAt  time.Time            // when answers go on that had to wait; zero: none has
	resign  int                  // symbols that may be signed anew until resignAt
	again   time.Time
}

// prove sends the manifests that are due.
func (t *transmitter) prove(now time.Time) {
	g := t.s.c.Signer
	if g == nil {
		return
	}
	for p := &t.prover; ; {
		p.pending = p.pending[:0]
		size := 0
		for i := range p.bodies {
			var ok bool
			if p.bodies[i], ok = g.Poll(now, p.bodies[i][:0]); !ok {
				break
			}
			p.pending = append(p.pending, p.bodies[i])
			size += len(p.bodies[i])
		}
		if len(p.pending) == 0 {
			break
		}
		t.manifests(now, t.s.c.GroupAddr, 0, p.pending, size)
	}
	t.answer(now)
}

// conclude has proven at once what was sent, if nothing waits to be.
func (t *transmitter) conclude(now time.Time) {
	if t.s.c.Signer != nil && t.sender.Due(now) == 0 {
		t.s.c.Signer.Cut()
		t.prove(now)
	}
}

// manifests sends some to one place. What the system refuses will be asked for.
func (t *transmitter) manifests(now time.Time, dst netip.AddrPort, key uint32, bodies [][]byte, size int) {
	n, wire, err := t.s.wr.sendEach(kindManifest, dst, key, bodies)
	if err != nil {
		t.counts.failed++
		return
	}
	t.counts.packets += uint64(n)
	t.counts.bytes += uint64(wire)
	t.counts.batches++
	t.counts.manifests += uint64(n)
	t.sender.Charge(now, n, size)
}

// sent takes up a batch that has left.
func (t *transmitter) sent(now time.Time, size int) {
	p := &t.prover
	for i, f := range t.batch.Frames {
		if id, seq, _, ok := flow.SymbolOf(f); ok {
			t.s.c.Signer.Add(now, id, seq, p.hashes[i])
		}
	}
	p.tokens = min(p.tokens+size/4, answerRoom)
}

// question takes what a member asked, not more often than it may.
func (t *transmitter) question(now time.Time, from uint32, body []byte) Drop {
	p := &t.prover
	if _, ok := t.addrs[from]; !ok {
		return DropSender
	}
	if p.asked == nil {
		p.asked = make(map[uint32]time.Time)
	}
	paid := p.asked[from]
	if paid.Sub(now) > questionAhead*questionEach {
		return FlowDrop(flow.DropRate)
	}
	if paid.Before(now) {
		paid = now
	}
	p.asked[from] = paid.Add(questionEach)
	var ok bool
	if p.unknown, ok = t.s.c.Signer.Ask(now, from, body, p.unknown[:0]); !ok {
		return DropFrame
	}
	if now.After(p.again) {
		p.again, p.resign = now.Add(answerWait), resignMost
	}
	for _, u := range p.unknown {
		t.signAnew(now, u)
	}
	return DropNone
}

// signAnew gives the signer what it has forgotten, from the ring.
func (t *transmitter) signAnew(now time.Time, u SymbolRange) {
	p := &t.prover
	for seq := u.First; seq < u.End && p.resign > 0; seq++ {
		p.resign--
		if _, _, symbol, ok := flow.SymbolOf(t.sender.Frame(u.Stream, seq)); ok {
			p.one[0] = Symbol{u.Stream, seq, symbol}
			t.s.c.Hashes(p.hash[:], p.one[:])
			t.s.c.Signer.Add(now, u.Stream, seq, p.hash[0])
		}
	}
}

// answer sends what was asked for again, as far as its share of the bytes goes.
func (t *transmitter) answer(now time.Time) {
	p := &t.prover
	if p.filled.IsZero() {
		p.filled, p.tokens = now, answerRoom
	}
	p.tokens = min(p.tokens+int(min(now.Sub(p.filled), time.Second)*answerRate/time.Second), answerRoom)
	p.filled, p.moreAt = now, time.Time{}
	for {
		if p.tokens <= 0 {
			p.moreAt = now.Add(answerWait)
			return
		}
		b, to, ok := t.s.c.Signer.Again(now, p.bodies[0][:0])
		if p.bodies[0] = b; !ok {
			return
		}
		dst, key := t.s.c.GroupAddr, uint32(0)
		if to != 0 {
			if dst, ok = t.addrs[to]; !ok {
				continue
			}
			key = t.s.keyFor(to)
		}
		p.tokens -= len(b)
		p.pending = append(p.pending[:0], b)
		t.manifests(now, dst, key, p.pending, len(b))
	}
}

// proveAt is when prove has something to do though nothing is sent.
func (t *transmitter) proveAt() time.Time {
	if t.s.c.Signer == nil {
		return time.Time{}
	}
	return earliest(t.prover.moreAt, t.s.c.Signer.NextTimeout())
}
