package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

var (
	plainTo = netip.MustParseAddrPort("239.192.77.2:7001")
	group   = transport.Group{Addr: netip.MustParseAddrPort("239.192.77.1:7002"), Interface: netlab.Device}
)

func newCode() (string, error) {
	c, err := crypto.NewCode()
	return c.Reveal(), err
}

func (w work) do() error {
	switch w.Role {
	case "plain-send":
		return w.plainSend()
	case "plain-recv":
		return w.plainRecv()
	case "root":
		return w.root()
	case "leaf":
		return w.leaf()
	}
	return fmt.Errorf("no role %q", w.Role)
}

// plainSend and plainRecv are what a first program does: package net, one
// datagram a call, to a multicast group.
func (w work) plainSend() error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetWriteBuffer(4 << 20)
	device, err := net.InterfaceByName(netlab.Device)
	if err != nil {
		return err
	}
	if err := ipv4.NewPacketConn(conn).SetMulticastInterface(device); err != nil {
		return err
	}
	p := make([]byte, w.Size)
	for end := time.Now().Add(w.For); ; {
		for range 64 {
			if _, err := conn.WriteToUDPAddrPort(p, plainTo); err != nil {
				return err
			}
		}
		if time.Now().After(end) {
			return nil
		}
	}
}

func (w work) plainRecv() error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv4Unspecified(), plainTo.Port())))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetReadBuffer(8 << 20)
	device, err := net.InterfaceByName(netlab.Device)
	if err != nil {
		return err
	}
	if err := ipv4.NewPacketConn(conn).JoinGroup(device, net.UDPAddrFromAddrPort(plainTo)); err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond) // the switch learns of the membership
	fmt.Println("listening")
	var r result
	var first, last time.Time
	p := make([]byte, 2048)
	for {
		conn.SetReadDeadline(time.Now().Add(time.Second))
		for range 64 {
			n, _, err := conn.ReadFromUDPAddrPort(p)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				if first.IsZero() {
					break // the sender has not begun
				}
				r.Seconds = last.Sub(first).Seconds()
				return json.NewEncoder(os.Stdout).Encode(r)
			}
			if err != nil {
				return err
			}
			r.Packets++
			r.Bytes += uint64(n)
		}
		if last = time.Now(); first.IsZero() && r.Packets > 0 {
			first, r = last, result{}
		}
	}
}

func (w work) config() (rooted.Config, error) {
	code, err := crypto.ParseCode(w.Code)
	class := flow.BestEffort
	if w.Reliable {
		class = flow.Reliable
	}
	return rooted.Config{
		Identity: crypto.Identity{Code: code}, Source: w.Source, Interface: netlab.Device,
		NoOffload: w.NoOffload, Streams: []flow.Class{class},
	}, err
}

func (w work) root() error {
	c, err := w.config()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.For+15*time.Second)
	defer cancel()
	r, err := rooted.Listen(ctx, group, c)
	if err != nil {
		return err
	}
	defer r.Close()
	fmt.Println(r.Addr())
	if _, err := r.Accept(ctx); err != nil {
		return err
	}
	p := make([]byte, w.Size)
	for end := time.Now().Add(w.For); ; {
		for range 64 {
			if err := r.Send(ctx, p); err != nil {
				return err
			}
		}
		if time.Now().After(end) {
			return r.Shutdown(ctx)
		}
	}
}

func (w work) leaf() error {
	c, err := w.config()
	if err != nil {
		return err
	}
	root, err := netip.ParseAddrPort(w.Peer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.For+15*time.Second)
	defer cancel()
	l, err := rooted.Join(ctx, root, nil, c)
	if err != nil {
		return err
	}
	defer l.Close()
	var r result
	var first, last time.Time
	p := make([]byte, 64<<10)
	for {
		m, err := l.Recv(ctx, p)
		r.Missed += m.Missed
		if err == io.EOF {
			r.Seconds = last.Sub(first).Seconds()
			if os.Getenv("VETH_STATS") != "" {
				st := l.Stats().Data
				fmt.Fprintf(os.Stderr, "  heard %d, host drops %d, room %d bytes; drops %v\n", st.PacketsHeard, st.Receivers.Host, st.Group.ReadBuffer, st.Drops)
			}
			return json.NewEncoder(os.Stdout).Encode(r)
		}
		if err != nil {
			return err
		}
		r.Packets++
		r.Bytes += uint64(m.N)
		if r.Packets%64 == 1 {
			if last = time.Now(); first.IsZero() {
				first = last
			}
		}
	}
}
