package parcel

import (
	"encoding/binary"
	"errors"
	"unicode"
	"unicode/utf8"
)

// Version is the framing's version, sent in Hello and Head.
const Version = 2

// Kind says what a session carries.
type Kind uint8

// The kinds. Data messages carry files and streams, Gram messages datagrams.
const (
	File      Kind = 1 // a file of known size: all of it or nothing
	Stream    Kind = 2 // bytes until they end
	Datagrams Kind = 3 // whole datagrams, boundaries kept
)

func (k Kind) String() string {
	switch k {
	case File:
		return "file"
	case Stream:
		return "stream"
	case Datagrams:
		return "datagrams"
	}
	return "unknown"
}

// Class says what becomes of what the network loses.
type Class uint8

// The classes.
const (
	Reliable   Class = 0 // it is repaired
	BestEffort Class = 1 // it is not
	Deadline   Class = 2 // it is repaired in time, or missed
)

func (c Class) String() string {
	switch c {
	case Reliable:
		return "reliable"
	case BestEffort:
		return "best-effort"
	case Deadline:
		return "deadline"
	}
	return "unknown"
}

// UnknownSize stands in Head for a stream's or a relay's length.
const UnknownSize = 1<<64 - 1

// The types of the messages in a session, and of the one that goes back.
const (
	typeData   = 1
	typeGram   = 2
	typeEnd    = 3
	typeResult = 4
)

// What a parser refuses. Sentinels, so that refusing allocates nothing.
var (
	ErrShort   = errors.New("parcel: message too short")
	ErrMagic   = errors.New("parcel: not a joinleaf send or recv on the other side")
	ErrVersion = errors.New("parcel: the other side's joinleaf speaks another version of send and recv")
	ErrValue   = errors.New("parcel: a field has a value that it cannot have")
	ErrType    = errors.New("parcel: unknown message type")
)

const magic = "JLP" // in front of Hello and Head

// Hello is a receiver's caller data.
//
//	"JLP"(3) version(1)
type Hello struct{}

// Append appends h.
func (h Hello) Append(b []byte) []byte { return append(append(b, magic...), Version) }

// ParseHello reads a Hello.
func ParseHello(b []byte) (Hello, error) {
	rest, err := opening(b)
	if err == nil && len(rest) != 0 {
		err = ErrValue
	}
	return Hello{}, err
}

// opening takes the magic and the version off b.
func opening(b []byte) ([]byte, error) {
	switch {
	case len(b) < len(magic)+1:
		return nil, ErrShort
	case string(b[:len(magic)]) != magic:
		return nil, ErrMagic
	case b[len(magic)] != Version:
		return nil, ErrVersion
	}
	return b[len(magic)+1:], nil
}

// Head is what the sender answers a receiver with.
//
//	"JLP"(3) version(1) kind(1) class(1) latency(2) size(8) name(0..255)
//
// latency is in milliseconds, and zero unless class is Deadline. size is all
// ones where it is not known. name is what a file is called at the
// sender: one path element, safe to create; streams may have none.
type Head struct {
	Kind    Kind
	Class   Class
	Latency uint16 // of Deadline, in milliseconds: how long what was lost is waited for
	Size    uint64
	Name    string
}

// Append appends h.
func (h Head) Append(b []byte) []byte {
	b = append(Hello{}.Append(b), byte(h.Kind), byte(h.Class))
	b = binary.BigEndian.AppendUint16(b, h.Latency)
	b = binary.BigEndian.AppendUint64(b, h.Size)
	return append(b, h.Name...)
}

const headSize = 12 // without magic, version and name

// ParseHead reads a Head and refuses names that are no plain file name.
func ParseHead(b []byte) (Head, error) {
	b, err := opening(b)
	if err != nil {
		return Head{}, err
	}
	if len(b) < headSize {
		return Head{}, ErrShort
	}
	name := b[headSize:]
	h := Head{Kind: Kind(b[0]), Class: Class(b[1]), Latency: binary.BigEndian.Uint16(b[2:]), Size: binary.BigEndian.Uint64(b[4:])}
	switch {
	case h.Kind < File, h.Kind > Datagrams, h.Class > Deadline, (h.Class == Deadline) != (h.Latency > 0):
		return Head{}, ErrValue
	case len(name) > 255, !PlainName(name):
		return Head{}, ErrValue
	}
	h.Name = string(name)
	return h, nil
}

// PlainName reports whether name is empty or one path element that is safe to
// create on any system: no separators, no control characters, no "..". The
// sender's word is not to choose where a receiver writes.
func PlainName(name []byte) bool {
	if string(name) == "." || string(name) == ".." {
		return false
	}
	for len(name) > 0 {
		r, n := utf8.DecodeRune(name)
		if r == utf8.RuneError && n <= 1 || unicode.IsControl(r) {
			return false
		}
		switch r {
		case '/', '\\', ':', '*', '?', '"', '<', '>', '|':
			return false
		}
		name = name[n:]
	}
	return true
}

// Data is a cut of a file or stream.
//
//	type(1)=1 offset(8) bytes(1..)
type Data struct {
	Offset uint64
	B      []byte
}

// DataHead is the size of Data without its bytes.
const DataHead = 9

// Append appends d.
func (d Data) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, typeData), d.Offset)
	return append(b, d.B...)
}

// ParseData reads a Data; its bytes lie in b.
func ParseData(b []byte) (Data, error) {
	if len(b) <= DataHead {
		return Data{}, ErrShort
	}
	d := Data{binary.BigEndian.Uint64(b[1:]), b[DataHead:]}
	switch {
	case b[0] != typeData:
		return Data{}, ErrType
	case d.Offset+uint64(len(d.B)) < d.Offset:
		return Data{}, ErrValue
	}
	return d, nil
}

// Gram is one datagram.
//
//	type(1)=2 number(8) microseconds(8) bytes(0..65535)
//
// number counts from 0; microseconds is when it came in, from the sender's
// start, for a receiver that lets it out again at the same pace (E-10).
type Gram struct {
	Number, Micros uint64
	B              []byte
}

// GramHead is the size of Gram without its bytes: with 1316 bytes of transport
// stream it leaves the session's own header its place in one packet (E-7).
const GramHead = 17

// Append appends g.
func (g Gram) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, typeGram), g.Number)
	b = binary.BigEndian.AppendUint64(b, g.Micros)
	return append(b, g.B...)
}

// ParseGram reads a Gram; its bytes lie in b.
func ParseGram(b []byte) (Gram, error) {
	if len(b) < GramHead {
		return Gram{}, ErrShort
	}
	g := Gram{binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:]), b[GramHead:]}
	switch {
	case b[0] != typeGram:
		return Gram{}, ErrType
	case g.Number == UnknownSize || len(g.B) > 65535:
		return Gram{}, ErrValue
	}
	return g, nil
}
