package joinleaf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// hops collects the TTLs, or hop limits, with which packets of a group reach a host.
type hops struct {
	mu  sync.Mutex
	ttl []int
}

func (h *hops) note(ttl int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.ttl, ttl) {
		h.ttl = append(h.ttl, ttl)
	}
}

func (h *hops) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprint(h.ttl)
}

// overhear joins a group on a host, as any program may, until the test ends.
func overhear(t *testing.T, host *netlab.Host, group netip.AddrPort) *hops {
	t.Helper()
	seen := new(hops)
	err := host.Do(func() error {
		device, err := net.InterfaceByName(netlab.Device)
		if err != nil {
			return err
		}
		c, err := net.ListenPacket("udp", group.String())
		if err != nil {
			return err
		}
		t.Cleanup(func() { c.Close() })
		var read func([]byte) (ttl int, err error)
		if at := (&net.UDPAddr{IP: group.Addr().AsSlice()}); group.Addr().Is4() {
			p := ipv4.NewPacketConn(c)
			read = func(b []byte) (int, error) {
				_, m, _, err := p.ReadFrom(b)
				if err != nil {
					return 0, err
				}
				return m.TTL, nil
			}
			err = errors.Join(p.SetControlMessage(ipv4.FlagTTL, true), p.JoinGroup(device, at))
		} else {
			p := ipv6.NewPacketConn(c)
			read = func(b []byte) (int, error) {
				_, m, _, err := p.ReadFrom(b)
				if err != nil {
					return 0, err
				}
				return m.HopLimit, nil
			}
			err = errors.Join(p.SetControlMessage(ipv6.FlagHopLimit, true), p.JoinGroup(device, at))
		}
		go func() {
			for b := make([]byte, 2048); ; {
				ttl, err := read(b)
				if err != nil {
					return
				}
				seen.note(ttl)
			}
		}()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// inLab starts a provider up on a real host.
func inLab(t *testing.T, h *netlab.Host, code crypto.JoinCode, group netip.AddrPort) *Provider {
	t.Helper()
	c := Config{Network: h.Network(), Identity: crypto.Identity{Code: code}, Group: transport.Group{Addr: group}, JoinWait: 20 * time.Second}
	c.Session.Interface = netlab.Device
	p, err := Startup(Version, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Cleanup() })
	return p
}

// TestR252_RoutersKeepToTheScope sends with a router between two links of real hosts,
// and looks at the packets on both sides of it: with scope n they leave with n, and
// so cross n-1 routers; 0 does not leave the host.
func TestR252_RoutersKeepToTheScope(t *testing.T) {
	l := netlab.New(t, netlab.Options{Segments: 2})
	var hosts [3]*netlab.Host
	for i, name := range []string{"root", "near", "far"} {
		h, err := l.AddHost(name, i/2)
		if err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	router, err := l.AddRouter("router")
	if err != nil {
		t.Fatal(err)
	}
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	for scope, ttl := range map[int][2]string{0: {"[]", "[]"}, 1: {"[1]", "[]"}, 2: {"[2]", "[1]"}, 3: {"[3]", "[2]"}} {
		for _, family := range []int{AFInet, AFInet6} {
			group := netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 192, 9, byte(scope + 1)}), uint16(7000+scope))
			if family == AFInet6 {
				group = netip.MustParseAddrPort(fmt.Sprintf("[ff15::9:%d]:%d", scope+1, 7010+scope))
			}
			if err := router.Route(hosts[0], group.Addr()); err != nil {
				t.Fatal(err)
			}
			near, far := overhear(t, hosts[1], group), overhear(t, hosts[2], group)
			heard := func() bool { return near.String() == ttl[0] && far.String() == ttl[1] }
			sendAround(t, hosts, family, scope, inLab(t, hosts[0], code, group), inLab(t, hosts[0], code, group), heard)
			if !heard() {
				t.Errorf("family %d, scope %d: on the link the group has TTL %v, behind the router %v; want %v", family, scope, near, far, ttl)
			}
		}
	}
}

// sendAround runs a session of a root and a leaf, both on the first host. It goes on
// until the group was heard, since switches let it through only some time after the
// joins, and then for a while, in which nothing more should be.
func sendAround(t *testing.T, hosts [3]*netlab.Host, family, scope int, rp, lp *Provider, heard func() bool) {
	t.Helper()
	addr := hosts[0].Addr4()
	if family == AFInet6 {
		addr = hosts[0].Addr6()
	}
	make := func(p *Provider, f Flags) *Socket {
		k, err := p.Socket(family, SockRDM, ProtoRootedRooted, nil, 0, f)
		want(t, "socket", err, 0)
		if scope != 1 { // the default
			_, err = k.Ioctl(SIOMulticastScope, []byte{byte(scope), 0, 0, 0}, nil)
			want(t, "scope", err, 0)
		}
		return k
	}
	root, leaf := make(rp, rootFlags), make(lp, leafFlags)
	want(t, "bind", root.Bind(NewSockaddr(netip.AddrPortFrom(addr, 0))), 0)
	want(t, "listen", root.Listen(1), 0)
	name, err := root.GetSockName()
	want(t, "name", err, 0)
	got := accepting(root, nil)
	_, err = joinTo(leaf, name)
	want(t, "join", err, 0)
	want(t, "accept", (<-got).err, 0)
	began := time.Now()
	for more := 0; more < 10 && time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		_, err = root.Send([]byte("so far and no further"))
		want(t, "send", err, 0)
		hears(t, leaf, "so far and no further") // R253
		if heard() {
			more++
		}
	}
	want(t, "close", leaf.Close(), 0)
	time.Sleep(300 * time.Millisecond) // news of the keys goes to a group without members here
	want(t, "close", root.Close(), 0)
}
