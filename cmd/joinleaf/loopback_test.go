package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// These tests run real sessions on the loopback interface; no packet leaves the
// machine.

// loopback is that interface's name.
func loopback(t *testing.T) string {
	t.Helper()
	all, err := kernel().Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.Loopback && f.Up {
			return f.Name
		}
	}
	if os.Getenv("JOINLEAF_REQUIRE_LAB") != "" {
		t.Fatal("no loopback interface is up")
	}
	t.Skip("no loopback interface is up")
	return ""
}

var controlLine = regexp.MustCompile(`(?m)^  control +(\S+) \(TCP\)$`)

// startSend starts a send on loopback and returns where it listens.
func startSend(t *testing.T, stdin io.Reader, env map[string]string, args ...string) (*process, string) {
	t.Helper()
	args = append([]string{"send", "--listen", "127.0.0.1:0", "--iface", loopback(t)}, args...)
	p := start(t, library{}, stdin, env, args...)
	p.until(t, "other side")
	m := controlLine.FindStringSubmatch(p.stderr.String())
	if m == nil {
		t.Fatal("no control address in the start-up block:\n", p.stderr.String())
	}
	return p, m[1]
}

func startRecv(t *testing.T, env map[string]string, root string, args ...string) *process {
	t.Helper()
	return start(t, library{}, nil, env, append([]string{"recv", root, "--iface", loopback(t)}, args...)...)
}

func wantExit(t *testing.T, what string, p *process, want int) {
	t.Helper()
	if code := p.wait(t); code != want {
		t.Fatalf("%s exits %d, want %d\n%s", what, code, want, p.stderr.String())
	}
}

func TestLoopback_FileReachesTwoReceivers(t *testing.T) {
	for _, class := range []string{"reliable", "best-effort"} {
		for _, n := range []int{0, 5 << 20} {
			if class == "best-effort" {
				n /= 80 // no repairs: what the smallest buffers hold
			}
			env, want := codeEnv(t), noise(n)
			send, root := startSend(t, nil, env, "--in", writeFile(t, "lab.iso", want), "--wait-for", "2", "--class", class, "--rate", "100MB/s")
			dirs := []string{t.TempDir(), t.TempDir()}
			recvs := []*process{startRecv(t, env, root, "--out", dirs[0]), startRecv(t, env, root, "--out", filepath.Join(dirs[1], "copy"))}
			for _, r := range recvs {
				wantExit(t, "recv", r, exitDone)
			}
			wantExit(t, "send", send, exitDone)
			for _, path := range []string{filepath.Join(dirs[0], "lab.iso"), filepath.Join(dirs[1], "copy")} {
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s: %v, %d bytes of %d", path, err, len(got), n)
				}
			}
		}
	}
}

func TestLoopback_PipeToPipe(t *testing.T) {
	env, want := codeEnv(t), noise(1<<20)
	send, root := startSend(t, bytes.NewReader(want), env, "--in", "-")
	recv := startRecv(t, env, root, "--out", "-")
	wantExit(t, "send", send, exitDone)
	wantExit(t, "recv", recv, exitDone)
	if recv.stdout.String() != string(want) {
		t.Fatal("other bytes came out")
	}
}

func TestLoopback_CodeFileIsMadeAndServes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "code")
	send, root := startSend(t, strings.NewReader("hello"), nil, "--in", "-", "--code-file", file)
	recv := startRecv(t, nil, root, "--out", "-", "--code-file", file)
	wantExit(t, "recv", recv, exitDone)
	wantExit(t, "send", send, exitDone)
	if !strings.Contains(send.stderr.String(), "--code-file "+file) {
		t.Fatal("the line for the other side does not name the code file")
	}
}

// freePort finds a UDP port on 127.0.0.1.
func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

func TestLoopback_DatagramsKeepTheirBoundaries(t *testing.T) {
	env := codeEnv(t)
	out, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	send, root := startSend(t, nil, env, "--in", "udp://"+in)
	recv := startRecv(t, env, root, "--out", "udp://"+out.LocalAddr().String()+"?pace=none")
	send.until(t, "sending to 1 leaf")
	feed, err := net.Dial("udp4", in)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	p := make([]byte, 1<<16)
	for i, n := range []int{1, 1316, 188, 0, 9000, 65507, 12} {
		want := bytes.Repeat([]byte{byte(i)}, n)
		if _, err := feed.Write(want); err != nil {
			t.Fatal(err)
		}
		_ = out.SetReadDeadline(time.Now().Add(20 * time.Second))
		got, _, err := out.ReadFrom(p)
		if err != nil || !bytes.Equal(p[:got], want) {
			t.Fatalf("datagram %d of %d bytes came out as %d, %v", i, n, got, err)
		}
	}
	send.interrupt()
	wantExit(t, "send", send, exitInterrupted)
	wantExit(t, "recv", recv, exitDone)
}

