package joinleaf

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// every calls each method of a socket and hands on its error.
func every(k *Socket, f func(call string, err error)) {
	e := NewEvent()
	_, err := k.JoinLeaf(nil, nil, nil, nil, nil, 0)
	f("JoinLeaf", err)
	f("Bind", k.Bind(nil))
	f("Listen", k.Listen(1))
	_, _, err = k.Accept()
	f("Accept", err)
	_, _, err = k.WSAAccept(nil, nil)
	f("WSAAccept", err)
	f("EventSelect", k.EventSelect(e, FDRead))
	_, err = k.EnumNetworkEvents(e)
	f("EnumNetworkEvents", err)
	f("Shutdown", k.Shutdown(SDBoth))
	_, err = k.Select()
	f("Select", err)
	_, err = k.Ioctl(FIONBIO, nil, nil)
	f("Ioctl", err)
	_, err = k.Send(nil)
	f("Send", err)
	_, err = k.SendTo(nil, nil)
	f("SendTo", err)
	_, err = k.Recv(nil)
	f("Recv", err)
	_, _, err = k.RecvFrom(nil)
	f("RecvFrom", err)
	_, err = k.GetSockName()
	f("GetSockName", err)
	_, err = k.GetPeerName()
	f("GetPeerName", err)
	f("SetSockOpt", k.SetSockOpt(0, 0, nil))
	_, err = k.GetSockOpt(0, 0, nil)
	f("GetSockOpt", err)
	f("Close", k.Close())
}

func TestR1_R2_R40_WithoutStartupOrSocket(t *testing.T) {
	every(&Socket{}, func(call string, err error) { want(t, "zero socket, "+call, err, transport.WSANOTINITIALISED) })
	every(nil, func(call string, err error) { want(t, "no socket, "+call, err, transport.WSAENOTSOCK) })
	var zero Provider
	_, err := zero.Socket(AFInet, SockRDM, 0, nil, 0, 0)
	want(t, "zero provider", err, transport.WSANOTINITIALISED)
	_, err = zero.EnumProtocols()
	want(t, "zero provider", err, transport.WSANOTINITIALISED)
	want(t, "zero provider", zero.Cleanup(), transport.WSANOTINITIALISED)
	var none *Provider
	_, err = none.Socket(AFInet, SockRDM, 0, nil, 0, 0)
	want(t, "no provider", err, transport.WSANOTINITIALISED)
	_, err = none.EnumProtocols()
	want(t, "no provider", err, transport.WSANOTINITIALISED)
	want(t, "no provider", none.Cleanup(), transport.WSANOTINITIALISED)
}

// TestValues_AreWhatIsInThem asks the plain values for what they do not have.
func TestValues_AreWhatIsInThem(t *testing.T) {
	var e *Event
	e.Set()
	e.Reset()
	if e.IsSet() || e.Wait() != nil {
		t.Error("an event that is none is set")
	}
	var b *WSABUF
	if b.Bytes() != nil || (&WSABUF{Len: 5}).Bytes() != nil || Sockaddr(nil).Family() != 0 || Sockaddr(nil).AddrPort().IsValid() {
		t.Error("nothing has something in it")
	}
	events := NetworkEvents{Codes: [FDMaxEvents]transport.Code{transport.WSAEFAULT, 5: transport.WSAEFAULT}}
	for _, event := range []uint32{0, 1 << 31, 1 << FDMaxEvents} {
		if events.Code(event) != 0 {
			t.Errorf("event %#x has a code", event)
		}
	}
	q := QOS{Provider: WSABUF{Len: 0xFFFFFFFF}}
	if got, ok := ReadQOS(q.Append(nil)); !ok || got.Provider.Len != 0 {
		t.Error("provider bytes from nowhere")
	}
	if _, ok := ReadQOS(append(make([]byte, sizeQOS), 0xFF, 0xFF, 0xFF, 0xFF)); ok {
		t.Error("4 GiB of provider bytes in none")
	}
}

