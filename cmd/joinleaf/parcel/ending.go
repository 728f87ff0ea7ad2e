package parcel

import (
	"encoding/binary"
	"unicode/utf8"
)

// How a parcel ended at the sender.
type How uint8

// The ways.
const (
	Finished    How = 0 // the input ended
	Interrupted How = 1 // somebody stopped the sender
	InputFailed How = 2 // reading the input failed
)

func (h How) String() string {
	switch h {
	case Finished:
		return "finished"
	case Interrupted:
		return "interrupted"
	case InputFailed:
		return "input failed"
	}
	return "unknown"
}

// End is the last message of a parcel.
//
//	type(1)=3 how(1) total(8) sha256(32)
//
// total is in bytes, of Datagrams in datagrams; sha256 is over all bytes sent.
type End struct {
	How   How
	Total uint64
	Sum   [32]byte
}

const endSize = 42

// Append appends e.
func (e End) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, typeEnd, byte(e.How)), e.Total)
	return append(b, e.Sum[:]...)
}

// ParseEnd reads an End.
func ParseEnd(b []byte) (End, error) {
	switch {
	case len(b) < endSize:
		return End{}, ErrShort
	case b[0] != typeEnd:
		return End{}, ErrType
	case len(b) != endSize, How(b[1]) > InputFailed:
		return End{}, ErrValue
	}
	return End{How(b[1]), binary.BigEndian.Uint64(b[2:]), [32]byte(b[10:])}, nil
}

// Verdict is what a receiver has in the end.
type Verdict uint8

// The verdicts.
const (
	Complete   Verdict = 0 // everything, and the checksum agrees
	FromLater  Verdict = 1 // everything from where it joined, but not the beginning
	Incomplete Verdict = 2 // something is missing
	Failed     Verdict = 3 // it came, and could not be written
	Left       Verdict = 4 // somebody stopped the receiver
)

func (v Verdict) String() string {
	switch v {
	case Complete:
		return "complete"
	case FromLater:
		return "joined late"
	case Incomplete:
		return "incomplete"
	case Failed:
		return "failed"
	case Left:
		return "left"
	}
	return "unknown"
}

// Result is a receiver's last word, over the side chat.
//
//	type(1)=4 verdict(1) got(8) missing(8) repairs(8) text(0..255)
//
// got is in bytes; missing in bytes, of Datagrams in datagrams; repairs in
// packets of the session. text is for people, in UTF-8.
type Result struct {
	Verdict               Verdict
	Got, Missing, Repairs uint64
	Text                  string
}

const resultHead = 26

// Append appends r, its text cut to what fits.
func (r Result) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, typeResult, byte(r.Verdict)), r.Got)
	b = binary.BigEndian.AppendUint64(b, r.Missing)
	b = binary.BigEndian.AppendUint64(b, r.Repairs)
	return append(b, clip(r.Text, 255)...)
}

// clip cuts s to at most n bytes, between runes, and drops what is not UTF-8.
func clip(s string, n int) string {
	if !utf8.ValidString(s) {
		return ""
	}
	for len(s) > n {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// ParseResult reads a Result.
func ParseResult(b []byte) (Result, error) {
	switch {
	case len(b) < resultHead:
		return Result{}, ErrShort
	case b[0] != typeResult:
		return Result{}, ErrType
	case Verdict(b[1]) > Left, len(b) > resultHead+255, !utf8.Valid(b[resultHead:]):
		return Result{}, ErrValue
	}
	return Result{
		Verdict: Verdict(b[1]),
		Got:     binary.BigEndian.Uint64(b[2:]),
		Missing: binary.BigEndian.Uint64(b[10:]),
		Repairs: binary.BigEndian.Uint64(b[18:]),
		Text:    string(b[resultHead:]),
	}, nil
}
