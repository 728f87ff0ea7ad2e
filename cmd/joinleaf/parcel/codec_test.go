package parcel

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The bytes on the wire, written down once: a change here is a new Version.
func TestMessages_ReadTheSameBothWays(t *testing.T) {
	sum := [32]byte{1, 2, 3}
	for _, c := range []struct {
		name string
		in   interface{ Append([]byte) []byte }
		hex  string
		back func([]byte) (any, error)
	}{
		{"hello", Hello{}, "4a4c5002", func(b []byte) (any, error) { return ParseHello(b) }},
		{"head of a file", Head{Kind: File, Size: 5, Name: "a.bin"}, "4a4c5002" + "0100" + "0000" + "0000000000000005" + "612e62696e", func(b []byte) (any, error) { return ParseHead(b) }},
		{"head of a best-effort relay", Head{Kind: Datagrams, Class: BestEffort, Size: UnknownSize}, "4a4c5002" + "0301" + "0000" + "ffffffffffffffff", func(b []byte) (any, error) { return ParseHead(b) }},
		{"head of a relay with a deadline", Head{Kind: Datagrams, Class: Deadline, Latency: 200, Size: UnknownSize}, "4a4c5002" + "0302" + "00c8" + "ffffffffffffffff", func(b []byte) (any, error) { return ParseHead(b) }},
		{"data", Data{258, []byte("xy")}, "01" + "0000000000000102" + "7879", func(b []byte) (any, error) { return ParseData(b) }},
		{"gram", Gram{7, 65536, []byte{0x47}}, "02" + "0000000000000007" + "0000000000010000" + "47", func(b []byte) (any, error) { return ParseGram(b) }},
		{"empty gram", Gram{0, 0, []byte{}}, "02" + strings.Repeat("00", 16), func(b []byte) (any, error) { return ParseGram(b) }},
		{"end", End{Interrupted, 9, sum}, "0301" + "0000000000000009" + "010203" + strings.Repeat("00", 29), func(b []byte) (any, error) { return ParseEnd(b) }},
		{"result", Result{Incomplete, 3, 6, 9, "lost"}, "0402" + "0000000000000003" + "0000000000000006" + "0000000000000009" + "6c6f7374", func(b []byte) (any, error) { return ParseResult(b) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.in.Append(nil)
			if got := hex.EncodeToString(b); got != c.hex {
				t.Fatalf("appended %s\nwant     %s", got, c.hex)
			}
			back, err := c.back(b)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.in, back); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestParsers_RefuseWhatCannotBe(t *testing.T) {
	end := End{}.Append(nil)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"hello of nobody", second(ParseHello([]byte("hell"))), ErrMagic},
		{"hello, another version", second(ParseHello([]byte("JLP\x01"))), ErrVersion},
		{"hello with a tail", second(ParseHello([]byte("JLP\x02x"))), ErrValue},
		{"head cut short", second(ParseHead([]byte("JLP\x02\x01\x00"))), ErrShort},
		{"head of no kind", second(ParseHead(Head{Kind: 9}.Append(nil))), ErrValue},
		{"head of no class", second(ParseHead(Head{Kind: Stream, Class: 3}.Append(nil))), ErrValue},
		{"deadline without a latency", second(ParseHead(Head{Kind: Stream, Class: Deadline}.Append(nil))), ErrValue},
		{"latency without a deadline", second(ParseHead(Head{Kind: Stream, Latency: 1}.Append(nil))), ErrValue},
		{"head with a path", second(ParseHead(Head{Kind: File, Name: "../x"}.Append(nil))), ErrValue},
		{"data without bytes", second(ParseData(Data{}.Append(nil))), ErrShort},
		{"data past the end of numbers", second(ParseData(Data{1<<64 - 2, []byte("abc")}.Append(nil))), ErrValue},
		{"end with a tail", second(ParseEnd(append(end, 0))), ErrValue},
		{"end of no kind", second(ParseEnd(append([]byte{3, 9}, end[2:]...))), ErrValue},
		{"result that is no text", second(ParseResult(append(Result{}.Append(nil), 0xff))), ErrValue},
		{"result taken for an end", second(ParseEnd(Result{Text: strings.Repeat("x", 40)}.Append(nil))), ErrType},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !errors.Is(c.err, c.want) {
				t.Fatalf("got %v, want %v", c.err, c.want)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestPlainName_TakesOneSafePathElement(t *testing.T) {
	for name, want := range map[string]bool{
		"":           true,
		"lab.iso":    true,
		"Grüße 7":    true,
		".hidden":    true,
		"..":         false,
		".":          false,
		"a/b":        false,
		`a\b`:        false,
		"C:x":        false,
		"a\nb":       false,
		"a\x00b":     false,
		"\x1b[2Jx":   false,
		"not\xffutf": false,
	} {
		if got := PlainName([]byte(name)); got != want {
			t.Errorf("PlainName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestResult_LongTextIsCutBetweenRunes(t *testing.T) {
	r, err := ParseResult(Result{Text: strings.Repeat("ü", 200)}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("ü", 127); r.Text != want {
		t.Fatalf("got %d bytes, want %d", len(r.Text), len(want))
	}
}

func TestRefusing_AllocatesNothing(t *testing.T) {
	path := Head{Kind: File, Name: strings.Repeat("long", 30) + "/x"}.Append(nil)
	gram := Gram{}.Append(nil)[:12]
	if n := testing.AllocsPerRun(100, func() {
		_, _ = ParseHead(path)
		_, _ = ParseGram(gram)
		_, _ = ParseResult(gram)
	}); n != 0 {
		t.Fatalf("%v allocations, want none", n)
	}
}

// FuzzParsers holds every parser to the same law: what it takes re-encodes to
// the same bytes.
func FuzzParsers(f *testing.F) {
	f.Add(Hello{}.Append(nil))
	f.Add(Head{Kind: File, Size: 3, Name: "x"}.Append(nil))
	f.Add(Head{Kind: Stream, Class: Deadline, Latency: 7}.Append(nil))
	f.Add(Data{3, []byte("abc")}.Append(nil))
	f.Add(Gram{1, 2, []byte("abc")}.Append(nil))
	f.Add(End{Finished, 3, [32]byte{9}}.Append(nil))
	f.Add(Result{Left, 1, 2, 3, "bye"}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func() (interface{ Append([]byte) []byte }, error){
			func() (interface{ Append([]byte) []byte }, error) { return ParseHello(b) },
			func() (interface{ Append([]byte) []byte }, error) { return ParseHead(b) },
			func() (interface{ Append([]byte) []byte }, error) { return ParseData(b) },
			func() (interface{ Append([]byte) []byte }, error) { return ParseGram(b) },
			func() (interface{ Append([]byte) []byte }, error) { return ParseEnd(b) },
			func() (interface{ Append([]byte) []byte }, error) { return ParseResult(b) },
		} {
			if m, err := parse(); err == nil && !bytes.Equal(m.Append(nil), b) {
				t.Fatalf("%T read from %x re-encodes to %x", m, b, m.Append(nil))
			}
		}
	})
}
