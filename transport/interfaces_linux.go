package transport

import (
	"bytes"
	"iter"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// linkKinds asks rtnetlink what kind each link is ("veth", "bridge", "tun"; no
// kind for hardware), by index. It asks the kernel, not /sys: in a network
// namespace /sys often shows another one. What cannot be learned is left out.
func linkKinds() map[int]string {
	b, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil
	}
	msgs, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil
	}
	kinds := map[int]string{}
	for _, m := range msgs {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		index := int(int32(nativeUint32(m.Data[4:])))
		for kind, value := range attributes(m.Data[unix.SizeofIfInfomsg:]) {
			if kind == unix.IFLA_LINKINFO {
				kinds[index] = kindOf(value)
			}
		}
	}
	return kinds
}

// kindOf finds IFLA_INFO_KIND among the nested attributes of IFLA_LINKINFO.
func kindOf(b []byte) string {
	for kind, value := range attributes(b) {
		if kind == unix.IFLA_INFO_KIND {
			return string(bytes.TrimRight(value, "\x00"))
		}
	}
	return ""
}

// attributes walks over netlink attributes: length 2, kind 2, value, padding
// to 4. It ends where they make no sense; syscall's own walk panics there.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			n := int(nativeUint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			if !yield(nativeUint16(b[2:])&^unix.NLA_F_NESTED, b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min(len(b), (n+3)&^3):]
		}
	}
}

// wireless looks in /sys, but believes it only when the entry is this very
// interface: same index, same hardware address.
func wireless(i net.Interface) bool {
	dir := "/sys/class/net/" + i.Name
	if strings.ContainsAny(i.Name, "/.") {
		return false
	}
	said := func(file string) string {
		b, err := os.ReadFile(dir + file)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	if said("/ifindex") != strconv.Itoa(i.Index) || said("/address") != i.HardwareAddr.String() {
		return false
	}
	for _, mark := range []string{"/wireless", "/phy80211"} {
		if _, err := os.Stat(dir + mark); err == nil {
			return true
		}
	}
	return false
}
