package door

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var netipCompare = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})

func TestParse_WhatUsersOfOtherToolsType(t *testing.T) {
	addr, ap := netip.MustParseAddr, netip.MustParseAddrPort
	socket := func(host string, a string, change func(*Endpoint)) Endpoint {
		e := Endpoint{Kind: Socket, Host: host, Port: 5000, PacketSize: 1316, FIFO: 28672 * 188}
		if a != "" {
			e.Addr = ap(a)
		}
		if change != nil {
			change(&e)
		}
		return e
	}
	for _, c := range []struct {
		in   string
		dir  Direction
		want Endpoint
	}{
		{"-", In, Endpoint{Kind: Pipe}},
		{"lab.iso", In, Endpoint{Kind: Path, Path: "lab.iso"}},
		{"./-", Out, Endpoint{Kind: Path, Path: "./-"}},
		{"udp://127.0.0.1:5000", In, socket("127.0.0.1", "127.0.0.1:5000", nil)},
		{"rtp://localhost:5000", Out, socket("localhost", "", nil)},
		{"UDP://@239.192.1.1:5000/", In, socket("239.192.1.1", "239.192.1.1:5000", nil)},
		{"udp://:5000", In, socket("", "0.0.0.0:5000", nil)},
		{"udp://10.0.0.1@232.1.1.1:5000", In, socket("232.1.1.1", "232.1.1.1:5000", func(e *Endpoint) { e.Sources = []netip.Addr{addr("10.0.0.1")} })},
		{"udp://[ff15::7%eth1]:5000", In, socket("ff15::7%eth1", "[ff15::7]:5000", func(e *Endpoint) { e.Interface = "eth1" })},
		{"udp://239.192.1.1:5000?localaddr=10.0.0.5&buffer_size=65536&fifo_size=10", In, socket("239.192.1.1", "239.192.1.1:5000", func(e *Endpoint) {
			e.Interface, e.Buffer, e.FIFO = "10.0.0.5", 65536, 1880
		})},
		{"udp://239.192.1.1:5000?ttl=4&pkt_size=188&dscp=34&multicast-iface=eth0&pace=none", Out, socket("239.192.1.1", "239.192.1.1:5000", func(e *Endpoint) {
			e.TTL, e.PacketSize, e.DSCP, e.Interface, e.Pace = 4, 188, 34, "eth0", PaceNone
		})},
		{"udp://239.192.1.1:5000?timeout=2500000&block=10.0.0.9", In, socket("239.192.1.1", "239.192.1.1:5000", func(e *Endpoint) {
			e.Timeout, e.Block = 2500*time.Millisecond, []netip.Addr{addr("10.0.0.9")}
		})},
		{"udp://239.192.1.1:5000?timeout=3s&sources=10.0.0.1,10.0.0.2", In, socket("239.192.1.1", "239.192.1.1:5000", func(e *Endpoint) {
			e.Timeout, e.Sources = 3*time.Second, []netip.Addr{addr("10.0.0.1"), addr("10.0.0.2")}
		})},
	} {
		t.Run(c.in, func(t *testing.T) {
			e, err := Parse(c.dir, c.in)
			if err != nil {
				t.Fatal(err)
			}
			if c.want.Kind == Socket {
				c.want.URL = c.in
			}
			if d := cmp.Diff(c.want, e, netipCompare); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestParse_SaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		in   string
		dir  Direction
		want string
	}{
		{"", In, "no endpoint"},
		{"srt://10.0.0.1:9000", In, "srt:// is no door of joinleaf"},
		{"udp://239.192.1.1", In, "want HOST:PORT"},
		{"udp://239.192.1.1:0", In, "port must be"},
		{"udp://239.192.1.1:http", In, "port must be"},
		{"udp://eth0@239.192.1.1:5000", In, `source "eth0" before @`},
		{"udp://239.192.1.1:5000?ipttl=4", Out, `unknown option "ipttl"; did you mean ttl`},
		{"udp://239.192.1.1:5000?pktsize=4", Out, `did you mean pkt_size`},
		{"udp://239.192.1.1:5000?ifcae=lo", Out, `did you mean iface`},
		{"udp://239.192.1.1:5000?zzzzzz=4", Out, "there are iface, ttl, dscp"},
		{"udp://239.192.1.1:5000?ttl=4", In, "option ttl belongs to an output"},
		{"udp://239.192.1.1:5000?timeout=4s", Out, "option timeout belongs to an input"},
		{"udp://239.192.1.1:5000?ttl=0", Out, "is a number from 1 to 255"},
		{"udp://239.192.1.1:5000?dscp=EF", Out, "is a number from 0 to 63"},
		{"udp://239.192.1.1:5000?iface=all", In, "names one interface"},
		{"udp://239.192.1.1:5000?sources=here", In, "lists IP addresses"},
		{"udp://239.192.1.1:5000?timeout=soon", In, "is a time such as 5s"},
		{"udp://239.192.1.1:5000?pace=bitrate", Out, "is arrival or none"},
		{"udp://239.192.1.1:5000?ttl=%zz", Out, "option ttl"},
	} {
		t.Run(c.in, func(t *testing.T) {
			if _, err := Parse(c.dir, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v\nwant %q in it", err, c.want)
			}
		})
	}
}

func TestParse_OptionsThatChangeNothingSaySo(t *testing.T) {
	e, err := Parse(In, "udp://@239.192.1.1:5000?reuse=1&overrun_nonfatal=1")
	if err != nil || len(e.Notes) != 2 {
		t.Fatalf("%v, notes %q", err, e.Notes)
	}
}

func TestNear_FindsTypingMistakesAndNothingElse(t *testing.T) {
	words := []string{"ttl", "iface", "interface", "pkt_size", "buffer_size"}
	for in, want := range map[string][]string{
		"tll":        {"ttl"},
		"TTL":        {"ttl"},
		"face":       {"iface", "interface"},
		"pkt-size":   {"pkt_size"},
		"buffersize": {"buffer_size"},
		"x":          nil,
		"colour":     nil,
	} {
		if d := cmp.Diff(want, Near(in, words)); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"-", "a/b", "udp://10.0.0.1@232.1.1.1:5000?ttl=3", "udp://[ff15::7%25eth1]:5000?sources=::1", "rtp://:1?timeout=1&pace=none"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, out bool) {
		dir := In
		if out {
			dir = Out
		}
		e, err := Parse(dir, s)
		if err == nil && e.Kind != Path && e.String() != s {
			t.Fatalf("%q became %q", s, e.String())
		}
		if err == nil && e.Kind == Socket && (e.Port == 0 || e.PacketSize < 1 || e.PacketSize > maxDatagram || e.FIFO < 188) {
			t.Fatalf("%q gave %+v", s, e)
		}
	})
}
