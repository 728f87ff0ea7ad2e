package main

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport/flow"
)

func freePort(t *testing.T, network string) string {
	t.Helper()
	if network == "tcp4" {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	c, err := net.ListenPacket(network, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

func TestRelay_DatagramsComeOutAsTheyWentIn(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	config := rooted.Config{Identity: crypto.Identity{Code: code}, Source: rooted.Group, Interface: "lo", Streams: []flow.Class{flow.BestEffort}}
	root, source := freePort(t, "tcp4"), freePort(t, "udp4")
	sink, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	done := make(chan error, 2)
	go func() { done <- in(ctx, config, root, "239.192.7.2:17012", source) }()
	go func() {
		for ctx.Err() == nil {
			_ = out(ctx, config, root, sink.LocalAddr().String()) // fails while the root is not up yet
		}
		done <- nil
	}()
	feed, err := net.Dial("udp4", source)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	want, p := bytes.Repeat([]byte{0x47}, 1316), make([]byte, 1<<16)
	for got := 0; got != len(want); { // the first go before the leaf is in
		if ctx.Err() != nil {
			t.Fatal("nothing came out in time")
		}
		_, _ = feed.Write(want)
		_ = sink.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		got, _, _ = sink.ReadFrom(p)
	}
	if !bytes.Equal(p[:len(want)], want) {
		t.Fatal("other bytes came out")
	}
	cancel()
	<-done
	<-done
}
