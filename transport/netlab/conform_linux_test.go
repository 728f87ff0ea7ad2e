package netlab

import (
	"context"
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/nettest"
)

// The kernel passes the suite that simnet passes: on links that take a batch
// whole, on links that cannot, and with the sockets' own offload off. Once with
// a switch that snoops, as good ones do; a new member's first packets are lost
// there until its report is out, and the suite sends them again.
func TestKernel_ConformsBetweenHosts(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      Options
		onLink bool
		within func(*Host) transport.Network
	}{
		{"offload", Options{}, true, (*Host).Network},
		{"link without offload", Options{NoSnooping: true}, false, (*Host).Network},
		{"sockets without offload", Options{NoSnooping: true}, true, func(h *Host) transport.Network { return h.Within(plain{}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := New(t, c.o)
			lab := nettest.Lab{
				Group4: netip.MustParseAddr("239.192.77.8"),
				Group6: netip.MustParseAddr("ff15::77:8"),
				SSM:    true,
			}
			for _, name := range []string{"a", "b", "c"} {
				h := l.Host(name)
				must(t, h.SetOffload(c.onLink))
				lab.Hosts = append(lab.Hosts, nettest.Host{
					Network: c.within(h), Interface: Device, Addr4: h.Addr4(), Addr6: h.Addr6(),
				})
			}
			nettest.Test(t, func(*testing.T) nettest.Lab { return lab })
		})
	}
}

// plain is the kernel for programs that ask for NoOffload.
type plain struct{ transport.Kernel }

func (p plain) OpenGroup(ctx context.Context, g transport.Group, o transport.SocketOptions) (transport.PacketConn, error) {
	o.NoOffload = true
	return p.Kernel.OpenGroup(ctx, g, o)
}

func (p plain) OpenUnicast(ctx context.Context, local netip.AddrPort, o transport.SocketOptions) (transport.PacketConn, error) {
	o.NoOffload = true
	return p.Kernel.OpenUnicast(ctx, local, o)
}
