package crypto

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// When a manifest is signed: at most symbols under one signature; no symbol
// waits longer than late. From many on, which a sender of up to 10,000 packets
// a second reaches late, soon is long enough: so the number grows with the
// rate, up to most. What comes after a pause is signed at once.
const (
	mostSymbols = 512
	manySymbols = 32
	signLate    = 5 * time.Millisecond
	signSoon    = 2500 * time.Microsecond
	signGap     = 250 * time.Microsecond // between those that Hurry asked for: a leaf checks one in some 40 us

	mostAsked = 64                   // manifests that wait to be sent again
	againGap  = 2 * time.Millisecond // nobody is sent the same one twice within
)

// ManifestSigner makes the manifests of one sender: [ManifestSigner.Symbol] for
// each symbol that is sent for the first time, in the order of their sequence,
// then [ManifestSigner.Poll]. It is not safe for concurrent use; Symbol and Add
// allocate nothing once the ring of manifests is full.
type ManifestSigner struct {
	author *Author
	size   int
	most   int      // digests that one signature covers
	slots  []issued // of the last manifests, by number
	next   uint64   // the number of the one that is filling
	sent   uint64   // lower ones have been handed out
	lost   uint64   // overwritten before they were

	runs     int
	runAt    int    // where the last run begins
	stream   uint16 // of the last symbol
	seq      uint64 // the one after the last symbol
	count    uint16 // of the last run
	symbols  int    // since the last signature
	group    uint64 // number of the first manifest since then
	digests  []byte
	oldest   time.Time
	signedAt time.Time
	cut      bool
	hurry    bool
	asked    []asked
	forgot   [16]uint64 // by stream: some manifest of symbols below is not kept any more
}

type issued struct {
	body   []byte
	last   uint64 // number of the signed manifest that proves it
	sentAt time.Time
	sentTo uint32
}

type asked struct {
	number uint64
	to     uint32 // 0: the group
}

// NewManifestSigner makes a signer. size is the longest manifest that it makes,
// at least 512 and at most MaxManifest bytes; zero means MaxRekey, which fits
// everywhere. keep is how many it remembers for those who missed one; zero
// means 1024. It should remember as long as data is kept for repair.
func NewManifestSigner(author *Author, size, keep int) (*ManifestSigner, error) {
	if size == 0 {
		size = MaxRekey
	}
	if keep == 0 {
		keep = 1024
	}
	switch {
	case author == nil:
		return nil, errors.New("crypto: manifests: an Author is needed to sign them")
	case size < 512 || size > MaxManifest:
		return nil, errors.New("crypto: manifests: their size must be 512 to 9000 bytes")
	case keep < 2*(maxDigests+1):
		return nil, errors.New("crypto: manifests: 32 or more must be kept, or those that wait for one signature are lost")
	}
	const least = manifestHead + 1 + signatureSize + 4*(runHead+hashSize)
	m := &ManifestSigner{author: author, size: size, most: min(maxDigests, (size-least)/digestSize), slots: make([]issued, keep)}
	m.digests = make([]byte, 0, m.most*digestSize)
	return m, nil
}

// Symbol takes up a symbol that is sent for the first time.
func (m *ManifestSigner) Symbol(now time.Time, stream uint16, seq uint64, symbol []byte) {
	m.Add(now, stream, seq, HashSymbol(stream, seq, symbol))
}

// Add is Symbol for a hash that is known already.
func (m *ManifestSigner) Add(now time.Time, stream uint16, seq uint64, h SymbolHash) {
	if seq >= seqLimit {
		return // no stream gets that far
	}
	s := m.filling()
	follows := m.runs > 0 && stream == m.stream && seq == m.seq && m.count < 1<<16-1
	room := m.size - len(s.body) - m.tail() - hashSize
	if !follows {
		room -= runHead
	}
	if m.runs > 0 && (room < 0 || !follows && m.runs == maxRuns) {
		m.close(now, len(m.digests) == m.most*digestSize)
		s, follows = m.filling(), false
	}
	if m.symbols == 0 {
		m.oldest = now
	}
	if m.runs == 0 {
		s.body = append(s.body[:0], formList, 0)
	}
	if !follows {
		m.runAt, m.count = len(s.body), 0
		s.body = appendRun(s.body, stream, seq, 0)
		m.runs++
	}
	s.body = append(s.body, h[:]...)
	m.stream, m.seq = stream, seq+1
	m.count++
	m.symbols++
	binary.BigEndian.PutUint16(s.body[m.runAt+runHead-2:], m.count)
}

// filling is the slot that symbols go to.
func (m *ManifestSigner) filling() *issued { return &m.slots[m.next%uint64(len(m.slots))] }

