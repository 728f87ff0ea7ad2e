package flow

import (
	"bytes"
	"encoding/hex"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var golden = flag.Bool("golden", false, "write testdata/*.hex anew")

type codecCase struct {
	name  string
	frame []byte
	parse func([]byte) bool
}

func parsesData(b []byte) bool   { var d data; return parseData(b, &d) }
func parsesBeat(b []byte) bool   { var f beat; return parseBeat(b, &f) }
func parsesNak(b []byte) bool    { var f nak; _, ok := parseNak(b, &f); return ok }
func parsesStatus(b []byte) bool { var f status; return parseStatus(b, &f) }
func parsesParity(b []byte) bool { var f parity; return parseParity(b, &f) }
func parsesNote(b []byte) bool   { var f note; return parseNote(b, &f) }

// codecCases is one frame of each kind as it goes over the wire.
func codecCases() []codecCase {
	ranges := appendNakRange(appendNakRange(appendNakRange(nil, 0, 45), 3, 1), 200, 300)
	return []codecCase{
		{"data", appendData(nil, &data{class: Reliable, stream: 2, seq: 0x010203040506, pos: 6, sent: 0xfffffff0, head: 3,
			message: math.MaxUint32, payload: []byte("...\x05hello\x00"), zeros: 2}), parsesData},
		{"data_last", appendData(nil, &data{class: BestEffort, last: true, seq: 63, pos: 63, sent: 1, head: noHead, message: 9,
			payload: []byte("middle")}), parsesData},
		{"beat", appendBeat(nil, &beat{sent: 1_000_000, grtt: packGRTT(300 * time.Microsecond), leaves: 3, loss: 12, rate: packRate(125_000_000),
			n: 2, streams: [MaxStreams]beatStream{{0, 4321, 4000, 77}, {1, 0, 0, 0}}, reporters: 1, reporter: [32]Member{9}}), parsesBeat},
		{"nak", appendNak(nil, &nak{echoed: true, stream: 1, echo: 5_000_000, held: 120, base: 0xffffffff, ranges: ranges}), parsesNak},
		{"nak_blind", appendNak(nil, &nak{stream: 0, base: 7, ranges: appendNakRange(nil, 0, 1)}), parsesNak},
		{"status", appendStatus(nil, &status{echoed: true, echo: 5_000_000, held: 120, expected: 1000, heard: 990, n: 2,
			streams: [MaxStreams]statusStream{{1, 0, 900, 1000, 1500}, {1, 1, 0, 0, 96}}, lost: 3, host: 300, late: 1}), parsesStatus},
		{"parity", appendParity(nil, &parity{interleave: 4, class: Reliable, stream: 2, first: 0x010203040506, row: 191, column: 15, n: 1024,
			sent: 0xfffff0, symbol: []byte("\x00\x0bhhmmmmpayload\x00")}), parsesParity},
		{"note", appendNoteBlock(appendNoteBlock(appendNoteHead(nil, 1, 2), &noteBlock{first: 0x010203040506, n: 1, need: []byte{1}}),
			&noteBlock{first: 4096, n: 200, interleave: 2, need: []byte{3, 0, 64, 255}}), parsesNote},
	}
}

func TestFrames_AreThoseOfTheGoldenFiles(t *testing.T) {
	for _, c := range codecCases() {
		path := filepath.Join("testdata", c.name+".hex")
		if *golden {
			if err := os.WriteFile(path, []byte(hex.EncodeToString(c.frame)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || !bytes.Equal(c.frame, want) {
			t.Errorf("%s: %x, golden %x %v", c.name, c.frame, want, err)
		}
		if !c.parse(c.frame) {
			t.Errorf("%s does not parse", c.name)
		}
	}
}

func TestFrames_CutShortAreRefused(t *testing.T) {
	for _, c := range codecCases() {
		for n := range c.frame {
			// A DATA frame's zeros may be left out, a BEAT's reporters too, a NAK's
			// last ranges, and the end of a row, which may be zeros.
			switch c.name {
			case "parity":
				if n > HeadSize+symbolHead {
					continue
				}
			case "data":
				if n >= len(c.frame)-2 {
					continue
				}
			case "beat":
				if n == len(c.frame)-4 {
					continue
				}
			case "nak":
				if n == nakHead+2 || n == nakHead+4 {
					continue
				}
			}
			if c.parse(c.frame[:n]) {
				t.Errorf("%s cut to %d bytes parses", c.name, n)
			}
		}
	}
}

func TestFrames_BrokenOnesAreRefused(t *testing.T) {
	d := data{seq: 63, pos: 63, payload: []byte("x"), head: 0}
	change := func(i int, v byte) []byte {
		b := appendData(nil, &d)
		b[i] = v
		return b
	}
	beats := func(f func(*beat)) []byte {
		b := beat{leaves: 1, n: 2, streams: [MaxStreams]beatStream{{0, 5, 5, 0}, {1, 5, 5, 0}}}
		f(&b)
		return appendBeat(nil, &b)
	}
	rows := func(f func(*parity)) []byte {
		p := parity{n: 64, symbol: []byte("llhhmmmmx")}
		f(&p)
		return appendParity(nil, &p)
	}
	notes := func(f func(*noteBlock)) []byte {
		k := noteBlock{n: 64, need: []byte{1}}
		f(&k)
		return appendNoteBlock(appendNoteHead(nil, 0, 1), &k)
	}
	spoilt := func(b []byte, i int, v byte) []byte { b[i] = v; return b }
	good := func(*noteBlock) {}
	naks := func(base uint64, ranges ...byte) []byte { return appendNak(nil, &nak{base: base, ranges: ranges}) }
	for name, c := range map[string]struct {
		b     []byte
		parse func([]byte) bool
	}{
		"type":                     {change(0, 9), parsesData},
		"geom's zero bits":         {change(1, 1), parsesData},
		"interleave of 32":         {change(1, 5<<5), parsesData},
		"place beyond the block":   {change(11, 64), parsesData},
		"place before the stream":  {appendData(nil, &data{seq: 3, pos: 4, payload: []byte("x")}), parsesData},
		"length beyond the frame":  {change(17, 2), parsesData},
		"length zero":              {change(17, 0), parsesData},
		"head beyond the payload":  {change(19, 1), parsesData},
		"zeros that are not":       {append(appendData(nil, &d), 0, 1), parsesData},
		"nobody counted":           {beats(func(b *beat) { b.leaves = 0 }), parsesBeat},
		"no streams":               {beats(func(b *beat) { b.n = 0 }), parsesBeat},
		"oldest after next":        {beats(func(b *beat) { b.streams[0].oldest = 6 }), parsesBeat},
		"streams out of order":     {beats(func(b *beat) { b.streams[1].stream = 0 }), parsesBeat},
		"17 streams":               {append(change(0, frameBeat)[:1], append([]byte{17}, make([]byte, 500)...)...), parsesBeat},
		"33 reporters":             {append(beats(func(*beat) {}), make([]byte, 33*4)...), parsesBeat},
		"no range":                 {naks(1), parsesNak},
		"empty range":              {naks(1, 0, 0), parsesNak},
		"gap without run":          {naks(1, 0, 1, 5), parsesNak},
		"long varint":              {naks(1, 0x80, 0, 1), parsesNak},
		"endless varint":           {naks(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), parsesNak},
		"past 2^48":                {naks(seqMax, 0, 1), parsesNak},
		"echo without flag":        {appendNak(nil, &nak{echo: 1, ranges: []byte{0, 1}}), parsesNak},
		"delivered beyond highest": {appendStatus(nil, &status{n: 1, streams: [MaxStreams]statusStream{{delivered: 2, highest: 1}}}), parsesStatus},
		"status with a tail":       {append(appendStatus(nil, &status{}), 0), parsesStatus},
		"row 192":                  {rows(func(p *parity) { p.row = codeRows }), parsesParity},
		"row of 32 columns":        {rows(func(p *parity) { p.interleave = 5 }), parsesParity},
		"65 in a column":           {rows(func(p *parity) { p.n = 65 }), parsesParity},
		"column 1 of 1":            {rows(func(p *parity) { p.column = 1 }), parsesParity},
		"column 2 of 2 symbols":    {rows(func(p *parity) { p.interleave, p.n, p.column = 2, 2, 2 }), parsesParity},
		"row past 2^48":            {rows(func(p *parity) { p.first = seqMax - 63 }), parsesParity},
		"row that is last":         {spoilt(rows(func(*parity) {}), 1, 4), parsesParity},
		"row's zero bits":          {spoilt(rows(func(*parity) {}), 11, 4), parsesParity},
		"row of no symbol":         {rows(func(p *parity) { p.symbol = p.symbol[:symbolHead] }), parsesParity},
		"note of nothing":          {spoilt(notes(good), 1, 0), parsesNote},
		"note of 17":               {spoilt(notes(good), 1, 17), parsesNote},
		"note of 2, one there":     {spoilt(notes(good), 1, 2), parsesNote},
		"note with a tail":         {append(notes(good), 0), parsesNote},
		"note of an empty block":   {notes(func(k *noteBlock) { k.n = 0 }), parsesNote},
		"note of 65 in a column":   {notes(func(k *noteBlock) { k.n = 65 }), parsesNote},
		"note of 32 columns":       {notes(func(k *noteBlock) { k.interleave, k.need = 5, make([]byte, 32) }), parsesNote},
		"note past 2^48":           {notes(func(k *noteBlock) { k.first = seqMax - 63 }), parsesNote},
		"note with one need less":  {notes(func(k *noteBlock) { k.interleave, k.need = 1, []byte{1} }), parsesNote},
		"note's zero bits":         {spoilt(notes(good), noteHead+8, 4), parsesNote},
	} {
		if c.parse(c.b) {
			t.Errorf("%s: %x parses", name, c.b)
		}
		if n := testing.AllocsPerRun(10, func() { c.parse(c.b) }); n != 0 {
			t.Errorf("%s: refused with %v allocations", name, n)
		}
	}
}

func TestSymbolSize_FillsThePacket(t *testing.T) {
	for _, c := range []struct{ mtu, overhead, ip4, ip6 int }{
		{1500, 40, 1408, 1392}, {1500, 52, 1392, 1376}, {9000, 40, 8912, 8896}, {576, 40, 480, 464}, {60, 40, 0, 0},
	} {
		if ip4, ip6 := SymbolSize(c.mtu, c.overhead, false), SymbolSize(c.mtu, c.overhead, true); ip4 != c.ip4 || ip6 != c.ip6 {
			t.Errorf("MTU %d, overhead %d: %d and %d, want %d and %d", c.mtu, c.overhead, ip4, ip6, c.ip4, c.ip6)
		}
	}
}

func TestGRTT_IsRoundedUpALittle(t *testing.T) {
	for d := 16 * time.Microsecond; d < time.Second; d += d/7 + 1 {
		if got := unpackGRTT(packGRTT(d)); got < d || got > d+d/12+2*time.Microsecond {
			t.Errorf("%v became %v", d, got)
		}
	}
	if got := unpackGRTT(packGRTT(time.Hour)); got != 31<<15*time.Microsecond {
		t.Errorf("an hour became %v", got)
	}
	if packRate(0) != 0 || packRate(1) == 0 || packRate(2_047_000) != 2047 || packRate(1<<62) < packRate(1<<61) {
		t.Error("rate")
	}
}

func TestVarint_TakesTheShortestFormOnly(t *testing.T) {
	for _, v := range []uint64{0, 1, 127, 128, 16383, 16384, 1 << 20, math.MaxUint64} {
		b := appendNakRange(nil, v, 0)
		got, n := varint(b)
		if got != v || n != varintSize(v) || n != len(b)-1 {
			t.Errorf("%d: %d in %d bytes", v, got, n)
		}
	}
	for _, b := range [][]byte{{}, {0x80}, {0x80, 0}, {0xff, 0x80, 0}, bytes.Repeat([]byte{0xff}, 11)} {
		if _, n := varint(b); n != 0 {
			t.Errorf("%x taken", b)
		}
	}
}
