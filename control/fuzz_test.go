package control

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// fuzzParser: what parses encodes to the same bytes, what does not is a Fault,
// nothing panics. The sample of that name is the seed.
func fuzzParser[T interface{ Append([]byte) []byte }](f *testing.F, name string, parse func([]byte) (T, error)) {
	for _, c := range codecs {
		if c.name == name {
			whole := c.append(c.sample)
			f.Add(whole)
			f.Add(whole[:len(whole)-1])
		}
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parse(b)
		if err != nil {
			if _, ok := errors.AsType[Fault](err); !ok {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if again := v.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x encodes again as %x", b, again)
		}
	})
}

func FuzzParseJoin(f *testing.F)    { fuzzParser(f, "join", ParseJoin) }
func FuzzParseInvite(f *testing.F)  { fuzzParser(f, "invite", ParseInvite) }
func FuzzParseRefuse(f *testing.F)  { fuzzParser(f, "refuse", ParseRefuse) }
func FuzzParseWelcome(f *testing.F) { fuzzParser(f, "welcome", ParseWelcome) }
func FuzzParseReady(f *testing.F)   { fuzzParser(f, "ready", ParseReady) }
func FuzzParseStart(f *testing.F)   { fuzzParser(f, "start", ParseStart) }
func FuzzParseRekey(f *testing.F)   { fuzzParser(f, "rekey", ParseRekey) }
func FuzzParseRekeyed(f *testing.F) { fuzzParser(f, "rekeyed", ParseRekeyed) }
func FuzzParseResync(f *testing.F)  { fuzzParser(f, "resync", ParseResync) }
func FuzzParseSenders(f *testing.F) { fuzzParser(f, "senders", ParseSenders) }
func FuzzParseChat(f *testing.F)    { fuzzParser(f, "chat", ParseChat) }
func FuzzParseBeat(f *testing.F)    { fuzzParser(f, "beat", ParseBeat) }
func FuzzParseBye(f *testing.F)     { fuzzParser(f, "bye", ParseBye) }
func FuzzParseNotice(f *testing.F)  { fuzzParser(f, "notice", ParseNotice) }
func FuzzParseParams(f *testing.F)  { fuzzParser(f, "params", ParseParams) }

// FuzzReader: the frames put together again are the stream, up to where it
// ends or is refused.
func FuzzReader(f *testing.F) {
	var all []byte
	for _, c := range codecs[:len(codecs)-1] {
		all = c.append(c.sample)
		f.Add(all)
	}
	f.Add(append(all, 0xff, 0xff, 0xff, 0xff, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		var got []byte
		for {
			frame, err := r.Next()
			if err == nil {
				if len(frame) > MaxFrameBefore+4 || len(frame) < headSize {
					t.Fatalf("frame of %d bytes", len(frame))
				}
				got = append(got, frame...)
				continue
			}
			if !bytes.HasPrefix(b, got) || err == io.EOF && len(got) != len(b) {
				t.Fatalf("%x became %x, then %v", b, got, err)
			}
			return
		}
	})
}
