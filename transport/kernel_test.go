package transport_test

import (
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/nettest"
)

// loopback names the interface that every system has; a group on it never
// leaves the host.
func loopback() string {
	if runtime.GOOS == "linux" {
		return "lo"
	}
	return "lo0"
}

// ownGroup is a group of this process, so that test binaries that run side by
// side on one lo keep apart.
func ownGroup(n byte) netip.Addr {
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{239, 192 + byte(pid>>14)&3, byte(pid >> 6), byte(pid<<2) | n&3})
}

// TestKernel_ConformsOnLoopback runs the suite on lo, where three addresses
// pass for hosts. It needs no privilege; lo carries no IPv6 groups, which the
// lab of namespaces tests.
func TestKernel_ConformsOnLoopback(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("lo has the addresses 127.0.0.1 to 127.0.0.3 on Linux only")
	}
	nettest.Test(t, func(*testing.T) nettest.Lab {
		l := nettest.Lab{Group4: ownGroup(0), SSM: true, OneHost: true}
		for _, a := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
			l.Hosts = append(l.Hosts, nettest.Host{Network: transport.Kernel{}, Interface: loopback(), Addr4: netip.MustParseAddr(a)})
		}
		return l
	})
}
