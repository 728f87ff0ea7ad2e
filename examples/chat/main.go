// Chat is a room in which everybody hears everybody over one multicast group. As
// it stands somebody owns the room: one member listens, the others join it.
//
//	chat -code room -name anna -listen :7654 -group 239.192.7.3:17003 -iface lo
//	chat -code room -name ben  -join 127.0.0.1:7654 -iface lo
//
// With the one line that says kind changed to equals, nobody does: all start
// alike, the first one opens the room, and it stays open when that one goes.
//
//	chat -code room -name anna -group 239.192.7.3:17003 -iface lo
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

// kind is who owns the room: owned or equals.
var kind = owned

// options are what the command line says.
type options struct{ code, name, listen, join, group, iface string }

func main() {
	var o options
	flag.StringVar(&o.code, "code", "", "file with the join code; whoever opens the room creates it")
	flag.StringVar(&o.name, "name", "", "your name in the room")
	flag.StringVar(&o.listen, "listen", "", "host the room: listen here")
	flag.StringVar(&o.join, "join", "", "join the room: the host's address")
	flag.StringVar(&o.group, "group", "239.192.7.3:17003", "the multicast group")
	flag.StringVar(&o.iface, "iface", "auto", "interface of the group")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("give -name, without spaces")
	if plainName(o.name) {
		err = kind(ctx, o, lines())
	}
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// owned is a room with a host.
func owned(ctx context.Context, o options, typed <-chan string) error {
	if (o.listen == "") == (o.join == "") {
		return errors.New("give either -listen or -join")
	}
	code, err := readCode(o.code, o.listen != "")
	if err != nil {
		return err
	}
	config := rooted.Config{
		Identity: crypto.Identity{Code: code}, Source: rooted.Group, Interface: o.iface,
		Data: rooted.NonrootedData, // what anyone sends reaches all others
	}
	if o.listen != "" {
		return host(ctx, config, o.name, o.listen, o.group, typed)
	}
	return guest(ctx, config, o.name, o.join, typed)
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
