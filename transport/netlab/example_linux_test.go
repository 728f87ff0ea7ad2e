package netlab_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// A program makes its own lab and measures in it.
func ExampleOpen() {
	l, err := netlab.Open(netlab.Options{Hosts: []string{"sender", "receiver"}})
	if err != nil {
		log.Print(err) // what is missing: root, nft, ...
		return
	}
	defer l.Close()
	sender, receiver := l.Host("sender"), l.Host("receiver")
	if err := sender.SetOffload(false); err != nil { // so that loss takes single packets
		log.Print(err)
		return
	}
	if err := receiver.SetLoss(netlab.In, 1); err != nil {
		log.Print(err)
		return
	}
	cmd := receiver.Exec(context.Background(), "ip", "-brief", "address")
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err != nil {
		log.Print(err)
	}
}

// Capture shows what really crossed the switch.
func ExampleLab_Capture() {
	l, err := netlab.Open(netlab.Options{Hosts: []string{"a", "b"}})
	if err != nil {
		log.Print(err)
		return
	}
	defer l.Close()
	c, err := l.Capture(netlab.CaptureOptions{File: "igmp.pcap", Filter: "igmp or icmp6"})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(l.Host("a").Addr4()) // ... whatever is to be recorded
	if err := c.Stop(); err != nil {
		log.Print(err)
	}
}