func TestR3_R40_R228_AfterCleanupAndAfterClose(t *testing.T) {
	onStage(t, 2, func(s *stage) {
		p, other := s.provider("root", nil), s.provider("leaf", nil)
		k, still, elsewhere := s.leaf(p), s.leaf(p), s.leaf(other)
		s.must(k.Close())
		every(k, func(call string, err error) {
			want(t, "closed, "+call, err, transport.WSAENOTSOCK)
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v is not net.ErrClosed", call, err)
			}
		})
		s.must(p.Cleanup())
		every(still, func(call string, err error) { want(t, "cleaned up, "+call, err, transport.WSANOTINITIALISED) })
		want(t, "second cleanup", p.Cleanup(), transport.WSANOTINITIALISED)
		_, err := p.Socket(AFInet, SockRDM, ProtoRootedRooted, nil, 0, leafFlags)
		want(t, "socket after cleanup", err, transport.WSANOTINITIALISED)
		s.must(elsewhere.Bind(s.addr("leaf", 0))) // providers share nothing
	})
}

func TestR4_OneCodeThatCanBeReadBack(t *testing.T) {
	onStage(t, 3, func(s *stage) {
		k := s.leaf(s.provider("leaf", nil))
		m, err := k.JoinLeaf(nil, nil, nil, nil, nil, JoinBoth)
		if m != nil || transport.CodeOf(err) != 10014 || !errors.Is(err, transport.WSAEFAULT) || errors.Is(err, transport.WSAEINVAL) {
			t.Errorf("got %v, %v", m, err)
		}
		if !errors.Is(fail("x", transport.WSAETIMEDOUT, nil), os.ErrDeadlineExceeded) {
			t.Error("a time-out does not match Go's")
		}
	})
}

func TestStartup_RefusesOldVersionsAndNoIdentity(t *testing.T) {
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	good := Config{Identity: crypto.Identity{Code: code}}
	_, err = Startup(0x0101, good)
	want(t, "version 1.1", err, transport.WSAVERNOTSUPPORTED)
	_, err = Startup(Version, Config{})
	want(t, "no identity", err, transport.WSAEINVAL)
	p, err := Startup(0x0002, good)
	want(t, "version 2.0", err, 0)
	want(t, "clean up", p.Cleanup(), 0)
}

// entries is the catalogue by name and family.
func entries(t *testing.T, p *Provider) map[string]ProtocolInfo {
	all, err := p.EnumProtocols()
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]ProtocolInfo)
	for _, e := range all {
		m[e.Name] = e
	}
	if len(m) != len(all) {
		t.Errorf("%d entries have %d names", len(all), len(m))
	}
	return m
}

func TestR6_R7_R8_R9_R10_R11_R12_TheCatalogue(t *testing.T) {
	onStage(t, 4, func(s *stage) {
		all := entries(t, s.provider("root", nil))
		for _, c := range []struct {
			name                         string
			multi, control, data, answer bool
		}{
			{"joinleaf rooted/rooted", true, true, true, true},
			{"joinleaf rooted/nonrooted", true, true, false, true},
			{"joinleaf nonrooted/nonrooted", true, false, false, false},
			{"joinleaf nonrooted/rooted", true, false, true, false},
			{"TCP", false, false, false, false},
			{"UDP", false, false, false, false},
		} {
			for family, suffix := range map[int]string{AFInet: " IPv4", AFInet6: " IPv6"} {
				e, ok := all[c.name+suffix]
				if !ok || e.AddressFamily != family {
					t.Errorf("%s%s is not in the catalogue", c.name, suffix)
				}
				delete(all, c.name+suffix)
				if e.has(XP1SupportMultipoint) != c.multi || e.rootedControl() != c.control || e.rootedData() != c.data {
					t.Errorf("%s: bits %#x", e.Name, e.ServiceFlags1)
				}
				if e.has(XP1ConnectData) != c.answer || e.has(XP1QOSSupported) != c.answer {
					t.Errorf("%s: connect data or QoS: %#x", e.Name, e.ServiceFlags1)
				}
				if (e.ProviderFlags&PFLMultipleProtoEntries != 0) != c.multi || e.has(XP1UniSend|XP1UniRecv) {
					t.Errorf("%s: flags %#x, %#x", e.Name, e.ServiceFlags1, e.ProviderFlags)
				}
				if c.multi && (!e.has(XP1MessageOriented) || e.MessageSize == 0) {
					t.Errorf("%s is not message oriented", e.Name)
				}
			}
		}
		if len(all) != 0 {
			t.Errorf("more entries: %v", all)
		}
		plain := ProtocolInfo{ServiceFlags1: XP1ControlPlane | XP1DataPlane} // R6
		if plain.rootedControl() || plain.rootedData() {
			t.Error("plane bits count without SUPPORT_MULTIPOINT")
		}
	})
}

