package dtls_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/crypto/dtls"
)

// Two members on one machine, each with a socket of its own. A program that
// uses the socket for other packets as well asks dtls.Owns before Handle.
func Example() {
	code, err := crypto.NewCode()
	if err != nil {
		fmt.Println(err)
		return
	}
	member := func() (*dtls.Endpoint, netip.AddrPort, func()) {
		sock, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			panic(err)
		}
		e, err := dtls.New(dtls.Config{
			Identity: crypto.Identity{Code: code},
			Write: func(packet []byte, to netip.AddrPort) error {
				_, err := sock.WriteToUDPAddrPort(packet, to)
				return err
			},
		})
		if err != nil {
			panic(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			b := make([]byte, 2048)
			for {
				n, from, err := sock.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				e.Handle(b[:n], from)
			}
		}()
		return e, sock.LocalAddr().(*net.UDPAddr).AddrPort(), func() {
			_ = e.Close()
			_ = sock.Close()
			<-done
		}
	}
	alice, _, stopAlice := member()
	defer stopAlice()
	bob, at, stopBob := member()
	defer stopBob()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	toBob, err := alice.Dial(ctx, at, dtls.Who{Pin: bob.Pin()})
	if err != nil {
		fmt.Println(err)
		return
	}
	toAlice, err := bob.Accept(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := toBob.Write([]byte("between us")); err != nil {
		fmt.Println(err)
		return
	}
	b := make([]byte, toAlice.MaxDatagram())
	n, err := toAlice.Read(ctx, b)
	fmt.Printf("%s %v %v\n", b[:n], toAlice.Peer().Pin == alice.Pin(), err)
	// Output: between us true <nil>
}
