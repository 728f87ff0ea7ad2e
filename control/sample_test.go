package control

import (
	"bytes"
	"encoding/hex"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/joinleaf/joinleaf/transport"
)

var update = flag.Bool("update", false, "write testdata/*.hex anew")

// codec is one frame type both ways, with a sample.
type codec struct {
	name   string // of the file in testdata
	fields string // its comment
	sample any
	append func(any) []byte
	parse  func([]byte) (any, error)
	try    func([]byte) error
}

func frameOf[T interface{ Append([]byte) []byte }](name string, sample T, parse func([]byte) (T, error), fields string) codec {
	return codec{
		name: name, fields: fields, sample: sample,
		append: func(v any) []byte { return v.(T).Append(nil) },
		parse:  func(b []byte) (any, error) { return parse(b) },
		try: func(b []byte) error {
			_, err := parse(b)
			return err
		},
	}
}

var nonce = [16]byte{0: 0x10, 7: 0x20, 15: 0x30}

var codecs = []codec{
	frameOf("join", Join{
		Role: ReceiveOnly, Suites: []uint8{1, 3}, Nonce: nonce, Name: "prices", Room: 4096,
		Token: Secret("tok"), Data: []byte("hi\x00"), QoS: []byte{},
		From: From{FromLast, 1000},
	}, ParseJoin, `length 4; type 1 = 1 JOIN; version 1; role 1 (0 both, 1 send, 2 receive); suites: count 1, each 1;
nonce 16; session name: length 2, UTF-8; callee room 4 (-1: none wanted);
token, caller data, QoS: each 1 = 0 nil | 1, then length 4, bytes;
from: kind 1 (0 now, 1 oldest, 2 message n, 3 last n), n 8`),
	frameOf("invite", Invite{Role: SendOnly, Name: "prices", Room: -1, Data: []byte("come")},
		ParseInvite, `length 4; type 1 = 2 INVITE; version 1; role 1; session name: length 2, UTF-8; callee room 4 (-1: none wanted);
caller data, QoS: each 1 = 0 nil | 1, then length 4, bytes`),
	frameOf("refuse", Refuse{transport.WSAECONNREFUSED, "full"},
		ParseRefuse, `length 4; type 1 = 3 REFUSE; Winsock code 4, not 0; reason: length 2, UTF-8`),
	frameOf("welcome", func() Welcome {
		w := sampleWelcome(7)
		w.Role, w.Epoch, w.Callee = SendOnly, 3, []byte("callee")
		w.Senders = append(w.Senders, Peer{ID: 9, Addr: netip.MustParseAddrPort("[2001:db8::9]:4000"), Role: ReceiveOnly})
		return w
	}(), ParseWelcome, `length 4; type 1 = 4 WELCOME; member id 4; root's role 1; session id 16; epoch 8; root's data address 18;
parameters: length 4, bytes as in params.hex; epoch state: length 4, opaque;
senders: count 2, each id 4, address 18, role 1; callee data, QoS: each 1 = 0 nil | 1, then length 4, bytes`),
	frameOf("ready", Ready{3, netip.MustParseAddrPort("0.0.0.0:5000")},
		ParseReady, `length 4; type 1 = 5 READY; epoch 8; unicast data address: 16 (IPv4 mapped into IPv6), port 2`),
	frameOf("start", Start{3, []Edge{{0, 1 << 40, 77}, {5, 0, 0}}},
		ParseStart, `length 4; type 1 = 6 START; epoch 8; edges: count 1, each stream 2, next sequence 8, next message 8`),
	frameOf("rekey", Rekey{4, true, Secret("epoch state")},
		ParseRekey, `length 4; type 1 = 7 REKEY; epoch 8; used 1 (0, 1); state: length 4, opaque`),
	frameOf("rekeyed", Rekeyed{4}, ParseRekeyed, `length 4; type 1 = 8 REKEYED; epoch 8`),
	frameOf("senders", Senders{[]Peer{{ID: 9, Addr: netip.MustParseAddrPort("192.0.2.9:4000"), Role: SendOnly}}, []uint32{3, 5}},
		ParseSenders, `length 4; type 1 = 9 SENDERS; added: count 2, each id 4, address 18, role 1; removed: count 2, each id 4`),
	frameOf("chat", Chat{[]byte("psst")}, ParseChat, `length 4; type 1 = 10 CHAT; message to the end`),
	frameOf("beat", Beat{4, []Edge{{0, 812, 400}}},
		ParseBeat, `length 4; type 1 = 11 BEAT; epoch 8; edges: count 1, each stream 2, next sequence 8, next message 8`),
	frameOf("bye", Bye{0, "done", []Edge{{0, 900, 444}}},
		ParseBye, `length 4; type 1 = 12 BYE; Winsock code 4 (0: in good order); reason: length 2, UTF-8;
edges: count 1, each stream 2, next sequence 8, next message 8`),
	frameOf("notice", Notice{Quarantined, 1, "too slow"},
		ParseNotice, `length 4; type 1 = 13 NOTICE; standing 1 (0 in step, 1 quarantined); reason 1; words: length 2, UTF-8`),
	frameOf("resync", Resync{3}, ParseResync, `length 4; type 1 = 14 RESYNC; epoch 8`),
	frameOf("params", func() Params {
		p := sampleParams()
		p.Group, p.Source = netip.MustParseAddrPort("[ff35::7:1]:7000"), netip.MustParseAddr("2001:db8::1")
		p.Symbol = 1392
		p.Plane = 1
		p.Streams, p.Latency, p.Ordered = []uint8{0, 1, 2}, 120, true
		p.Second = netip.MustParseAddrPort("[ff35::7:2]:7002")
		return p
	}(), ParseParams, `no head: inside WELCOME, and hashed into every key. version 1; suite 1; data plane 1 (0 rooted, 1 nonrooted);
source level 1; group 16, port 2; SSM source 16 (:: any); MTU 2; symbol 2; max message 4; window 4;
streams: count 1, class of each 1 (0 reliable, 1 best effort, 2 deadline); latency 2, milliseconds; total order 1 (0, 1);
second group 16, port 2 (:: and 0: none); session name: length 2, UTF-8`),
}

