package rooted_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// A root and a leaf in one program, on the loopback interface.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	code, err := crypto.NewCode() // the secret that all members share
	check(err)
	group, err := transport.ParseGroup("239.192.7.2:17002")
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
	go func() {
		member, err := root.Accept(ctx) // from here on it is owed what is sent
		check(err)
		check(root.Send(ctx, []byte("to everybody")))
		check(member.Chat(ctx, []byte("to you alone")))
		check(root.Shutdown(ctx)) // delivers, then says goodbye
	}()

	leaf, err := rooted.Join(ctx, root.Addr(), []byte("anna"), config)
	check(err)
	defer leaf.Close()
	fmt.Printf("%s\n", leaf.CalleeData())
	p := make([]byte, 1024)
	for {
		m, err := leaf.Recv(ctx, p)
		if errors.Is(err, io.EOF) {
			break
		}
		check(err)
		fmt.Printf("%s\n", p[:m.N])
	}
	n, err := leaf.RecvChat(ctx, p)
	check(err)
	fmt.Printf("%s\n", p[:n])
	// Output:
	// welcome, anna
	// to everybody
	// to you alone
}

// An application may answer a whole session of requests; Accept says what
// became of each.
func ExampleRoot_Accept() {
	var root *rooted.Root // of Listen
	serve := func(ctx context.Context) error {
		for {
			member, err := root.Accept(ctx)
			switch {
			case err == nil:
				log.Printf("leaf %d came in from %v", member.ID(), member.Addr())
			case errors.Is(err, transport.WSAECONNREFUSED), errors.Is(err, transport.WSATRY_AGAIN),
				errors.Is(err, transport.WSAECONNRESET), errors.Is(err, transport.WSAEACCES):
				log.Printf("somebody did not come in: %v", err)
			default:
				return err // the session was closed, or ctx is done
			}
		}
	}
	_ = serve
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
