package crypto_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
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

// A member is evicted: one small packet takes everybody else to new keys.
func ExampleTree() {
	session := crypto.SessionID{1}
	params, roster := [32]byte{}, crypto.Roster([]uint32{1})
	author, err := crypto.NewAuthor(session, 1)
	if err != nil {
		panic(err)
	}
	tree, err := crypto.NewTree(0, author)
	if err != nil {
		panic(err)
	}
	epoch, err := crypto.FirstEpoch(session, crypto.BindParams(params, author.Public()), roster)
	if err != nil {
		panic(err)
	}
	for id := range uint32(1000) { // kek: LeafKey of the member's channel
		if err := tree.Add(2+id, [32]byte{byte(id), byte(id >> 8)}); err != nil {
			panic(err)
		}
	}
	joined, err := tree.Commit(epoch, roster, false)
	if err != nil {
		panic(err)
	}
	blob, err := tree.AppendGrant(nil, 7, joined.Epoch) // to each of them, over its channel
	if err != nil {
		panic(err)
	}
	leaf, err := crypto.ParseGrant(session, params, 0, 1, [32]byte{5}, blob)
	if err != nil {
		panic(err)
	}

	tree.Remove(500)
	evicted, err := tree.Commit(joined.Epoch, roster, true)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(evicted.Parts), "packet of", evicted.Wraps, "wraps") // to the group
	next, o := leaf.Path.Rekey(time.Now(), leaf.Epoch, evicted.Parts[0], false)
	fmt.Println(o, next.Number(), next.KeyID() == evicted.Epoch.KeyID())
	// Output:
	// 1 packet of 10 wraps
	// taken 3 true
}

// Data carries no signature of its own; a manifest signs for many symbols.
func ExampleManifestSigner() {
	author, err := crypto.NewAuthor(crypto.SessionID{1}, 1)
	if err != nil {
		panic(err)
	}
	signer, err := crypto.NewManifestSigner(author, 0, 0)
	if err != nil {
		panic(err)
	}
	verifier, err := crypto.NewManifestVerifier(crypto.VerifierConfig{
		Witness: crypto.NewWitness(crypto.SessionID{1}, 1, author.Public()), Streams: 1,
	})
	if err != nil {
		panic(err)
	}
	verifier.Start(0, 0)
	now := time.Now()
	symbols := [][]byte{[]byte("one"), []byte("two"), []byte("three")}
	for seq, symbol := range symbols {
		signer.Symbol(now, 0, uint64(seq), symbol)
	}
	manifest, _ := signer.Poll(now, nil)

	forged := slices.Clone(symbols[1])
	forged[0] ^= 1
	fmt.Println(verifier.Symbol(now, 0, 0, crypto.HashSymbol(0, 0, symbols[0])))
	fmt.Println(verifier.Symbol(now, 0, 1, crypto.HashSymbol(0, 1, forged)), verifier.Covered(0))
	rejected, o := verifier.Manifest(now, manifest, false, nil)
	fmt.Println(o, rejected, verifier.Covered(0))
	fmt.Println(verifier.Symbol(now, 0, 1, crypto.HashSymbol(0, 1, symbols[1])))
	// Output:
	// held
	// held 0
	// taken [{0 1}] 3
	// taken
}
