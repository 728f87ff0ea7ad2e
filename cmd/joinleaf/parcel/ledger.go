package parcel

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
)

// Piece is what a message brings to write: bytes, where they belong, and for
// datagrams when they came in at the sender.
type Piece struct {
	B      []byte
	At     uint64 // offset in bytes, of Datagrams the datagram's number
	Micros uint64
}

// Range is a hole: [From, To), in bytes or datagrams.
type Range struct{ From, To uint64 }

// maxHoles is how many holes a Ledger remembers; it counts the rest.
const maxHoles = 8

// Ledger is a receiver's account of one parcel. It reads no clock and writes
// nothing; the zero value is not usable, see [NewLedger].
type Ledger struct {
	head    Head
	sum     hash.Hash
	begun   bool
	first   uint64 // where it began for this receiver
	next    uint64 // what should come next
	bytes   uint64
	missing uint64 // between first and next
	holes   []Range
	more    int // holes not remembered
	end     End
	ended   bool
}

// NewLedger opens the account of a parcel with this head.
func NewLedger(h Head) *Ledger { return &Ledger{head: h, sum: sha256.New()} }

// Take enters one message. ok tells that there is a piece to write; its bytes
// lie in m. An error means a sender that does not keep to the framing.
func (l *Ledger) Take(m []byte) (p Piece, ok bool, err error) {
	if len(m) == 0 {
		return Piece{}, false, ErrShort
	}
	switch {
	case m[0] == typeData && l.head.Kind != Datagrams:
		d, err := ParseData(m)
		if err != nil {
			return Piece{}, false, err
		}
		p = Piece{B: d.B, At: d.Offset}
		return p, true, l.enter(p, uint64(len(d.B)))
	case m[0] == typeGram && l.head.Kind == Datagrams:
		g, err := ParseGram(m)
		if err != nil {
			return Piece{}, false, err
		}
		p = Piece{B: g.B, At: g.Number, Micros: g.Micros}
		return p, true, l.enter(p, 1)
	case m[0] == typeEnd:
		if l.end, err = ParseEnd(m); err == nil {
			l.ended = true
		}
		return Piece{}, false, err
	}
	return Piece{}, false, ErrType
}

// enter accounts for n units (bytes or datagrams) at p.At.
func (l *Ledger) enter(p Piece, n uint64) error {
	switch {
	case !l.begun:
		l.begun, l.first, l.next = true, p.At, p.At
	case p.At < l.next:
		return fmt.Errorf("%w: %d came after %d", ErrValue, p.At, l.next)
	case p.At > l.next:
		l.hole(Range{l.next, p.At})
	}
	l.next = p.At + n
	l.bytes += uint64(len(p.B))
	l.sum.Write(p.B)
	return nil
}

func (l *Ledger) hole(r Range) {
	l.missing += r.To - r.From
	if len(l.holes) < maxHoles {
		l.holes = append(l.holes, r)
	} else {
		l.more++
	}
}

// Late reports whether the beginning was sent before this receiver joined.
func (l *Ledger) Late() bool {
	return l.begun && l.first > 0
}

// Ended reports whether the End has come.
func (l *Ledger) Ended() bool { return l.ended }

// Whole reports whether the End has come and nothing can follow it.
func (l *Ledger) Whole() bool { return l.ended && l.next >= l.end.Total }

// Bytes tells how much came, and Missing how much did not since the first.
func (l *Ledger) Bytes() uint64 { return l.bytes }

// Missing is in bytes, of Datagrams in datagrams.
func (l *Ledger) Missing() uint64 { return l.missing }

// Close draws the line: what is known to be sent and did not come is missing.
// The result's text says in words what is missing, and why.
func (l *Ledger) Close() Result {
	if l.ended && l.begun && l.next < l.end.Total {
		l.hole(Range{l.next, l.end.Total})
		l.next = l.end.Total
	}
	r := Result{Verdict: Complete, Got: l.bytes, Missing: l.missing}
	var why []string
	worst := func(v Verdict, s string) {
		r.Verdict = max(r.Verdict, v)
		why = append(why, s)
	}
	switch {
	case l.Late():
		worst(FromLater, l.Beginning())
	case l.ended && !l.begun && l.end.Total > 0:
		r.Missing = l.end.Total
		worst(Incomplete, "nothing came of the "+l.amount(l.end.Total)+" that were sent: they went before this receiver joined, or were lost")
	}
	if l.missing > 0 {
		worst(Incomplete, l.holeText())
	}
	switch {
	case !l.ended:
		worst(Incomplete, "the sender went away without saying that it was done, after "+l.amount(l.next))
	case l.end.How == InputFailed:
		worst(Incomplete, "the sender could not read its input further than "+l.amount(l.end.Total))
	case l.end.How == Interrupted && l.head.Kind != Datagrams:
		worst(Incomplete, "the sender was interrupted after "+l.amount(l.end.Total))
	case l.head.Kind == File && l.end.Total != l.head.Size:
		worst(Incomplete, fmt.Sprintf("the sender promised %s and sent %s: the file changed while it was sent", l.amount(l.head.Size), l.amount(l.end.Total)))
	case r.Verdict == Complete && [32]byte(l.sum.Sum(nil)) != l.end.Sum:
		worst(Incomplete, "the checksum does not agree with the sender's")
	}
	r.Text = strings.Join(why, "; ")
	return r
}

// Beginning says in words what was sent too early for this receiver.
func (l *Ledger) Beginning() string {
	return "the first " + l.amount(l.first) + " went before this receiver joined"
}

// holeText names the holes: "3 holes, 70 bytes: 10-20, 40-60, 90-130".
func (l *Ledger) holeText() string {
	var b strings.Builder
	n := len(l.holes) + l.more
	fmt.Fprintf(&b, "%s missing in %d place", l.amount(l.missing), n)
	if n != 1 {
		b.WriteString("s")
	}
	b.WriteString(": ")
	for i, h := range l.holes {
		if i > 0 {
			b.WriteString(", ")
		}
		if h.To-h.From == 1 {
			fmt.Fprintf(&b, "%d", h.From)
		} else {
			fmt.Fprintf(&b, "%d-%d", h.From, h.To-1)
		}
	}
	if l.more > 0 {
		fmt.Fprintf(&b, " and %d more", l.more)
	}
	return b.String()
}

func (l *Ledger) amount(n uint64) string {
	unit := "byte"
	if l.head.Kind == Datagrams {
		unit = "datagram"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
