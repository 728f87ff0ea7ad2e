package load

import (
	"encoding/binary"
	"errors"
)

// Version is the framing's version, sent in Hello, Head and Report.
const Version = 1

// The sizes of what is sent. A message is a Mark and filler.
const (
	HelloSize  = 4
	HeadSize   = 12
	MarkSize   = 12
	ReportSize = 36
)

// What the three that have a magic begin with, before the version.
const (
	helloMagic  = "jlb"
	headMagic   = "jlB"
	reportMagic = "jlr"
)

var (
	errForeign = errors.New("it does not speak joinleaf bench, or another version of it")
	errMark    = errors.New("no message of joinleaf bench")
)

// Hello is the caller data of a leaf.
//
//	"jlb" version
type Hello struct{}

// Append appends it to b.
func (Hello) Append(b []byte) []byte { return append(append(b, helloMagic...), Version) }

// ParseHello reads it.
func ParseHello(p []byte) (Hello, error) {
	if len(p) != HelloSize || string(p[:3]) != helloMagic || p[3] != Version {
		return Hello{}, errForeign
	}
	return Hello{}, nil
}

// Head is the callee data of a root.
//
//	"jlB" version | reliable 1 | zero 3 | message bytes 4
type Head struct {
	Reliable bool   // every message must come
	Size     uint32 // bytes of a message
}

// Append appends it to b.
func (h Head) Append(b []byte) []byte {
	b = append(append(b, headMagic...), Version, 0, 0, 0, 0)
	if h.Reliable {
		b[len(b)-4] = 1
	}
	return binary.BigEndian.AppendUint32(b, h.Size)
}

// ParseHead reads it.
func ParseHead(p []byte) (h Head, err error) {
	if len(p) != HeadSize || string(p[:3]) != headMagic || p[3] != Version || p[4] > 1 || p[5]|p[6]|p[7] != 0 {
		return h, errForeign
	}
	return Head{Reliable: p[4] == 1, Size: binary.BigEndian.Uint32(p[8:])}, nil
}

// Kind is what a message is.
type Kind uint8

// The kinds.
const (
	Load  Kind = 1 // to be counted
	Tally Kind = 2 // so many were sent: Number
	Ping  Kind = 3 // to be answered at once
	Pong  Kind = 4 // the answer, with the ping's number
)

// Mark is what a message begins with.
//
//	kind 1 | zero 3 | number 8
type Mark struct {
	Kind   Kind
	Number uint64
}

// Append appends it to b.
func (m Mark) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(append(b, byte(m.Kind), 0, 0, 0), m.Number)
}

// ParseMark reads it; filler may follow.
func ParseMark(p []byte) (m Mark, err error) {
	if len(p) < MarkSize || p[0] < byte(Load) || p[0] > byte(Pong) || p[1]|p[2]|p[3] != 0 {
		return m, errMark
	}
	return Mark{Kind(p[0]), binary.BigEndian.Uint64(p[4:])}, nil
}

// Report is what came to a leaf.
//
//	"jlr" version | messages 8 | bytes 8 | missed 8 | nanoseconds 8
type Report struct {
	Messages uint64 // of load
	Bytes    uint64 // of these
	Missed   uint64
	Nanos    uint64 // from the first to the last
}

// Append appends it to b.
func (r Report) Append(b []byte) []byte {
	b = append(append(b, reportMagic...), Version)
	for _, v := range []uint64{r.Messages, r.Bytes, r.Missed, r.Nanos} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

// ParseReport reads it.
func ParseReport(p []byte) (r Report, err error) {
	if len(p) != ReportSize || string(p[:3]) != reportMagic || p[3] != Version {
		return r, errForeign
	}
	u := func(at int) uint64 { return binary.BigEndian.Uint64(p[at:]) }
	return Report{u(4), u(12), u(20), u(28)}, nil
}
