package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/joinleaf/joinleaf/transport"
)

// refused checks that parse refuses b and allocates nothing doing so.
func refused(t *testing.T, what string, c codec, b []byte, want Fault) {
	t.Helper()
	var err error
	allocs := testing.AllocsPerRun(5, func() { err = c.try(b) })
	if fault, ok := errors.AsType[Fault](err); !ok || want != 0 && fault != want {
		t.Errorf("%s: %v, want fault %q", what, err, want)
	}
	if allocs != 0 {
		t.Errorf("%s: refused with %v allocations", what, allocs)
	}
}

func TestC5_TruncatedAndPaddedFramesAreRefusedWithoutAllocation(t *testing.T) {
	for _, c := range codecs {
		whole := c.append(c.sample)
		headed := c.name != "params"
		for n := range whole {
			cut := bytes.Clone(whole[:n])
			refused(t, c.name+" cut", c, cut, 0)
			if headed && n >= headSize && c.name != "chat" { // and with a length that agrees
				binary.BigEndian.PutUint32(cut, uint32(n-4))
				refused(t, c.name+" cut, length right", c, cut, FaultShort)
			}
		}
		if c.name == "chat" {
			continue // its message goes to the frame's end
		}
		long := append(bytes.Clone(whole), 0)
		if headed {
			refused(t, c.name+" longer than its length", c, long, FaultLength)
			binary.BigEndian.PutUint32(long, uint32(len(long)-4))
		}
		refused(t, c.name+" with a byte behind", c, long, FaultTrailing)
	}
}

func TestC6_EveryBitFlipIsRefusedOrEncodesTheSame(t *testing.T) {
	taken := 0
	for _, c := range codecs {
		whole := c.append(c.sample)
		for i := range len(whole) * 8 {
			b := bytes.Clone(whole)
			b[i/8] ^= 1 << (i % 8)
			v, err := c.parse(b)
			if err != nil {
				continue
			}
			taken++
			if again := c.append(v); !bytes.Equal(again, b) {
				t.Fatalf("%s, bit %d: %x encodes again as %x", c.name, i, b, again)
			}
		}
	}
	if taken == 0 {
		t.Error("no flip was taken: the test shows nothing")
	}
}

func TestC5_LengthsAreHeldAgainstTheirLimitBeforeAllocation(t *testing.T) {
	find := func(name string) codec {
		for _, c := range codecs {
			if c.name == name {
				return c
			}
		}
		panic(name)
	}
	join, bye, senders := find("join"), find("bye"), find("senders")
	// A JOIN whose last fields are token none, data as given, QoS none, from now.
	withData := func(claim uint32, data []byte) []byte {
		b := Join{Room: -1}.Append(nil)
		b = append(b[:len(b)-2-9], 1)
		b = binary.BigEndian.AppendUint32(b, claim)
		b = append(append(b, data...), make([]byte, 1+9)...)
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
		return b
	}
	if _, err := join.parse(withData(MaxConnectData, make([]byte, MaxConnectData))); err != nil {
		t.Errorf("64 KiB of caller data: %v", err)
	}
	refused(t, "64 KiB + 1", join, withData(MaxConnectData+1, make([]byte, MaxConnectData+1)), FaultLimit)
	refused(t, "2^32-1 announced", join, withData(1<<32-1, nil), FaultLimit)
	refused(t, "2^31 announced", join, withData(1<<31, nil), FaultLimit)
	refused(t, "more announced than there is", join, withData(5, nil), FaultShort)
	b := binary.BigEndian.AppendUint32(nil, 1<<32-1)
	refused(t, "frame of 2^32-1", join, append(b, byte(TypeJoin), 1, 0), FaultLength)
	big := make([]byte, MaxFrame+5)
	binary.BigEndian.PutUint32(big, MaxFrame+1)
	big[4] = byte(TypeChat)
	refused(t, "1 MiB + 1", find("chat"), big, FaultLength)
	chat := Chat{make([]byte, MaxChat+1)}.Append(nil)
	refused(t, "chat above 64 KiB", find("chat"), chat, FaultLimit)

	long := Bye{Text: strings.Repeat("x", 600)}.Append(nil) // clipped by Append
	if y, err := ParseBye(long); err != nil || len(y.Text) != MaxText {
		t.Errorf("long reason: %d bytes, %v", len(y.Text), err)
	}
	many := Bye{Edges: make([]Edge, MaxStreams+1)}.Append(nil)
	refused(t, "17 edges", bye, many, FaultLimit)
	crowd := Senders{Add: make([]Peer, MaxSenders+1)}.Append(nil)
	refused(t, "1025 senders", senders, crowd, FaultLimit)
	crowd = Senders{Remove: make([]uint32, MaxSenders+1)}.Append(nil)
	refused(t, "1025 removed", senders, crowd, FaultLimit)
}

