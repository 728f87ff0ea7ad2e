package crypto

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// A manifest, the body of a packet of KindManifest, says what a sender's
// symbols are: the hash of each, and a signature for many. One signature covers
// up to sixteen packets: lists go ahead, and the manifest that is signed names
// their digests. The sequence stands in the hash, so a repair, and a symbol that
// parity rebuilt, are checked like the original.
//
//	0   1  form: 1 list, 2 signed
//	1   1  runs, at least 1
//	2   n  runs: stream u16, first sequence u48, count u16 of 1 or more, then a hash of 16 bytes for each
//	       signed only:
//	    1  digests, at most 15
//	    n  digests: SHA-256 of a list of this sender, 32 bytes each
//	   64  the sender's signature as "manifest"
//
// A question, which a receiver asks a sender by pairwise packets of the same
// kind, names what has come and is not covered:
//
//	0   1  form: 3
//	1   1  ranges, 1 to 32
//	2   n  ranges: stream u16, first sequence u48, count u16 of 1 or more
//
// hash(symbol) = SHA-256(stream u16 ‖ sequence u64 ‖ symbol)[:16]
const (
	formList   = 1
	formSigned = 2
	formAsk    = 3

	manifestHead = 2
	runHead      = 10
	hashSize     = 16
	digestSize   = 32
	maxDigests   = 15
	maxRuns      = 255
	maxRanges    = 32

	seqLimit = uint64(1) << 48
)

// MaxManifest is the longest manifest, in bytes. A sender makes them as long as
// its packets take.
const MaxManifest = 9000

// SymbolHash is what a manifest says of one symbol. Like Opened it and SymbolID
// have no name of their own, so that others can name the same types.
type SymbolHash = [hashSize]byte

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

type hasher struct {
	hash hash.Hash
	head [10]byte
	sum  [sha256.Size]byte
}

var hashers = sync.Pool{New: func() any { return &hasher{hash: sha256.New()} }}

// HashSymbol returns the hash of a symbol: what a packet carries but for what
// changes when it is sent again. It needs no lock and allocates nothing, so
// hash where the packet was opened.
func HashSymbol(stream uint16, seq uint64, symbol []byte) (h SymbolHash) {
	w := hashers.Get().(*hasher)
	binary.BigEndian.PutUint16(w.head[:], stream)
	binary.BigEndian.PutUint64(w.head[2:], seq)
	w.hash.Reset()
	w.hash.Write(w.head[:])
	w.hash.Write(symbol)
	w.hash.Sum(w.sum[:0])
	copy(h[:], w.sum[:])
	hashers.Put(w)
	return h
}

// run is a stretch of one stream, and its hashes where it is a manifest's.
type run struct {
	stream uint16
	count  uint16
	first  uint64
	hashes []byte
}

func (r *run) end() uint64 { return r.first + uint64(r.count) }

func appendRun(b []byte, stream uint16, first uint64, count uint16) []byte {
	b = binary.BigEndian.AppendUint16(b, stream)
	b = binary.BigEndian.AppendUint16(b, uint16(first>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(first))
	return binary.BigEndian.AppendUint16(b, count)
}

// cutRun reads a run, with so many bytes for each symbol, off the front of b.
func cutRun(b []byte, each int) (r run, rest []byte, ok bool) {
	if len(b) < runHead {
		return r, nil, false
	}
	r.stream = binary.BigEndian.Uint16(b)
	r.first = uint64(binary.BigEndian.Uint16(b[2:]))<<32 | uint64(binary.BigEndian.Uint32(b[4:]))
	r.count = binary.BigEndian.Uint16(b[8:])
	n := each * int(r.count)
	if r.count == 0 || r.end() > seqLimit || len(b)-runHead < n {
		return r, nil, false
	}
	r.hashes, rest = b[runHead:runHead+n], b[runHead+n:]
	return r, rest, true
}

// cutRuns reads so many.
func cutRuns(b []byte, n, each int) (runs, rest []byte, ok bool) {
	rest = b
	for range n {
		if _, rest, ok = cutRun(rest, each); !ok {
			return nil, nil, false
		}
	}
	return b[:len(b)-len(rest)], rest, n > 0
}

// manifest is one as it was parsed; everything aliases the body.
type manifest struct {
	runs      []byte
	signed    []byte // what the signature covers; nil: a list
	digests   []byte
	signature []byte
}

func (m *manifest) parse(b []byte) bool {
	if len(b) < manifestHead || len(b) > MaxManifest || b[0] != formList && b[0] != formSigned {
		return false
	}
	runs, rest, ok := cutRuns(b[manifestHead:], int(b[1]), hashSize)
	if !ok {
		return false
	}
	m.runs = runs
	if b[0] == formList {
		return len(rest) == 0
	}
	if len(rest) == 0 || rest[0] > maxDigests || len(rest) != 1+digestSize*int(rest[0])+signatureSize {
		return false
	}
	m.digests = rest[1 : len(rest)-signatureSize]
	m.signed, m.signature = cutSignature(b)
	return true
}

// parseAsk returns the ranges of a question.
func parseAsk(b []byte) (ranges []byte, ok bool) {
	if len(b) < manifestHead || b[0] != formAsk || b[1] > maxRanges {
		return nil, false
	}
	ranges, rest, ok := cutRuns(b[manifestHead:], int(b[1]), 0)
	return ranges, ok && len(rest) == 0
}

// IsQuestion reports whether the body of a packet of KindManifest is a question
// for [ManifestSigner.Ask]; else it is for [ManifestVerifier.Manifest].
func IsQuestion(body []byte) bool { return len(body) > 0 && body[0] == formAsk }