// find returns the sample frame of type t.
func frameOfType(t Type) []byte {
	for _, c := range codecs[:len(codecs)-1] {
		if b := c.append(c.sample); TypeOf(b) == t {
			return b
		}
	}
	panic(t)
}

var equal = []cmp.Option{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmpopts.EquateComparable(),
}

// hexLines writes b as a golden file's text, with a comment before it.
func hexLines(name, fields string, b []byte) string {
	var s strings.Builder
	s.WriteString("# " + strings.ToUpper(name) + ": " + strings.ReplaceAll(fields, "\n", "\n# ") + "\n")
	for len(b) > 0 {
		n := min(16, len(b))
		s.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	return s.String()
}

func readHex(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			digits.WriteString(strings.TrimSpace(line))
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

func TestGoldenFramesBothWays(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("testdata", c.name+".hex")
			if *update {
				if err := os.WriteFile(path, []byte(hexLines(c.name, c.fields, c.append(c.sample))), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden := readHex(t, path)
			if got := c.append(c.sample); !bytes.Equal(got, golden) {
				t.Errorf("Append:\n%x, want\n%x", got, golden)
			}
			got, err := c.parse(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.sample, got, equal...); d != "" {
				t.Errorf("Parse (-want +got):\n%s", d)
			}
		})
	}
}

func TestAppendGoesBehindWhatIsThere(t *testing.T) {
	b := Rekeyed{1}.Append([]byte("before"))
	if string(b[:6]) != "before" || !bytes.Equal(b[6:], Rekeyed{1}.Append(nil)) {
		t.Errorf("%x", b)
	}
}