// TestR13_R14_R15_R16_R17_R18_R19_R20_R21_R23_EveryFlagOnEveryEntry makes a
// socket for each of the 1,024 words of flags on each entry and compares with
// the table of R18, written down again here.
func TestR13_R14_R15_R16_R17_R18_R19_R20_R21_R23_EveryFlagOnEveryEntry(t *testing.T) {
	legalPairs := map[string]string{ // control/data of the entry -> legal pairs
		"joinleaf rooted/rooted":       "- RR RL LR LL",
		"joinleaf rooted/nonrooted":    "- RL LL",
		"joinleaf nonrooted/nonrooted": "- LL",
		"joinleaf nonrooted/rooted":    "- LR LL",
		"TCP":                          "-",
		"UDP":                          "-",
	}
	pairOf := func(f Flags) string {
		c := map[Flags]string{0: "", FlagCRoot: "R", FlagCLeaf: "L", FlagCRoot | FlagCLeaf: "x"}[f&(FlagCRoot|FlagCLeaf)]
		d := map[Flags]string{0: "", FlagDRoot: "R", FlagDLeaf: "L", FlagDRoot | FlagDLeaf: "x"}[f&(FlagDRoot|FlagDLeaf)]
		if c+d == "" {
			return "-"
		}
		return c + d
	}
	onStage(t, 5, func(s *stage) {
		p := s.provider("root", nil)
		counted := 0
		for name, e := range entries(t, p) {
			pairs := strings.Fields(legalPairs[strings.TrimSuffix(strings.TrimSuffix(name, " IPv4"), " IPv6")])
			for f := Flags(0); f < 0x400; f++ {
				fine := f&0x220 == 0 // bits 0x20 and 0x200 are nothing
				in := false
				for _, pair := range pairs {
					in = in || pair == pairOf(f)
				}
				k, err := p.Socket(FromProtocolInfo, FromProtocolInfo, FromProtocolInfo, &e, 0, f)
				if fine && in {
					want(t, name, err, 0)
					s.must(k.Close())
				} else if transport.CodeOf(err) != transport.WSAEINVAL || k != nil {
					t.Fatalf("%s with flags %#x: %v, %v", name, f, k, err)
				}
				counted++
			}
		}
		if counted != 12*1024 {
			t.Errorf("%d combinations", counted)
		}
		if len(p.sockets) != 0 {
			t.Errorf("%d descriptors stayed", len(p.sockets))
		}
	})
}

func TestR5_R20_OnlyMultipointSocketsJoin(t *testing.T) {
	onStage(t, 6, func(s *stage) {
		p := s.provider("root", nil)
		for _, c := range []struct {
			typ, proto int
			code       transport.Code
		}{
			{SockStream, ProtoTCP, transport.WSASYSCALLFAILURE},
			{SockDgram, ProtoUDP, transport.WSASYSCALLFAILURE},
			{SockRDM, ProtoRootedRooted, transport.WSAEINVAL},
			{SockRDM, ProtoNonrooted, transport.WSAEINVAL},
		} {
			k, err := p.Socket(AFInet, c.typ, c.proto, nil, 0, 0)
			s.must(err)
			for _, to := range []Sockaddr{nil, {1}, s.addr("leaf", 0), s.addr("leaf", 7000)} {
				for _, f := range []JoinFlags{0, JoinBoth} {
					_, err = k.JoinLeaf(to, &WSABUF{Len: 7}, nil, nil, &QOS{}, f)
					want(t, "join of an ordinary socket", err, c.code)
				}
			}
		}
	})
}