func TestFieldsWithoutMeaningAreRefused(t *testing.T) {
	for _, c := range []struct {
		what  string
		codec int // index of the type in codecs
		frame []byte
		want  Fault
	}{
		{"JOIN of role 3", 0, Join{Role: 3}.Append(nil), FaultValue},
		{"JOIN with room -2", 0, Join{Room: -2}.Append(nil), FaultValue},
		{"JOIN with 17 suites", 0, Join{Suites: make([]byte, 17)}.Append(nil), FaultLimit},
		{"JOIN with a long token", 0, Join{Token: make(Secret, MaxToken+1)}.Append(nil), FaultLimit},
		{"JOIN with long QoS", 0, Join{QoS: make([]byte, MaxQoS+1)}.Append(nil), FaultLimit},
		{"JOIN from nowhere", 0, Join{From: From{Kind: 4}}.Append(nil), FaultValue},
		{"JOIN from now, counted", 0, Join{From: From{FromNow, 1}}.Append(nil), FaultValue},
		{"JOIN from the oldest, counted", 0, Join{From: From{FromOldest, 1 << 63}}.Append(nil), FaultValue},
		{"JOIN as INVITE", 1, Join{}.Append(nil), FaultType},
		{"REFUSE without code", 2, change(Refuse{1, ""}.Append(nil), 8, 0), FaultValue},
		{"REFUSE with a code of 2^16", 2, change(Refuse{1, ""}.Append(nil), 6, 1), FaultValue},
		{"WELCOME for the root itself", 3, sampleWelcome(RootID).Append(nil), FaultValue},
		{"WELCOME without a port", 3, func() []byte { w := sampleWelcome(2); w.Root = netip.AddrPort{}; return w.Append(nil) }(), FaultValue},
		{"WELCOME with long state", 3, func() []byte { w := sampleWelcome(2); w.State = make(Secret, MaxState+1); return w.Append(nil) }(), FaultLimit},
		{"WELCOME with sender 0", 3, func() []byte { w := sampleWelcome(2); w.Senders = []Peer{{}}; return w.Append(nil) }(), FaultValue},
		{"WELCOME with 33 senders", 3, func() []byte { w := sampleWelcome(2); w.Senders = make([]Peer, 33); return w.Append(nil) }(), FaultLimit},
		{"WELCOME with a group that is none", 3, func() []byte { w := sampleWelcome(2); w.Params.Group = w.Root; return w.Append(nil) }(), FaultValue},
		{"READY without a port", 4, Ready{1, netip.AddrPort{}}.Append(nil), FaultValue},
		{"READY at a group", 4, Ready{1, sampleParams().Group}.Append(nil), FaultValue},
		{"START with streams falling", 5, Start{1, []Edge{{2, 0, 0}, {1, 0, 0}}}.Append(nil), FaultValue},
		{"START with a stream twice", 5, Start{1, []Edge{{2, 0, 0}, {2, 0, 0}}}.Append(nil), FaultValue},
		{"REKEY with long state", 6, Rekey{State: make(Secret, MaxState+1)}.Append(nil), FaultLimit},
		{"REKEY with a flag of 2", 6, change(Rekey{}.Append(nil), 13, 2), FaultValue},
		{"RESYNC as REKEYED", 7, Resync{3}.Append(nil), FaultType},
		{"SENDERS adding role 3", 8, Senders{Add: []Peer{{ID: 9, Role: 3}}}.Append(nil), FaultValue},
		{"SENDERS removing the group", 8, Senders{Remove: []uint32{0}}.Append(nil), FaultValue},
		{"BYE with a broken reason", 11, change(Bye{0, "x", nil}.Append(nil), 11, 0xff), FaultValue},
		{"NOTICE of standing 2", 12, Notice{Standing: 2}.Append(nil), FaultValue},
		{"NOTICE with broken words", 12, change(Notice{Text: "x"}.Append(nil), 9, 0xff), FaultValue},
		{"NOTICE with too many words", 12, wordy(Notice{}.Append(nil), MaxText+1), FaultLimit},
		{"NOTICE as BYE", 11, Notice{}.Append(nil), FaultType},
	} {
		refused(t, c.what, codecs[c.codec], c.frame, c.want)
	}
}

