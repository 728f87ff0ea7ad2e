// Quickstart is a root and a leaf in one process, on the loopback interface: the
// leaf asks to join, the root admits it and sends to the group.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	code, err := crypto.NewCode() // the secret that all members share
	check(err)
	group, err := transport.ParseGroup("239.192.7.1:17001")
	check(err)
	config := rooted.Config{Identity: crypto.Identity{Code: code}, Interface: "lo"}

	host := config
	host.Control = netip.MustParseAddrPort("127.0.0.1:0")
	host.Condition = func(r *rooted.Request) rooted.Verdict {
		r.Callee = []byte("welcome, " + string(r.Data))
		return rooted.Accept
	}
	root, err := rooted.Listen(ctx, group, host)
	check(err)
	defer root.Close()

	joined := make(chan *rooted.Leaf)
	go func() {
		leaf, err := rooted.Join(ctx, root.Addr(), []byte("anna"), config)
		check(err)
		joined <- leaf
	}()
	_, err = root.Accept(ctx)
	check(err)
	leaf := <-joined
	defer leaf.Close()
	fmt.Println("the root says:", string(leaf.CalleeData()))

	check(root.Send(ctx, []byte("hello, everybody")))
	p := make([]byte, 64)
	m, err := leaf.Recv(ctx, p)
	check(err)
	fmt.Println("the group hears:", string(p[:m.N]))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
