package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
)

// copies is what programs do that have no multicast: a TCP connection for each
// receiver, over which everything is sent again. Plain, or with TLS 1.3.
type copies struct{ sealed bool }

func (c *copies) name() string {
	if c.sealed {
		return "tcp-tls"
	}
	return "tcp"
}

func (c *copies) about() string {
	s := "one TCP connection for each receiver, all at once, package net, 64 KiB writes; TCP's own segmentation offload stays on, as every network card has it; always without loss, for the lab loses UDP only; every byte checked"
	if c.sealed {
		return "the same with TLS 1.3, AES-GCM"
	}
	return s
}

func (*copies) find(*place) (string, error) { return stage.ThisMachine().Go, nil }

func (*copies) ladder(int) []setting { return []setting{{}} }

func (*copies) under(cell, setting) []setting { return []setting{{}} }

// copySide is one process of a run.
type copySide struct {
	Sealed   bool
	Spec     bulk.Spec
	Receiver string // whom a receiver dials; "": it is the sender
	At       string // where the sender listens
	Limit    time.Duration
}

const tcpBuffer = 64 << 10

func (c *copies) run(p *place, at cell, _ setting) (o outcome, err error) {
	leaves := p.leaves[:at.Leaves]
	if err := bulk.Prepare(p.root, leaves, 0, false); err != nil {
		return o, err
	}
	w := copySide{
		Sealed: c.sealed, Spec: bulk.Spec{Size: p.size, Message: message, Leaves: at.Leaves}, Limit: p.limit,
		At: netip.AddrPortFrom(p.root.Addr4(), 7611).String(),
	}
	sender, err := stage.Start(p.root, p.limit, work{Copy: &w})
	if err != nil {
		return o, err
	}
	if _, err := sender.Line(); err != nil {
		o = incomplete("%v: %s", err, last(sender.Errors()))
		halt([]*stage.Side{sender})
		return o, nil
	}
	w.Receiver = w.At
	var sides []*stage.Side
	for _, h := range leaves {
		side, err := stage.Start(h, p.limit, work{Copy: &w})
		if err != nil {
			halt(append(sides, sender))
			return o, err
		}
		sides = append(sides, side)
	}
	for _, side := range sides {
		var got bulk.Got
		if err := side.Decode(&got); err != nil {
			o = incomplete("%v: %s", err, last(side.Errors()))
			break
		}
		if rate := got.Goodput(); o.Goodput == 0 || rate < o.Goodput {
			o.Goodput = rate
		}
		o.Arrived = 1
	}
	o.finish(sender, sides)
	return o, nil
}

func (s copySide) do() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.Limit)
	defer cancel()
	if s.Receiver == "" {
		return s.send(ctx)
	}
	return s.receive(ctx)
}

// send takes all connections first, so that the copies go at the same time.
func (s copySide) send(ctx context.Context) error {
	l, err := net.Listen("tcp4", s.At)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("listening")
	var conns []net.Conn
	for range s.Spec.Leaves {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	if s.Sealed {
		config, err := selfSigned()
		if err != nil {
			return err
		}
		for i, conn := range conns {
			t := tls.Server(conn, config)
			if err := t.HandshakeContext(ctx); err != nil {
				return err
			}
			conns[i] = t
		}
	}
	done := make(chan error, len(conns))
	for _, conn := range conns {
		go func() { done <- s.copy(conn) }()
	}
	for range conns {
		err = errors.Join(err, <-done)
	}
	return err
}

func (s copySide) copy(conn net.Conn) error {
	content, err := bulk.NewContent(s.Spec.Message)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(conn, tcpBuffer)
	if err := content.Each(s.Spec.Messages(), func(p []byte) error {
		_, err := out.Write(p)
		return err
	}); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1)) // until the receiver has all
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

func (s copySide) receive(ctx context.Context) error {
	content, err := bulk.NewContent(s.Spec.Message)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", s.Receiver)
	if err != nil {
		return err
	}
	if s.Sealed {
		// The sender is a process of the same run; what sealing costs is the same.
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, tcpBuffer)
	p := make([]byte, s.Spec.Message)
	var first time.Time
	for n := s.Spec.Messages(); content.Checked() < n; {
		if _, err := io.ReadFull(in, p); err != nil {
			return fmt.Errorf("after %d of %d messages: %w", content.Checked(), n, err)
		}
		if err := content.Check(p); err != nil {
			return err
		}
		if first.IsZero() {
			first = time.Now()
		}
	}
	n := content.Checked()
	return json.NewEncoder(os.Stdout).Encode(bulk.Got{Seconds: time.Since(first).Seconds(), Messages: n, Bytes: (n - 1) * uint64(s.Spec.Message)})
}

// selfSigned is a certificate for this run.
func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13}, nil
}
