package transport

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// attribute appends a route attribute as the kernel lays it out.
func attribute(b []byte, kind uint16, value ...byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func TestKindOf_FindsTheNameAmongOthers(t *testing.T) {
	info := attribute(nil, unix.IFLA_INFO_DATA, 1, 2, 3)
	info = attribute(info, unix.IFLA_INFO_KIND, []byte("bridge\x00")...)
	if got := kindOf(info); got != "bridge" {
		t.Errorf("kindOf = %q; want bridge", got)
	}
	if got := kindOf(attribute(nil, unix.IFLA_INFO_DATA, 1)); got != "" {
		t.Errorf("kindOf without a kind = %q", got)
	}
}

func FuzzKindOf(f *testing.F) {
	f.Add(attribute(nil, unix.IFLA_INFO_KIND, []byte("veth\x00")...))
	f.Add(attribute(attribute(nil, 9, 1, 2, 3, 4, 5), unix.IFLA_INFO_KIND, []byte("tun\x00")...))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{255, 255, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if k := kindOf(b); len(k) > len(b) {
			t.Errorf("%q out of %d bytes", k, len(b))
		}
	})
}

// routeAnswer is an RTM_NEWROUTE of a type, with what attributes there are.
func routeAnswer(routeType byte, attrs []byte) syscall.NetlinkMessage {
	data := make([]byte, unix.SizeofRtMsg)
	data[7] = routeType
	m := syscall.NetlinkMessage{Data: append(data, attrs...)}
	m.Header.Type = unix.RTM_NEWROUTE
	return m
}

func TestParseRoute_ARefusingRouteIsNone(t *testing.T) {
	attrs := attribute(nil, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, 7)...)
	attrs = attribute(attrs, unix.RTA_PREFSRC, 10, 0, 0, 5)
	index, src, ok := parseRoute(routeAnswer(unix.RTN_UNICAST, attrs))
	if !ok || index != 7 || src != netip.MustParseAddr("10.0.0.5") {
		t.Errorf("parseRoute = %d, %v, %v; want 7, 10.0.0.5", index, src, ok)
	}
	for _, refusing := range []byte{unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT, unix.RTN_THROW} {
		if _, _, ok := parseRoute(routeAnswer(refusing, attrs)); ok {
			t.Errorf("a route of type %d leads somewhere", refusing)
		}
	}
	if _, _, ok := parseRoute(routeAnswer(unix.RTN_UNICAST, nil)); ok {
		t.Error("a route without an interface leads somewhere")
	}
}

func FuzzParseRoute(f *testing.F) {
	f.Add(byte(unix.RTN_UNICAST), attribute(nil, unix.RTA_OIF, 1, 0, 0, 0))
	f.Add(byte(unix.RTN_LOCAL), attribute(attribute(nil, unix.RTA_PREFSRC, 1, 2), unix.RTA_OIF, 1))
	f.Add(byte(0), []byte{3, 0, 0, 0})
	f.Add(byte(0), []byte{6, 0, 0, 0, 0, 0}) // a value without its padding
	f.Fuzz(func(t *testing.T, kind byte, attrs []byte) {
		if index, _, ok := parseRoute(routeAnswer(kind, attrs)); ok && index == 0 {
			t.Error("a route by no interface")
		}
	})
}

func TestWireless_BelievesOnlyItsOwnEntry(t *testing.T) {
	// /sys/class/net/lo is there, but the index and the address are another's,
	// as they are when /sys shows another namespace.
	for _, i := range []net.Interface{{Name: "lo", Index: 99}, {Name: "../../class/net/lo", Index: 1}, {Name: "nosuch0", Index: 1}} {
		if wireless(i) {
			t.Errorf("%+v is wireless", i)
		}
	}
}
