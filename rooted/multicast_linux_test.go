package rooted

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
	"github.com/joinleaf/joinleaf/transport/session"
)

// membership makes IGMP and MLD messages that say whatever they like.
type membership struct {
	group, source netip.Addr
}

func checksum(b []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// frame puts an IGMP message, or an MLD one, into an Ethernet frame to a group.
func (m membership) frame(to string, body []byte) []byte {
	dst := netip.MustParseAddr(to)
	if dst.Is4() {
		binary.BigEndian.PutUint16(body[2:], checksum(body, 0))
		ip := []byte{0x46, 0xc0, 0, byte(24 + len(body)), 0, 0, 0, 0, 1, unix.IPPROTO_IGMP, 0, 0}
		src, d := m.source.As4(), dst.As4()
		ip = append(append(append(ip, src[:]...), d[:]...), 0x94, 4, 0, 0) // router alert
		binary.BigEndian.PutUint16(ip[10:], checksum(ip, 0))
		head := []byte{1, 0, 0x5e, d[1] & 0x7f, d[2], d[3], 2, 0x66, 0, 0, 0, 1, 8, 0}
		return append(append(head, ip...), body...)
	}
	src, d := m.source.As16(), dst.As16()
	pseudo := uint32(len(body)) + unix.IPPROTO_ICMPV6
	for _, a := range [][16]byte{src, d} {
		for i := 0; i < 16; i += 2 {
			pseudo += uint32(binary.BigEndian.Uint16(a[i:]))
		}
	}
	binary.BigEndian.PutUint16(body[2:], checksum(body, pseudo))
	ip := []byte{0x60, 0, 0, 0, 0, byte(8 + len(body)), 0, 1}
	ip = append(append(append(ip, src[:]...), d[:]...), unix.IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0) // router alert
	head := []byte{0x33, 0x33, d[12], d[13], d[14], d[15], 2, 0x66, 0, 0, 0, 1, 0x86, 0xdd}
	return append(append(head, ip...), body...)
}

func address(a netip.Addr) []byte { return a.AsSlice() }

// leave says that nobody wants the group any more, in the old way and the new one.
func (m membership) leave() [][]byte {
	if m.group.Is4() {
		return [][]byte{
			m.frame("224.0.0.2", append([]byte{0x17, 0, 0, 0}, address(m.group)...)),
			m.frame("224.0.0.22", append([]byte{0x22, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0}, address(m.group)...)),
		}
	}
	return [][]byte{
		m.frame("ff02::2", append([]byte{132, 0, 0, 0, 0, 0, 0, 0}, address(m.group)...)),
		m.frame("ff02::16", append([]byte{143, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0}, address(m.group)...)),
	}
}

// join asks for a group.
func (m membership) join() []byte {
	if m.group.Is4() {
		return m.frame("224.0.0.22", append([]byte{0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0}, address(m.group)...))
	}
	return m.frame("ff02::16", append([]byte{143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0}, address(m.group)...))
}

// queries are a querier's: for all groups and for this one, to be answered at once.
func (m membership) queries() [][]byte {
	if m.group.Is4() {
		return [][]byte{
			m.frame("224.0.0.1", append([]byte{0x11, 1, 0, 0}, 0, 0, 0, 0, 2, 1, 0, 0)),
			m.frame(m.group.String(), append(append([]byte{0x11, 1, 0, 0}, address(m.group)...), 2, 1, 0, 0)),
		}
	}
	all := append(make([]byte, 0, 28), 130, 0, 0, 0, 0, 1, 0, 0)
	return [][]byte{
		m.frame("ff02::1", append(append(bytes.Clone(all), make([]byte, 16)...), 2, 1, 0, 0)),
		m.frame(m.group.String(), append(append(bytes.Clone(all), address(m.group)...), 2, 1, 0, 0)),
	}
}

// wire sends Ethernet frames from a host's link, as nobody's stack would.
func wire(t *testing.T, h *netlab.Host) (send func(frames ...[]byte), done func()) {
	t.Helper()
	var fd int
	var at unix.SockaddrLinklayer
	err := h.Do(func() (err error) {
		ifi, err := net.InterfaceByName(netlab.Device)
		if err != nil {
			return err
		}
		at = unix.SockaddrLinklayer{Ifindex: ifi.Index, Halen: 6}
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(frames ...[]byte) {
		for _, f := range frames {
			copy(at.Addr[:6], f)
			if err := unix.Sendto(fd, f, 0, &at); err != nil && !errors.Is(err, unix.ENOBUFS) {
				t.Error(err)
			}
		}
	}, func() { unix.Close(fd) }
}

// spy is a member of the group for the switch, and for nobody else: it hears all
// that is sent and sends it again, changed.
type spy struct {
	conn    transport.PacketConn
	out     transport.PacketConn
	heard   atomic.Int64
	secrets [][]byte
	shown   atomic.Int64 // packets in which one of the secrets can be read
}

func (s *spy) run(group netip.AddrPort) {
	ds := []transport.Datagram{{}}
	for {
		ds[0] = transport.Datagram{B: make([]byte, 64<<10)}
		if n, err := s.conn.ReadBatch(ds); err != nil || n == 0 {
			return
		}
		b := ds[0].B
		s.heard.Add(1)
		for _, secret := range s.secrets {
			if bytes.Contains(b, secret) {
				s.shown.Add(1)
			}
		}
		if n := s.heard.Load(); n%8 == 0 && len(b) > 100 {
			again := bytes.Clone(b[:min(len(b), 1400)])
			again[22] += 8 // a number that nobody has used yet
			again[40+n%50] ^= 1 << (n % 8)
			s.out.WriteBatch([]transport.Datagram{{B: again, Addr: group}})
		}
	}
}

const spoken = "the quick brown fox says something that nobody else may read "

// told is message i, with words that a listener would find.
func told(i int) []byte { return fmt.Appendf(nil, "%08d %s", i, spoken) }

// Somebody at the switch who forges leaves and joins, sends a storm of queries and
// says that it is the querier can cut the group off. It reads nothing, nothing of
// its making is delivered, and the leaf notices, reports its membership again and
// gets by unicast what it missed.
func TestM1_ForgedMembershipsCostLossAndNothingElse(t *testing.T) {
	for family, group := range map[string]string{"IGMP": "239.192.4.4:7000", "MLD": "[ff15::4:4]:7000"} {
		t.Run(family, func(t *testing.T) { t.Parallel(); forgedMemberships(t, netip.MustParseAddrPort(group)) })
	}
}

func forgedMemberships(t *testing.T, at netip.AddrPort) {
	netlab.Require(t)
	lab := netlab.New(t, netlab.Options{Hosts: []string{"root", "leaf", "eve"}, NoFlood: true})
	root, leaf, eve := lab.Host("root"), lab.Host("leaf"), lab.Host("eve")
	if err := leaf.SetFastLeave(true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	of := func(h *netlab.Host) netip.Addr {
		if at.Addr().Is4() {
			return h.Addr4()
		}
		return h.Addr6()
	}
	config := func(h *netlab.Host) Config {
		return Config{Network: h.Network(), Identity: crypto.Identity{Code: code}, Source: Group, Interface: netlab.Device, Silence: time.Second}
	}
	rc := config(root)
	rc.Control = netip.AddrPortFrom(of(root), 7001)
	r, err := Listen(ctx, transport.Group{Addr: at}, rc)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go r.Accept(ctx)
	l, err := Join(ctx, r.Addr(), nil, config(leaf))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	s := &spy{secrets: [][]byte{[]byte("quick brown fox"), []byte("nobody else may read")}}
	if s.conn, err = eve.Network().OpenGroup(ctx, transport.Group{Addr: at, Interface: netlab.Device}, transport.SocketOptions{}); err != nil {
		t.Fatal(err)
	}
	if s.out, err = eve.Network().OpenUnicast(ctx, netip.AddrPortFrom(of(eve), 0), transport.SocketOptions{Interface: netlab.Device}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.conn.Close()
	defer s.out.Close()
	wg.Go(func() { s.run(at) })

	const n = 1500
	attack, calm := context.WithTimeout(ctx, 2*time.Second)
	defer calm()
	wg.Go(func() { forge(t, attack, at.Addr(), leaf, eve) })
	wg.Go(func() {
		for i := range n {
			if err := r.Send(ctx, told(i)); err != nil {
				t.Errorf("send %d: %v", i, err)
				return
			}
			r.Flush()
			time.Sleep(2 * time.Millisecond)
		}
	})
	p := make([]byte, 64<<10)
	for i := range n {
		m, err := l.Recv(ctx, p)
		if err != nil || m.Missed != 0 || !bytes.Equal(p[:m.N], told(i)) {
			t.Fatalf("message %d: %q, %d missed, %v", i, p[:min(m.N, 40)], m.Missed, err)
		}
	}
	silent := 0
	for {
		few, stop := context.WithTimeout(ctx, 10*time.Millisecond)
		e, err := l.NextEvent(few)
		stop()
		if err != nil {
			break
		}
		if e.Kind == GroupSilent {
			silent++
		}
	}
	st, sent := l.Stats().Data, r.Stats().Data.Sender
	t.Logf("the group was silent %d times; %d of %d packets again, %d of them by unicast; the spy heard %d; forged %d, replayed %d", silent,
		sent.Repaired, sent.Data, sent.AgainAlone, s.heard.Load(), st.Drops[session.DropForged], st.Drops[session.DropReplay])
	if silent == 0 || sent.AgainAlone == 0 {
		t.Error("the group was never cut off: the test forges nothing")
	}
	if s.heard.Load() < 100 || s.shown.Load() != 0 {
		t.Errorf("the spy heard %d packets and could read %d", s.heard.Load(), s.shown.Load())
	}
	if st.Receivers.Messages != n || st.Drops[session.DropForged] == 0 {
		t.Errorf("%d messages of %d, %d forged packets", st.Receivers.Messages, n, st.Drops[session.DropForged])
	}
	// The membership was reported again: the group itself is heard once more.
	before := l.s.GroupPackets()
	for i := range 200 {
		if err := r.Send(ctx, told(n+i)); err != nil {
			t.Fatal(err)
		}
		r.Flush()
		time.Sleep(10 * time.Millisecond)
		if _, err := l.Recv(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	if after := l.s.GroupPackets(); after < before+100 {
		t.Errorf("%d packets heard on the group after the attack: the membership was not reported again", after-before)
	}
}

// forge attacks until ctx ends: leaves from behind the leaf's port, joins of other
// groups, a storm of queries and a querier that is none.
func forge(t *testing.T, ctx context.Context, group netip.Addr, leaf, eve *netlab.Host) {
	near, done := wire(t, leaf)
	defer done()
	far, over := wire(t, eve)
	defer over()
	victim, querier := membership{group, leaf.Addr4()}, membership{group, netip.MustParseAddr("10.77.0.0").Next()}
	if group.Is6() {
		victim.source, querier.source = netip.MustParseAddr("fe80::2"), netip.MustParseAddr("fe80::1")
	}
	for i := 0; ctx.Err() == nil; i++ {
		if i%20 == 0 { // and again whenever the leaf has come back
			near(victim.leave()...)
		}
		far(querier.queries()...)
		other := membership{group.Next(), querier.source}
		for range i % 30 {
			other.group = other.group.Next()
		}
		far(other.join())
		time.Sleep(2 * time.Millisecond)
	}
}
