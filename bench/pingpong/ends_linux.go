package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

var (
	plainTo = netip.MustParseAddrPort("239.192.77.5:7006")
	group   = transport.Group{Addr: netip.MustParseAddrPort("239.192.77.6:7007"), Interface: netlab.Device}
)

// renew is how many messages share a deadline: setting it costs, and who waits for
// an answer that does not come may wait a little longer.
const renew = 100

// udp is plain sockets, as a first program uses them.
type udp struct {
	*net.UDPConn
	to    netip.AddrPort
	reads int
	until time.Time
}

func (w work) plainEnd() (end, error) {
	device, err := net.InterfaceByName(netlab.Device)
	if err != nil {
		return nil, err
	}
	at := net.UDPAddr{IP: net.IPv4zero}
	if w.Role == answers {
		at.Port = int(plainTo.Port())
	}
	conn, err := net.ListenUDP("udp4", &at)
	if err != nil {
		return nil, err
	}
	p := ipv4.NewPacketConn(conn)
	if w.Role == pings {
		return &udp{UDPConn: conn, to: plainTo}, p.SetMulticastInterface(device)
	}
	if err := p.JoinGroup(device, net.UDPAddrFromAddrPort(plainTo)); err != nil {
		return nil, err
	}
	time.Sleep(50 * time.Millisecond) // the switch learns of the membership
	fmt.Println("listening")
	return &udp{UDPConn: conn}, nil
}

func (u *udp) send(p []byte) error {
	_, err := u.WriteToUDPAddrPort(p, u.to)
	return err
}

func (u *udp) receive(p []byte) (int, error) {
	if u.reads++; u.reads%renew == 1 || time.Until(u.until) < patience/2 {
		u.until = time.Now().Add(patience)
		if err := u.SetReadDeadline(u.until); err != nil {
			return 0, err
		}
	}
	n, from, err := u.ReadFromUDPAddrPort(p)
	if err != nil {
		u.until = time.Time{}
	} else if u.to.Port() != plainTo.Port() {
		u.to = from // it answers
	}
	return n, err
}

// member is a root or a leaf.
type member struct {
	ctx  context.Context
	say  func(ctx context.Context, p []byte) error
	now  func() // what was said waits for no company
	hear func(ctx context.Context, p []byte) (rooted.Message, error)
	shut func() error

	reads  int
	until  time.Time
	wait   context.Context
	cancel context.CancelFunc
}

func newCode() (string, error) {
	c, err := crypto.NewCode()
	return c.Reveal(), err
}

func (w work) config() (rooted.Config, error) {
	code, err := crypto.ParseCode(w.Code)
	c := rooted.Config{Identity: crypto.Identity{Code: code}, Source: w.Way.Source, Interface: netlab.Device, Streams: []flow.Class{w.Way.Class}}
	if w.Way.Poll {
		c.BusyPoll = time.Duration(2 * float64(time.Second) / w.Rate) // beyond the next ping
	}
	return c, err
}

func (w work) rootEnd(ctx context.Context) (end, error) {
	c, err := w.config()
	if err != nil {
		return nil, err
	}
	r, err := rooted.Listen(ctx, group, c)
	if err != nil {
		return nil, err
	}
	fmt.Println(r.Addr())
	if _, err := r.Accept(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return &member{ctx: ctx, say: r.Send, now: r.Flush, hear: r.Recv, shut: r.Close}, nil
}

func (w work) leafEnd(ctx context.Context) (end, error) {
	c, err := w.config()
	if err != nil {
		return nil, err
	}
	root, err := address(w.Peer)
	if err != nil {
		return nil, err
	}
	l, err := rooted.Join(ctx, root, nil, c)
	if err != nil {
		return nil, err
	}
	return &member{ctx: ctx, say: l.Send, now: l.Flush, hear: l.Recv, shut: l.Close}, nil
}

func (m *member) send(p []byte) error {
	err := m.say(m.ctx, p)
	m.now()
	return err
}

func (m *member) receive(p []byte) (int, error) {
	if m.reads++; m.reads%renew == 1 || time.Until(m.until) < patience/2 {
		if m.cancel != nil {
			m.cancel()
		}
		m.until = time.Now().Add(patience)
		m.wait, m.cancel = context.WithDeadline(m.ctx, m.until)
	}
	x, err := m.hear(m.wait, p)
	if err != nil {
		m.until = time.Time{}
	}
	return x.N, err
}

// Close ends the membership.
func (m *member) Close() error {
	if m.cancel != nil {
		m.cancel()
	}
	return m.shut()
}
