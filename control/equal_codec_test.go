package control

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
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

func sampleBan(n byte) Ban {
	return Ban{Session: [16]byte{n, 15: 1}, Term: 2, Pin: [32]byte{n, 31: 3}, By: Signature{n, 96: 4}, Oath: Signature{n, 96: 5}}
}

const banFields = "session 16, term 4, pin 32, signature of who banned 97, oath of who is out 97"

var equalCodecs = []codec{
	frameOf("hello", Hello{77}, ParseHello, "a packet in clear, no head: mark 1 = 4a; kind 1 = 1 HELLO; lot 8; zeros to 1200"),
	frameOf("here", Here{77, [8]byte{1, 2}, [16]byte{3}}, ParseHere,
		"a packet in clear, no head: mark 1 = 4a; kind 1 = 2 HERE; lot 8 (0: to the group); session 8; charter hash 16"),
	frameOf("charter", sampleCharter(), ParseCharter, "no head: inside ENTERED, and hashed into every key. session 16; limit 2; admins: count 1, pin 32 each;\nparameters to the end, as in params.hex"),
	frameOf("enter", Enter{ReceiveOnly, netip.MustParseAddrPort("10.0.0.7:7002"), []byte("me"), true, []Ban{sampleBan(7)}}, ParseEnter,
		"length 4; type 1 = 32 ENTER; version 1; role 1; data address 18; comes from a merger 1 (0, 1);\ncaller data: 1 = 0 nil | 1, then length 4, bytes; bans: count 2, each "+banFields),
	frameOf("entered", Entered{7, 3, sampleCharter(), []byte("welcome")}, ParseEntered,
		"length 4; type 1 = 33 ENTERED; member id 4; term 4; charter: length 4, bytes as in charter.hex;\ncallee data: 1 = 0 nil | 1, then length 4, bytes"),
	frameOf("view", View{
		Number: 5<<32 | 3, Coordinator: 2, Merged: true, State: Secret("state"), Add: []Equal{sampleEqual(4), sampleEqual(9)},
		Remove: []uint32{3, 5}, Denied: []Ban{sampleBan(8)},
	}, ParseView, viewFields),
	frameOf("full_view", View{Number: firstView(1), Coordinator: 1, Full: true, State: Secret("s"), Add: []Equal{sampleEqual(1)}}, ParseView, viewFields),
	frameOf("taken", Taken{firstView(2)}, ParseTaken, "length 4; type 1 = 35 TAKEN; view 8"),
	frameOf("use", Use{firstView(2)}, ParseUse, "length 4; type 1 = 36 USE; view 8"),
	frameOf("claim", Claim{[16]byte{1}, 2, 3}, ParseClaim, "length 4; type 1 = 37 CLAIM; session 16; term 4; member id 4"),
	frameOf("agree", Agree{2, Signature{9, 96: 8}, []Ban{sampleBan(3)}}, ParseAgree,
		"length 4; type 1 = 38 AGREE; term 4; oath 97; bans: count 2, each "+banFields),
	frameOf("resume", Resume{[16]byte{1}, 3}, ParseResume, "length 4; type 1 = 39 RESUME; session 16; member id 4"),
	frameOf("greet", Greet{[16]byte{1}, [32]byte{2}, 3, 4, []Ban{sampleBan(5), sampleBan(6)}}, ParseGreet,
		"length 4; type 1 = 40 GREET; session 16; charter hash 32; term 4; members 2; bans: count 2, each "+banFields),
	frameOf("move", Move{netip.MustParseAddrPort("10.0.0.7:7001"), [32]byte{1}}, ParseMove, "length 4; type 1 = 41 MOVE; membership address 18; pin 32"),
	frameOf("deny", Deny{Why: DenyRefused, Code: transport.WSAEACCES, Text: "out"}, ParseDeny, denyFields),
	frameOf("deny_elsewhere", Deny{Why: DenyElsewhere, Control: netip.MustParseAddrPort("10.0.0.7:7001"), Pin: [32]byte{1}}, ParseDeny, denyFields),
	frameOf("part", Part{}, ParsePart, "length 4; type 1 = 43 PART"),
	frameOf("evict", Evict{sampleBan(4)}, ParseEvict, "length 4; type 1 = 44 EVICT; a ban: "+banFields),
	frameOf("swear", Swear{Signature{1, 96: 2}}, ParseSwear, "length 4; type 1 = 45 SWEAR; oath 97"),
}

const (
	viewFields = "length 4; type 1 = 34 VIEW; view 8 (term 4, serial 4); coordinator 4; flags 1 (1 full, 2 merged); epoch state: length 4, opaque;\n" +
		"added: count 2, each id 4, pin 32, membership address 18, data address 18, role 1, caller data (1 = 0 nil | 1, then length 4, bytes);\n" +
		"removed: count 2, each id 4; bans: count 2, each " + banFields
	denyFields = "length 4; type 1 = 42 DENY; why 1 (1 elsewhere, 2 busy, 3 alive, 4 unknown, 5 refused); membership address 18 and pin 32 (1);\n" +
		"Winsock code 4 (5); reason: length 2, UTF-8"
)

func TestEqualGoldenFramesBothWays(t *testing.T) {
	for _, c := range equalCodecs {
		path := filepath.Join("testdata", "equals", c.name+".hex")
		if *update {
			if err := os.WriteFile(path, []byte(hexLines(c.name, c.fields, c.append(c.sample))), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden := readHex(t, path)
		if got := c.append(c.sample); !bytes.Equal(got, golden) {
			t.Errorf("%s: Append:\n%x, want\n%x", c.name, got, golden)
		}
		got, err := c.parse(golden)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if d := cmp.Diff(c.sample, got, equal...); d != "" {
			t.Errorf("%s: Parse (-want +got):\n%s", c.name, d)
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

func TestTheLongestListsOfBansFitWhereTheyAreTaken(t *testing.T) {
	bans := make([]Ban, MaxDenied)
	for what, n := range map[string]int{
		"ENTER": len(Enter{Data: make([]byte, MaxEqualData), Denied: bans}.Append(nil)),
		"GREET": len(Greet{Denied: bans}.Append(nil)),
	} {
		if n > askRoom+4 {
			t.Errorf("%s has %d bytes, and %d are taken from who dials", what, n, askRoom)
		}
	}
	c := equalCodecs[3]
	refused(t, "257 bans", c, Enter{Addr: netip.MustParseAddrPort("10.0.0.7:7002"), Denied: append(bans, Ban{})}.Append(nil), FaultLimit)
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
func FuzzParseSwear(f *testing.F)   { fuzzEqual(f, "swear", ParseSwear) }