func TestLoopback_GroupInAndGroupOut(t *testing.T) {
	env, lo := codeEnv(t), loopback(t)
	from, to := drawGroup(), drawGroup()
	to.Interface = lo
	hear, err := kernel().OpenGroup(t.Context(), to, transport.SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer hear.Close()
	feed, err := kernel().OpenUnicast(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), transport.SocketOptions{Interface: lo})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	send, root := startSend(t, nil, env, "--in", "rtp://@"+from.Addr.String()+"?localaddr=127.0.0.1&timeout=1s")
	recv := startRecv(t, env, root, "--out", "rtp://"+to.Addr.String())
	send.until(t, "sending to 1 leaf")
	want := []byte("\x80\x21 an RTP packet, header and all")
	if _, err := feed.WriteBatch([]transport.Datagram{{B: want, Addr: from.Addr}}); err != nil {
		t.Fatal(err)
	}
	got := []transport.Datagram{{B: make([]byte, 1<<16)}}
	if _, err := hear.ReadBatch(got); err != nil || !bytes.Equal(got[0].B, want) {
		t.Fatalf("%q, %v", got[0].B, err)
	}
	wantExit(t, "send", send, exitDone) // silent for timeout=: the input has ended
	wantExit(t, "recv", recv, exitDone)
}

func TestLoopback_WrongCodeIsRefused(t *testing.T) {
	send, root := startSend(t, strings.NewReader("x"), codeEnv(t), "--in", "-")
	recv := startRecv(t, codeEnv(t), root, "--out", "-")
	wantExit(t, "recv", recv, exitRefused)
	recv.until(t, "it has another join code")
	send.interrupt()
	wantExit(t, "send", send, exitInterrupted)
}

func TestLoopback_WhatTheSystemRefusesIsSaidInWords(t *testing.T) {
	lo := loopback(t)
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	env, file := codeEnv(t), writeFile(t, "f", []byte("x"))
	for _, c := range []struct {
		want string
		exit int
		args []string
	}{
		{"nosuch0", exitUsage, []string{"send", "--in", file, "--listen", "127.0.0.1:0", "--iface", "nosuch0"}},
		{"is taken; choose another port", exitUsage, []string{"send", "--in", file, "--listen", taken.Addr().String(), "--iface", lo}},
		{"is not a multicast group", exitUsage, []string{"send", "--in", file, "--group", "127.0.0.1:7000", "--iface", lo}},
		{"nobody listens there", exitRefused, []string{"recv", closed.Addr().String(), "--out", "-", "--iface", lo}},
		{"nosuch0", exitUsage, []string{"recv", closed.Addr().String(), "--out", "udp://239.192.1.1:5000?iface=nosuch0"}},
	} {
		p := start(t, library{}, nil, env, c.args...)
		wantExit(t, strings.Join(c.args, " "), p, c.exit)
		if s := p.stderr.String(); !strings.Contains(s, c.want) || strings.Count(s, "\n") != 1 {
			t.Errorf("%q says\n%swant one line with %q", c.args, s, c.want)
		}
	}
}

func TestLoopback_InterruptedSenderDeliversWhatItRead(t *testing.T) {
	env := codeEnv(t)
	r, w := io.Pipe()
	defer w.Close()
	send, root := startSend(t, r, env, "--in", "-")
	recv := startRecv(t, env, root, "--out", "-")
	_, _ = w.Write([]byte("half"))
	recv.untilOut(t, "half")
	send.interrupt()
	wantExit(t, "send", send, exitInterrupted)
	wantExit(t, "recv", recv, exitLost)
	recv.until(t, "the sender was interrupted after 4 bytes")
}

func TestLoopback_LateLeafIsToldWhatItLacks(t *testing.T) {
	env := codeEnv(t)
	r, w := io.Pipe()
	send, root := startSend(t, r, env, "--in", "-")
	first := startRecv(t, env, root, "--out", "-")
	_, _ = w.Write([]byte("begin "))
	first.untilOut(t, "begin ")
	late := startRecv(t, env, root, "--out", "-")
	send.until(t, ", late: it gets")
	_, _ = w.Write([]byte("end"))
	w.Close()
	wantExit(t, "late recv", late, exitLost)
	late.until(t, "the first 6 bytes went before this receiver joined")
	wantExit(t, "first recv", first, exitDone)
	wantExit(t, "send", send, exitDone)
	if late.stdout.String() != "end" {
		t.Fatalf("the late leaf has %q", late.stdout.String())
	}
}

func TestLoopback_Demo(t *testing.T) {
	loopback(t)
	begin := time.Now()
	p := start(t, library{}, nil, nil, "demo")
	wantExit(t, "demo", p, exitDone)
	t.Logf("took %v\n%s", time.Since(begin), p.stdout.String())
	for _, want := range []string{"sorry dora, all 3 seats are taken", "new keys for the others", "checksum"} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
}
