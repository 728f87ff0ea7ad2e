package simnet_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport/nettest"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// lab is the suite's lab on a new network.
func lab(t *testing.T, l simnet.Link, c simnet.HostConfig) nettest.Lab {
	t.Helper()
	n := simnet.New(1, l)
	t.Cleanup(func() {
		if err := n.Stats().Check(); err != nil {
			t.Error(err)
		}
		n.Close()
	})
	lab := nettest.Lab{Group4: netip.MustParseAddr("239.192.7.1"), Group6: netip.MustParseAddr("ff15::7:1"), SSM: !c.NoSSM}
	for _, name := range []string{"a", "b", "c"} {
		h := n.Host(name, c)
		lab.Hosts = append(lab.Hosts, nettest.Host{Network: h, Interface: "sim0", Addr4: h.Addr(), Addr6: h.Addr6()})
	}
	return lab
}

// inBubbles runs the suite, each case in a bubble of its own.
func inBubbles(t *testing.T, l simnet.Link, c simnet.HostConfig, cases []nettest.Case) {
	for _, one := range cases {
		t.Run(one.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { one.Run(t, lab(t, l, c)) })
		})
	}
}

// prompt are the cases without the one that wants packets to have arrived when
// WriteBatch returns: only a link without delay, in a bubble, promises that.
func prompt() (cases []nettest.Case) {
	for _, c := range nettest.Cases() {
		if !strings.HasPrefix(c.Name, "FullBuffer") {
			cases = append(cases, c)
		}
	}
	return cases
}

// The kernel and simnet keep the same rules: in a bubble, where time is the
// test's own, ...
func TestConformance_InABubble(t *testing.T) {
	inBubbles(t, simnet.Link{}, simnet.HostConfig{}, nettest.Cases())
}

// ... over links that take their time, ...
func TestConformance_OverASlowLink(t *testing.T) {
	inBubbles(t, simnet.Link{Delay: 5 * time.Millisecond, Jitter: time.Millisecond, Bandwidth: 1e9}, simnet.HostConfig{}, prompt())
}

// ... on hosts that lack what today's Linux has, ...
func TestConformance_OfABareHost(t *testing.T) {
	inBubbles(t, simnet.Link{}, simnet.HostConfig{NoSegmentOffload: true, NoReceiveOffload: true, NoDestination: true,
		NoOverflow: true, NoSSM: true}, nettest.Cases())
}

// ... and outside, where time is everybody's.
func TestConformance_InRealTime(t *testing.T) {
	for _, c := range prompt() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, lab(t, simnet.Link{Delay: 100 * time.Microsecond}, simnet.HostConfig{})) })
	}
}