func change(b []byte, at int, to byte) []byte {
	if at < 8 || at > 8 || to != 0 {
		b[at] = to
		return b
	}
	copy(b[5:9], make([]byte, 4)) // the whole code
	return b
}

// wordy gives a frame that ends with an empty text one of n bytes.
func wordy(b []byte, n int) []byte {
	b = binary.BigEndian.AppendUint16(b[:len(b)-2], uint16(n))
	b = append(b, strings.Repeat("w", n)...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func TestCheckRefusesWhatNoPeerWouldTake(t *testing.T) {
	w := sampleWelcome(7)
	for what, err := range map[string]error{
		"JOIN, role":       Join{Role: 3}.Check(),
		"JOIN, room":       Join{Room: -2}.Check(),
		"JOIN, suites":     Join{Suites: make([]byte, 17)}.Check(),
		"JOIN, token":      Join{Token: make(Secret, MaxToken+1)}.Check(),
		"JOIN, QoS":        Join{QoS: make([]byte, MaxQoS+1)}.Check(),
		"JOIN, from":       Join{From: From{Kind: 4}}.Check(),
		"JOIN, from now":   Join{From: From{FromNow, 1}}.Check(),
		"JOIN, oldest":     Join{From: From{FromOldest, 1}}.Check(),
		"JOIN, name":       Join{Name: strings.Repeat("n", MaxName+1)}.Check(),
		"INVITE, name":     Invite{Name: "\xff"}.Check(),
		"WELCOME, id":      func(w Welcome) error { w.ID = RootID; return w.check() }(w),
		"WELCOME, address": func(w Welcome) error { w.Root = netip.AddrPort{}; return w.check() }(w),
		"WELCOME, state":   func(w Welcome) error { w.State = make(Secret, MaxState+1); return w.check() }(w),
		"WELCOME, sender":  func(w Welcome) error { w.Senders = []Peer{{}}; return w.check() }(w),
		"WELCOME, role":    func(w Welcome) error { w.Senders = []Peer{{ID: 2, Role: 3}}; return w.check() }(w),
	} {
		if transport.CodeOf(err) != transport.WSAEINVAL {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.check(); err != nil {
		t.Error(err)
	}
}

func TestOtherVersionsAreToldApart(t *testing.T) {
	for _, i := range []int{0, 1} {
		b := codecs[i].append(codecs[i].sample)
		b[5] = Version + 1
		refused(t, codecs[i].name, codecs[i], b, FaultVersion)
		refused(t, codecs[i].name+" with an unknown rest", codecs[i], func() []byte {
			b := append(b[:6:6], "what version 2 may hold"...)
			binary.BigEndian.PutUint32(b, uint32(len(b)-4))
			return b
		}(), FaultVersion)
	}
}

func TestLongestFramesFitTheirLimits(t *testing.T) {
	name, data := strings.Repeat("n", MaxName), make([]byte, MaxConnectData)
	j := Join{Suites: make([]byte, MaxSuites), Name: name, Token: make([]byte, MaxToken), Data: data, QoS: make([]byte, MaxQoS)}
	w := sampleWelcome(2)
	w.Params.Name, w.Params.Streams = name, make([]byte, MaxStreams)
	w.State, w.Callee, w.QoS, w.Senders = make([]byte, MaxState), data, make([]byte, MaxQoS), nil
	for range maxWelcome {
		w.Senders = append(w.Senders, Peer{ID: 5})
	}
	if n := len(w.Params.Append(nil)); n != maxParams {
		t.Errorf("longest parameters are %d bytes, maxParams says %d", n, maxParams)
	}
	i := Invite{Name: name, Data: data, QoS: make([]byte, MaxQoS)}
	for what, b := range map[string][]byte{"JOIN": j.Append(nil), "INVITE": i.Append(nil), "WELCOME": w.Append(nil)} {
		if len(b)-4 > MaxFrameBefore {
			t.Errorf("longest %s is %d, above the limit before admission", what, len(b)-4)
		}
	}
	if err := errors.Join(j.Check(), i.Check(), w.check()); err != nil {
		t.Error(err)
	}
	if _, err := ParseWelcome(w.Append(nil)); err != nil {
		t.Error(err)
	}
}

func TestReasonsAreClippedBetweenCharactersAndMended(t *testing.T) {
	for _, text := range []string{strings.Repeat("é", 400), strings.Repeat("x", 511) + "日本", "bad \xff\xfe byte", ""} {
		y, err := ParseBye(Bye{Text: text}.Append(nil))
		if err != nil || !utf8.ValidString(y.Text) || len(y.Text) > MaxText || len(text) > 0 && y.Text == "" {
			t.Errorf("%.20q: %.20q %v", text, y.Text, err)
		}
	}
}

func TestRefuseWithoutCodeMeansRefused(t *testing.T) {
	f, err := ParseRefuse(Refuse{Text: "no"}.Append(nil))
	if err != nil || f.Code != transport.WSAECONNREFUSED {
		t.Errorf("%v %v", f, err)
	}
}

func TestIPv4InIPv6FormIsIPv4(t *testing.T) {
	y, err := ParseReady(Ready{1, netip.MustParseAddrPort("[::ffff:192.0.2.7]:9")}.Append(nil))
	if err != nil || y.Addr != netip.MustParseAddrPort("192.0.2.7:9") {
		t.Errorf("%v %v", y, err)
	}
	z := Ready{1, netip.MustParseAddrPort("[fe80::1%eth0]:9")}
	if y, _ := ParseReady(z.Append(nil)); y.Addr.Addr().Zone() != "" {
		t.Error("a zone went on the wire")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	j := Join{Token: Secret("hunter2-token"), Name: "prices"}
	var all strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		all.WriteString(fmt.Sprintf(verb, j) + fmt.Sprintf(verb, j.Token))
	}
	if s := all.String(); strings.Contains(s, "hunter2") || strings.Contains(s, "68756e74") || strings.Contains(s, "0x68, 0x75") {
		t.Errorf("printed: %s", s)
	}
	text, _ := j.Token.MarshalText()
	if strings.Contains(j.Token.LogValue().String()+string(text), "hunter2") {
		t.Error("logged")
	}
}

func TestNamesAreThere(t *testing.T) {
	for typ := TypeJoin; typ <= TypeNotice; typ++ {
		if typ.String() == "" || typ.String() == "unknown" {
			t.Errorf("type %d has no name", typ)
		}
	}
	if Type(0).String() != "unknown" || Type(200).String() != "unknown" || TypeOf([]byte{1}) != 0 {
		t.Error("unknown types")
	}
	seen := map[string]bool{}
	for f := Fault(1); f < faults; f++ {
		if f.Error() == "" || seen[f.Error()] {
			t.Errorf("fault %d: %q", f, f)
		}
		seen[f.Error()] = true
	}
	for k := range eventNames {
		if s := (Event{Kind: k, ID: 7, Data: []byte("hush")}).String(); s != k.String()+"(7)" || k.String() == "nothing" {
			t.Errorf("event %d: %q", k, s)
		}
	}
	for _, s := range []string{EventKind(99).String(), Role(9).String(), Kind(9).String(), Fault(99).String()} {
		if s == "" || s == Both.String() || s == Step.String() {
			t.Errorf("%q for what has no name", s)
		}
	}
	names := map[string]bool{Both.String(): true, SendOnly.String(): true, ReceiveOnly.String(): true, Step.String(): true, Fresh.String(): true}
	if len(names) != 5 {
		t.Errorf("names %v", names)
	}
}

// TestPeer_MarksTheDataRoot: the mark stands beside the role, in SENDERS and WELCOME.
func TestPeer_MarksTheDataRoot(t *testing.T) {
	for _, role := range []Role{Both, SendOnly, ReceiveOnly} {
		for _, root := range []bool{false, true} {
			p := Peer{ID: 7, Addr: netip.MustParseAddrPort("192.0.2.7:4000"), Role: role, Root: root}
			c, err := ParseSenders(Senders{Add: []Peer{p}}.Append(nil))
			if err != nil || len(c.Add) != 1 || c.Add[0] != p {
				t.Errorf("%+v came as %+v, %v", p, c.Add, err)
			}
			w := sampleWelcome(7)
			w.Senders = []Peer{p}
			got, err := ParseWelcome(w.Append(nil))
			if err != nil || len(got.Senders) != 1 || got.Senders[0] != p {
				t.Errorf("%+v came as %+v, %v", p, got.Senders, err)
			}
		}
	}
}
