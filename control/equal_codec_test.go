package control

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/joinleaf/joinleaf/transport"
)

func sampleEqual(id uint32) Equal {
	return Equal{
		ID: id, Pin: [32]byte{byte(id), 31: 9}, Role: SendOnly, Data: []byte("ann"),
		Control: netip.MustParseAddrPort("10.0.0.7:7001"), Addr: netip.MustParseAddrPort("[fe80::1]:7002"),
	}
}

var equalCodecs = []codec{
	frameOf("hello", Hello{77}, ParseHello, ""),
	frameOf("here", Here{77, [8]byte{1, 2}, [16]byte{3}}, ParseHere, ""),
	frameOf("charter", sampleCharter(), ParseCharter, ""),
	frameOf("enter", Enter{ReceiveOnly, netip.MustParseAddrPort("10.0.0.7:7002"), []byte("me"), true, [][32]byte{{7}}}, ParseEnter, ""),
	frameOf("entered", Entered{7, sampleCharter(), []byte("welcome")}, ParseEntered, ""),
	frameOf("view", View{
		Number: 5<<32 | 3, Coordinator: 2, Merged: true, State: Secret("state"), Add: []Equal{sampleEqual(4), sampleEqual(9)},
		Remove: []uint32{3, 5}, Denied: [][32]byte{{8}},
	}, ParseView, ""),
	frameOf("full view", View{Number: firstView(1), Coordinator: 1, Full: true, State: Secret("s"), Add: []Equal{sampleEqual(1)}}, ParseView, ""),
	frameOf("taken", Taken{firstView(2)}, ParseTaken, ""),
	frameOf("use", Use{firstView(2)}, ParseUse, ""),
	frameOf("claim", Claim{[16]byte{1}, 2, 3}, ParseClaim, ""),
	frameOf("agree", Agree{2, [][32]byte{{3}}}, ParseAgree, ""),
	frameOf("resume", Resume{[16]byte{1}, 3}, ParseResume, ""),
	frameOf("greet", Greet{[16]byte{1}, [32]byte{2}, 3, 4, [][32]byte{{5}, {6}}}, ParseGreet, ""),
	frameOf("move", Move{netip.MustParseAddrPort("10.0.0.7:7001"), [32]byte{1}}, ParseMove, ""),
	frameOf("deny", Deny{Why: DenyRefused, Code: transport.WSAEACCES, Text: "out"}, ParseDeny, ""),
	frameOf("deny elsewhere", Deny{Why: DenyElsewhere, Control: netip.MustParseAddrPort("10.0.0.7:7001"), Pin: [32]byte{1}}, ParseDeny, ""),
	frameOf("part", Part{}, ParsePart, ""),
	frameOf("evict", Evict{4}, ParseEvict, ""),
}

