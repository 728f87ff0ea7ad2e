package control

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestParametersMustMakeASession(t *testing.T) {
	for what, edit := range map[string]func(*Params){
		"data plane 3":       func(p *Params) { p.Plane = 3 },
		"no streams":         func(p *Params) { p.Streams = nil },
		"17 streams":         func(p *Params) { p.Streams = make([]byte, 17) },
		"a unicast group":    func(p *Params) { p.Group = netip.MustParseAddrPort("192.0.2.1:7000") },
		"no group":           func(p *Params) { p.Group = netip.AddrPort{} },
		"no port":            func(p *Params) { p.Group = netip.MustParseAddrPort("239.1.1.1:0") },
		"a source elsewhere": func(p *Params) { p.Source = netip.MustParseAddr("2001:db8::1") },
		"a group as source":  func(p *Params) { p.Source = p.Group.Addr() },

		"class 3":                     func(p *Params) { p.Streams[1] = 3 },
		"class 255 beside a deadline": func(p *Params) { p.Streams, p.Latency = []uint8{2, 255}, 50 },
		"a deadline without time":     func(p *Params) { p.Streams[1] = 2 },
		"time without a deadline":     func(p *Params) { p.Latency = 50 },
		"a second group of one host":  func(p *Params) { p.Second = netip.MustParseAddrPort("192.0.2.1:7000") },
		"the same group twice":        func(p *Params) { p.Second = p.Group },
		"the same group as IPv6":      func(p *Params) { p.Second = netip.MustParseAddrPort("[::ffff:239.192.7.1]:7000") },
		"a second group elsewhere":    func(p *Params) { p.Second = netip.MustParseAddrPort("[ff15::1]:7000") },
		"a second group, no port":     func(p *Params) { p.Second = netip.MustParseAddrPort("239.192.7.2:0") },
		"a port of no second group":   func(p *Params) { p.Second = netip.AddrPortFrom(netip.Addr{}, 7000) },
		"a port of ::":                func(p *Params) { p.Second = netip.MustParseAddrPort("[::]:7000") },
		"0.0.0.0 as second group":     func(p *Params) { p.Second = netip.MustParseAddrPort("0.0.0.0:0") },
		"the same group, with a zone": func(p *Params) {
			p.Group = netip.MustParseAddrPort("[ff12::1%eth0]:7000")
			p.Second = netip.MustParseAddrPort("[ff12::1%eth1]:7000")
		},
	} {
		p := sampleParams()
		edit(&p)
		if p.Check() == nil {
			t.Errorf("%s: checked", what)
		}
		if _, err := ParseParams(p.Append(nil)); err == nil {
			t.Errorf("%s: parsed", what)
		}
	}
	p := sampleParams()
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	p.Name = "\xff"
	if p.Check() == nil {
		t.Error("a name that is not UTF-8")
	}
}

func TestParametersThatNeedSayNothingOfDeadlinesOrASecondGroup(t *testing.T) {
	for what, edit := range map[string]func(*Params){
		"nothing":                func(*Params) {},
		"deadline streams alone": func(p *Params) { p.Streams, p.Latency = []uint8{2, 2}, 1 },
		"the longest latency":    func(p *Params) { p.Streams, p.Latency = []uint8{0, 2}, 65535 },
		"order":                  func(p *Params) { p.Ordered = true },
		"another address":        func(p *Params) { p.Second = netip.MustParseAddrPort("239.192.7.2:7000") },
		"another port":           func(p *Params) { p.Second = netip.MustParseAddrPort("239.192.7.1:7002") },
		"IPv4 in IPv6's form":    func(p *Params) { p.Second = netip.MustParseAddrPort("[::ffff:239.192.7.2]:7000") },
		"none, said with ::":     func(p *Params) { p.Second = netip.AddrPortFrom(netip.IPv6Unspecified(), 0) },
		"a second group with zones": func(p *Params) {
			p.Group, p.Second = netip.MustParseAddrPort("[ff12::1%eth0]:7"), netip.MustParseAddrPort("[ff12::2%eth0]:7")
		},
	} {
		p := sampleParams()
		edit(&p)
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		b := p.Append(nil)
		got, err := ParseParams(b)
		if err != nil || !bytes.Equal(got.Append(nil), b) {
			t.Errorf("%s: %v, %+v", what, err, got)
		}
		if got.Latency != p.Latency || got.Ordered != p.Ordered || got.Second.Port() != p.Second.Port() || got.Second.IsValid() != (p.Second.Port() != 0) {
			t.Errorf("%s: %+v became %+v", what, p, got)
		}
	}
}

func TestParametersSayTotalOrderInOneWay(t *testing.T) {
	params := codecs[len(codecs)-1]
	b := sampleParams().Append(nil)
	at := len(b) - 2 - len("prices") - 18 - 1
	if b[at]++; params.try(b) != nil {
		t.Fatal("order 1 is refused, or stands elsewhere")
	}
	b[at]++
	refused(t, "order 2", params, b, FaultValue)
}