func TestR22_ANewSocketBlocks(t *testing.T) {
	onStage(t, 7, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		got := accepting(root, nil)
		s.settle()
		select {
		case a := <-got:
			t.Errorf("accept did not wait: %v", a.err)
		default:
		}
		s.must(root.Close())
		want(t, "accept when closed", (<-got).err, transport.WSA_OPERATION_ABORTED)
	})
}

func TestR24_R25_R26_R28_WhatASocketIsMadeOf(t *testing.T) {
	onStage(t, 8, func(s *stage) {
		p := s.provider("root", nil)
		e := entries(t, p)["joinleaf rooted/nonrooted IPv6"]
		broken := e
		broken.ServiceFlags1 |= XP1DataPlane
		const all = FromProtocolInfo
		for _, c := range []struct {
			what               string
			family, typ, proto int
			info               *ProtocolInfo
			group              uint32
			code               transport.Code
		}{
			{"family", 99, SockRDM, ProtoRootedRooted, nil, 0, transport.WSAEAFNOSUPPORT},
			{"type", AFInet, SockRaw, ProtoRootedRooted, nil, 0, transport.WSAESOCKTNOSUPPORT},
			{"protocol", AFInet, SockRDM, 999, nil, 0, transport.WSAEPROTONOSUPPORT},
			{"protocol of another type", AFInet, SockRDM, ProtoTCP, nil, 0, transport.WSAEPROTOTYPE},
			{"protocol of another type", AFInet, SockStream, ProtoNonrooted, nil, 0, transport.WSAEPROTOTYPE},
			{"-1 without an entry", all, all, all, nil, 0, transport.WSAEINVAL},
			{"parts", all, all, all, &e, 0, 0},
			{"own values beside the entry", AFInet6, SockRDM, ProtoRootedNonrooted, &e, 0, 0},
			{"values against the entry", AFInet, all, all, &e, 0, transport.WSAEINVAL},
			{"type against the entry", all, SockStream, all, &e, 0, transport.WSAEINVAL},
			{"an entry that is none", all, all, all, &broken, 0, transport.WSAEINVAL},
			{"an empty entry", all, all, all, &ProtocolInfo{}, 0, transport.WSAEINVAL},
			{"a group", AFInet, SockRDM, ProtoRootedRooted, nil, 7, transport.WSAEINVAL},
			{"protocol 0", AFInet, SockRDM, 0, nil, 0, 0},
		} {
			k, err := p.Socket(c.family, c.typ, c.proto, c.info, c.group, leafFlags)
			want(t, c.what, err, c.code)
			if (k != nil) != (c.code == 0) {
				t.Errorf("%s: socket %v", c.what, k)
			}
			if c.info == &e && k != nil && k.entry != e {
				t.Errorf("%s: the socket is %s", c.what, k.entry.Name)
			}
		}
		// Valid one by one, not together.
		some := []ProtocolInfo{{AddressFamily: AFInet, SocketType: SockRDM, Protocol: 1}, {AddressFamily: AFInet6, SocketType: SockRDM, Protocol: 2}}
		if _, code := lookup(some, AFInet, SockRDM, 2); code != transport.WSAEINVAL {
			t.Errorf("family and protocol of two entries: %v", code)
		}
	})
}

func TestR27_OutOfDescriptors(t *testing.T) {
	onStage(t, 9, func(s *stage) {
		p := s.provider("root", func(c *Config) { c.Sockets = 2 })
		first := s.leaf(p)
		s.leaf(p)
		_, err := p.Socket(AFInet, SockRDM, ProtoRootedRooted, nil, 0, leafFlags)
		want(t, "third", err, transport.WSAEMFILE)
		s.must(first.Close())
		s.leaf(p)
	})
}