func TestEqualFramesBothWays(t *testing.T) {
	for _, c := range equalCodecs {
		got, err := c.parse(c.append(c.sample))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if d := cmp.Diff(c.sample, got, equal...); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestC6_EqualFramesCutOrFlippedAreRefusedOrEncodeTheSame(t *testing.T) {
	for _, c := range equalCodecs {
		whole := c.append(c.sample)
		for n := range whole {
			refused(t, c.name+" cut", c, bytes.Clone(whole[:n]), 0)
		}
		refused(t, c.name+" with a byte behind", c, append(bytes.Clone(whole), 0), 0)
		for i := range min(len(whole), 400) * 8 {
			b := bytes.Clone(whole)
			b[i/8] ^= 1 << (i % 8)
			if v, err := c.parse(b); err == nil && !bytes.Equal(c.append(v), b) {
				t.Fatalf("%s, bit %d: encodes again as another", c.name, i)
			}
		}
	}
}

func TestEqualFieldsWithoutMeaningAreRefused(t *testing.T) {
	two := sampleEqual(2)
	for what, parse := range map[string]func() error{
		"a HELLO with a byte in its padding": func() error {
			b := Hello{1}.Append(nil)
			b[600] = 1
			_, err := ParseHello(b)
			return err
		},
		"a HELLO of 20 bytes": func() error { _, err := ParseHello(Hello{1}.Append(nil)[:20]); return err },
		"a full view that removes": func() error {
			_, err := ParseView(View{Number: firstView(1), Coordinator: 1, Full: true, Remove: []uint32{1}}.Append(nil))
			return err
		},
		"a view with one member twice": func() error {
			_, err := ParseView(View{Number: firstView(1), Coordinator: 1, Full: true, Add: []Equal{two, two}}.Append(nil))
			return err
		},
		"a view of term 0":     func() error { _, err := ParseView(View{Number: 1, Coordinator: 1}.Append(nil)); return err },
		"a refusal for nobody": func() error { _, err := ParseDeny(Deny{Why: DenyRefused}.Append(nil)); return err },
		"a charter for 257": func() error {
			c := sampleCharter()
			c.Limit = 257
			_, err := ParseCharter(c.Append(nil))
			return err
		},
	} {
		if _, ok := errors.AsType[Fault](parse()); !ok {
			t.Errorf("%s was taken", what)
		}
	}
}

func TestAHereIsAThirdOfAHello(t *testing.T) {
	if h, r := len(Hello{}.Append(nil)), len(Here{}.Append(nil)); h != HelloSize || r != HereSize || 3*r > h {
		t.Errorf("HELLO %d bytes, HERE %d", h, r)
	}
	const golden = "4a02" + "000000000000004d" + "0102000000000000" + "03000000000000000000000000000000"
	if got := hex.EncodeToString(Here{77, [8]byte{1, 2}, [16]byte{3}}.Append(nil)); got != golden {
		t.Errorf("HERE is %s", got)
	}
}

func TestAnnouncedLengthsOfViewsAreHeldAgainstTheirLimit(t *testing.T) {
	c := equalCodecs[5]
	b := View{Number: firstView(1), Coordinator: 1}.Append(nil)
	binary.BigEndian.PutUint32(b[18:], 1<<31)
	refused(t, "state of 2^31", c, b, FaultLimit)
	crowd := View{Number: firstView(1), Coordinator: 1, Remove: make([]uint32, MaxEquals+1)}.Append(nil)
	refused(t, "257 removed", c, crowd, FaultLimit)
}

func fuzzEqual[T interface{ Append([]byte) []byte }](f *testing.F, name string, parse func([]byte) (T, error)) {
	for _, c := range equalCodecs {
		if c.name == name {
			whole := c.append(c.sample)
			f.Add(whole)
			f.Add(whole[:len(whole)-1])
		}
	}
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

func FuzzParseHello(f *testing.F)   { fuzzEqual(f, "hello", ParseHello) }
func FuzzParseHere(f *testing.F)    { fuzzEqual(f, "here", ParseHere) }
func FuzzParseCharter(f *testing.F) { fuzzEqual(f, "charter", ParseCharter) }
func FuzzParseEnter(f *testing.F)   { fuzzEqual(f, "enter", ParseEnter) }
func FuzzParseEntered(f *testing.F) { fuzzEqual(f, "entered", ParseEntered) }
func FuzzParseView(f *testing.F)    { fuzzEqual(f, "view", ParseView) }
func FuzzParseTaken(f *testing.F)   { fuzzEqual(f, "taken", ParseTaken) }
func FuzzParseUse(f *testing.F)     { fuzzEqual(f, "use", ParseUse) }
func FuzzParseClaim(f *testing.F)   { fuzzEqual(f, "claim", ParseClaim) }
func FuzzParseAgree(f *testing.F)   { fuzzEqual(f, "agree", ParseAgree) }
func FuzzParseResume(f *testing.F)  { fuzzEqual(f, "resume", ParseResume) }
func FuzzParseGreet(f *testing.F)   { fuzzEqual(f, "greet", ParseGreet) }
func FuzzParseMove(f *testing.F)    { fuzzEqual(f, "move", ParseMove) }
func FuzzParseDeny(f *testing.F)    { fuzzEqual(f, "deny", ParseDeny) }
func FuzzParsePart(f *testing.F)    { fuzzEqual(f, "part", ParsePart) }
func FuzzParseEvict(f *testing.F)   { fuzzEqual(f, "evict", ParseEvict) }