// tail is what a signature would need behind the runs.
func (m *ManifestSigner) tail() int { return 1 + len(m.digests) + signatureSize }

// close ends the manifest that is filling: as a list, or signed.
func (m *ManifestSigner) close(now time.Time, signed bool) {
	s := m.filling()
	s.body[1] = byte(m.runs)
	s.sentAt, s.sentTo, s.last = time.Time{}, 0, m.next
	if signed {
		s.body[0] = formSigned
		s.body = append(s.body, byte(len(m.digests)/digestSize))
		s.body = append(s.body, m.digests...)
		s.body = m.author.sign(s.body, signManifest, 0)
		for n := m.group; n < m.next; n++ {
			m.slots[n%uint64(len(m.slots))].last = m.next
		}
		m.digests, m.symbols, m.group = m.digests[:0], 0, m.next+1
		m.signedAt, m.cut, m.hurry = now, false, false
	} else {
		digest := sha256.Sum256(s.body)
		m.digests = append(m.digests, digest[:]...)
	}
	m.runs = 0
	m.next++
	if keep := uint64(len(m.slots)); m.next-m.sent >= keep { // nobody polls
		m.sent++
		m.lost++
	}
	m.forget(m.filling())
}

// forget empties the oldest slot for the next manifest.
func (m *ManifestSigner) forget(s *issued) {
	if len(s.body) > manifestHead {
		runs, _, _ := cutRuns(s.body[manifestHead:], int(s.body[1]), hashSize)
		for len(runs) > 0 {
			var r run
			if r, runs, _ = cutRun(runs, hashSize); int(r.stream) < len(m.forgot) {
				m.forgot[r.stream] = max(m.forgot[r.stream], r.end())
			}
		}
	}
	s.body = s.body[:0]
}

// Cut asks for a signature on what there is: nothing more will come soon.
func (m *ManifestSigner) Cut() { m.cut = true }

// Hurry asks for a signature on what there is and what comes next, at once if none
// was made for a moment: somebody waits for it.
func (m *ManifestSigner) Hurry() { m.hurry = true }

func (m *ManifestSigner) due(now time.Time) bool {
	age := now.Sub(m.oldest)
	return m.symbols > 0 && m.runs > 0 && (m.cut || m.symbols >= mostSymbols || age >= signLate ||
		m.symbols >= manySymbols && age >= signSoon || now.Sub(m.signedAt) >= signLate || m.hurry && now.Sub(m.signedAt) >= signGap)
}

// NextTimeout is when Poll will have a manifest though no symbol comes; zero:
// not before one does.
func (m *ManifestSigner) NextTimeout() time.Time {
	switch {
	case m.symbols == 0:
		return time.Time{}
	case m.cut || m.symbols >= mostSymbols:
		return m.oldest
	case m.hurry:
		return m.signedAt.Add(signGap)
	case m.symbols >= manySymbols:
		return m.oldest.Add(signSoon)
	}
	return m.oldest.Add(signLate)
}

// Poll appends the next manifest that should go to the group. Call it after each
// batch of symbols and at NextTimeout until ok is false. It signs, which takes some
// tens of microseconds, once in up to 512 symbols.
func (m *ManifestSigner) Poll(now time.Time, dst []byte) (b []byte, ok bool) {
	if m.sent == m.next && m.due(now) {
		m.close(now, true)
	}
	if m.sent == m.next {
		return dst, false
	}
	b = m.give(dst, m.sent, 0, now)
	m.sent++
	return b, true
}

// Again appends the next manifest that somebody has asked for: for the group where
// to is 0, else for that member alone, under its pairwise key. How many bytes these
// may take is the caller's to bound.
func (m *ManifestSigner) Again(now time.Time, dst []byte) (b []byte, to uint32, ok bool) {
	for len(m.asked) > 0 {
		a := m.asked[0]
		m.asked = slices.Delete(m.asked, 0, 1)
		if m.kept(a.number) {
			return m.give(dst, a.number, a.to, now), a.to, true
		}
	}
	return dst, 0, false
}

func (m *ManifestSigner) give(dst []byte, number uint64, to uint32, now time.Time) []byte {
	s := &m.slots[number%uint64(len(m.slots))]
	s.sentAt, s.sentTo = now, to
	return append(dst, s.body...)
}

// kept reports whether the manifest of that number is there to be sent again.
func (m *ManifestSigner) kept(number uint64) bool {
	return number < m.sent && m.next-number < uint64(len(m.slots))
}

// Lost is how many manifests were overwritten unsent, for want of a Poll.
func (m *ManifestSigner) Lost() uint64 { return m.lost }
