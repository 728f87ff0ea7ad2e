// Mediarelay carries datagrams, such as a transport stream over UDP or RTP,
// through a session: what comes in at one port goes to every leaf, and out
// again there as the same datagrams. It uses the library alone.
//
//	mediarelay -code code -root :7654 -group 239.192.7.2:17002 -iface lo -udp 127.0.0.1:5000
//	mediarelay -code code -join 127.0.0.1:7654                 -iface lo -udp 127.0.0.1:5001
//	ffmpeg -re -i film.mkv -f mpegts 'udp://127.0.0.1:5000?pkt_size=1316'
//	ffplay udp://127.0.0.1:5001
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

func main() {
	var (
		codeFile = flag.String("code", "", "file with the join code; the root creates it")
		listen   = flag.String("root", "", "be the root: listen here for leaves")
		join     = flag.String("join", "", "be a leaf: the root's address")
		group    = flag.String("group", "239.192.7.2:17002", "the root's multicast group")
		iface    = flag.String("iface", "auto", "interface of the group")
		udp      = flag.String("udp", "", "datagrams come in here (root) or go there (leaf)")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := readCode(*codeFile, *listen != "")
	if err != nil {
		log.Fatal(err)
	}
	// Best effort: live media does not wait for what was lost, nor up to 5 ms for the
	// root's signature. So a leaf could pass its packets off as the root's; leave
	// Source out where that matters.
	config := rooted.Config{
		Identity: crypto.Identity{Code: code}, Source: rooted.Group, Interface: *iface,
		Streams: []flow.Class{flow.BestEffort},
	}
	switch {
	case *udp == "" || (*listen == "") == (*join == ""):
		err = errors.New("give -udp, and either -root or -join")
	case *listen != "":
		err = in(ctx, config, *listen, *group, *udp)
	default:
		err = out(ctx, config, *join, *udp)
	}
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// in is the root: every datagram becomes one message.
func in(ctx context.Context, config rooted.Config, listen, group, udp string) error {
	control, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return err
	}
	config.Control = control.AddrPort()
	g, err := transport.ParseGroup(group)
	if err != nil {
		return err
	}
	source, err := net.ListenPacket("udp", udp)
	if err != nil {
		return err
	}
	defer source.Close()
	context.AfterFunc(ctx, func() { source.Close() })
	root, err := rooted.Listen(ctx, g, config)
	if err != nil {
		return err
	}
	defer root.Close()
	log.Printf("leaves join at %v, on %v", root.Addr(), root.Choice())
	go admit(ctx, root)

	p := make([]byte, 1<<16)
	for {
		n, _, err := source.ReadFrom(p)
		if err != nil {
			return err
		}
		if err := root.Send(ctx, p[:n]); err != nil {
			return err
		}
	}
}

// admit lets leaves in until the root is closed.
func admit(ctx context.Context, root *rooted.Root) {
	for {
		m, err := root.Accept(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		case err != nil: // gone before it was in
			continue
		}
		log.Printf("leaf %d joined from %v", m.ID(), m.Addr())
	}
}

// out is a leaf: every message becomes one datagram again.
func out(ctx context.Context, config rooted.Config, join, udp string) error {
	address, err := net.ResolveTCPAddr("tcp", join)
	if err != nil {
		return err
	}
	sink, err := net.Dial("udp", udp)
	if err != nil {
		return err
	}
	defer sink.Close()
	config.Role = rooted.ReceiveOnly
	leaf, err := rooted.Join(ctx, netip.AddrPortFrom(address.AddrPort().Addr().Unmap(), address.AddrPort().Port()), nil, config)
	if err != nil {
		return err
	}
	defer leaf.Close()
	log.Printf("joined %v as leaf %d", join, leaf.ID())

	p := make([]byte, 1<<16)
	var lost uint64
	for {
		m, err := leaf.Recv(ctx, p)
		if errors.Is(err, io.EOF) {
			log.Printf("the root has closed; %d datagrams were lost", lost)
			return nil
		}
		if err != nil {
			return err
		}
		lost += m.Missed
		if m.N > 0 {
			_, _ = sink.Write(p[:m.N]) // a player that is not there yet is no error
		}
	}
}

// readCode reads the join code; the root makes a file that is missing.
func readCode(file string, create bool) (crypto.JoinCode, error) {
	b, err := os.ReadFile(file)
	if err == nil {
		return crypto.ParseCode(string(b))
	}
	if !create || !errors.Is(err, fs.ErrNotExist) || file == "" {
		return crypto.JoinCode{}, fmt.Errorf("the join code's file (-code): %w", err)
	}
	code, err := crypto.NewCode()
	if err != nil {
		return code, err
	}
	return code, os.WriteFile(file, []byte(code.Reveal()+"\n"), 0o600)
}
