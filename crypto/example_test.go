package crypto_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// A code is made once, copied by people and shown to nobody else.
func ExampleParseCode() {
	code, err := crypto.NewCode()
	if err != nil {
		panic(err)
	}
	typed := " " + code.Reveal() + "\n" // as a person would paste it
	same, err := crypto.ParseCode(typed)
	fmt.Println(same.Equal(code), err)
	fmt.Println(code) // printing shows nothing

	_, err = crypto.ParseCode("hunter2")
	fmt.Println(err)
	// Output:
	// true <nil>
	// [join code]
	// identity not usable: the join code is cut off or too long; copy all of it, or make one with NewCode: a password will not do
}

// Two ends with the same code prove themselves to each other.
func ExampleHandshake() {
	code, err := crypto.NewCode()
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	atRoot, atLeaf := net.Pipe() // a TCP connection, in life
	root := make(chan error)
	go func() {
		_, err := crypto.Handshake(ctx, atRoot, false, crypto.RoleRoot, crypto.Identity{Code: code})
		root <- err
	}()
	ch, err := crypto.Handshake(ctx, atLeaf, true, crypto.RoleLeaf, crypto.Identity{Code: code})
	if err != nil {
		panic(err)
	}
	fmt.Println("the leaf has a channel:", !ch.Peer.Pin.IsZero())
	fmt.Println("the root's error:", <-root)
	// Output:
	// the leaf has a channel: true
	// the root's error: <nil>
}

// The root seals for the group; a leaf that was told the epoch opens.
func ExampleRing() {
	session, err := crypto.NewSessionID()
	if err != nil {
		panic(err)
	}
	params := [32]byte{} // the hash of what WELCOME says
	epoch, err := crypto.FirstEpoch(session, params, crypto.Roster([]uint32{1}))
	if err != nil {
		panic(err)
	}
	ring := func(self uint32, e *crypto.Epoch) *crypto.Ring {
		r, err := crypto.NewRing(crypto.RingConfig{
			Session: session, Self: self, Group: netip.MustParseAddrPort("239.255.0.1:7000"),
		})
		if err != nil {
			panic(err)
		}
		if err := r.Add(e); err != nil {
			panic(err)
		}
		return r
	}
	root := ring(1, epoch)
	defer root.Close()
	if err := root.Activate(1); err != nil {
		panic(err)
	}

	told, err := crypto.ParseEpochState(session, params, epoch.AppendState(nil)) // over the leaf's Channel
	if err != nil {
		panic(err)
	}
	leaf := ring(2, told)
	defer leaf.Close()
	if err := leaf.Admit(1); err != nil {
		panic(err)
	}

	packet, err := root.Seal(nil, 0, crypto.KindData, 0, []byte("hello, leaves"))
	if err != nil {
		panic(err)
	}
	again := append([]byte(nil), packet...)
	o, drop := leaf.Open(packet)
	fmt.Printf("%s, from member %d: %v\n", o.Payload, o.Sender, crypto.Drop(drop))
	_, drop = leaf.Open(again)
	fmt.Println("the same packet again:", crypto.Drop(drop))
	// Output:
	// hello, leaves, from member 1: opened
	// the same packet again: replay
}
