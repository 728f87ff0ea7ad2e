// Chat is a room: one member listens, the others join it, and everybody hears
// everybody over one multicast group.
//
//	chat -code room -name anna -listen :7654 -group 239.192.7.3:17003 -iface lo
//	chat -code room -name ben  -join 127.0.0.1:7654 -iface lo
//
// Names travel as caller data, the host's as callee data. A line goes to the
// group; "/msg TEXT" goes over the side chat to the host alone, and the host's
// "/msg NAME TEXT" to one guest.
package main

import (
	"bufio"
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
)

func main() {
	var (
		codeFile = flag.String("code", "", "file with the join code; the host creates it")
		name     = flag.String("name", "", "your name in the room")
		listen   = flag.String("listen", "", "host the room: listen here")
		join     = flag.String("join", "", "join the room: the host's address")
		group    = flag.String("group", "239.192.7.3:17003", "the host's multicast group")
		iface    = flag.String("iface", "auto", "interface of the group")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := readCode(*codeFile, *listen != "")
	if err != nil {
		log.Fatal(err)
	}
	config := rooted.Config{
		Identity: crypto.Identity{Code: code}, Source: rooted.Group, Interface: *iface,
		Data: rooted.NonrootedData, // what anyone sends reaches all others
	}
	switch {
	case !plainName(*name) || (*listen == "") == (*join == ""):
		err = errors.New("give -name, without spaces, and either -listen or -join")
	case *listen != "":
		err = host(ctx, config, *name, *listen, *group, lines())
	default:
		err = guest(ctx, config, *name, *join, lines())
	}
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// lines reads the keyboard; the channel is closed at its end. The goroutine
// ends with stdin.
func lines() <-chan string {
	c := make(chan string)
	go func() {
		defer close(c)
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			c <- s.Text()
		}
	}()
	return c
}

// say is what a member sends to the group: name, a zero byte, text. The name is
// the sender's word; the sender's number, which the session knows, is not.
func say(name, text string) []byte { return []byte(name + "\x00" + text) }

// screen is where everything is shown.
var screen io.Writer = os.Stdout

func show(format string, a ...any) { fmt.Fprintf(screen, format+"\n", a...) }

func resolve(s string) (netip.AddrPort, error) {
	a, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// readCode reads the join code; the host makes a file that is missing.
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
