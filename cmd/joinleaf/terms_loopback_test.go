package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The terms of delivery over real sessions on the loopback interface.

func TestLoopback_DatagramsWithADeadline(t *testing.T) {
	env := codeEnv(t)
	out, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	send, root := startSend(t, nil, env, "--in", "udp://"+in, "--class", "deadline", "--latency", "1s", "--parity", "off")
	send.until(t, "(datagrams, deadline 1s)")
	recv := startRecv(t, env, root, "--out", "udp://"+out.LocalAddr().String()+"?pace=none")
	recv.until(t, "(deadline 1s), into")
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

func TestLoopback_LateLeafBeginsWhereItAsked(t *testing.T) {
	env := codeEnv(t)
	r, w := io.Pipe()
	send, root := startSend(t, r, env, "--in", "-", "--replay", "1MB")
	first := startRecv(t, env, root, "--out", "-")
	_, _ = w.Write([]byte("begin "))
	first.untilOut(t, "begin ")
	_, _ = w.Write([]byte("middle "))
	first.untilOut(t, "begin middle ")
	whole := startRecv(t, env, root, "--out", "-", "--from", "oldest")
	whole.untilOut(t, "begin middle ")
	last := startRecv(t, env, root, "--out", "-", "--from", "last=1")
	last.untilOut(t, "middle ")
	send.until(t, ", late: it gets what it asked for, as far as that is kept")
	_, _ = w.Write([]byte("end"))
	w.Close()
	wantExit(t, "recv --from oldest", whole, exitDone)
	wantExit(t, "recv --from last=1", last, exitLost)
	last.until(t, "the first 6 bytes went before this receiver joined")
	wantExit(t, "first recv", first, exitDone)
	wantExit(t, "send", send, exitDone)
	if whole.stdout.String() != "begin middle end" || last.stdout.String() != "middle end" {
		t.Fatalf("the late leaves have %q and %q", whole.stdout.String(), last.stdout.String())
	}
}

func TestLoopback_LateLeafHasAFileOnlyFromItsStart(t *testing.T) {
	for replay, exit := range map[string]int{"3MB": exitDone, "200kB": exitLost} {
		t.Run(replay, func(t *testing.T) {
			t.Parallel()
			env, want := codeEnv(t), noise(3_000_000)
			send, root := startSend(t, nil, env, "--in", writeFile(t, "lab.iso", want), "--replay", replay, "--rate", "2MB/s")
			there := t.TempDir()
			first := startRecv(t, env, root, "--out", there)
			eventually(t, "the file is under way", func() bool { return grown(t, there, 1_000_000) })
			dir := t.TempDir()
			late := startRecv(t, env, root, "--out", dir, "--from", "oldest")
			wantExit(t, "late recv", late, exit)
			got, err := os.ReadFile(filepath.Join(dir, "lab.iso"))
			if exit == exitDone && !bytes.Equal(got, want) || exit != exitDone && err == nil {
				t.Fatalf("the late leaf has %d bytes, %v", len(got), err)
			}
			if exit != exitDone {
				late.until(t, "a file is of no use without its beginning")
			}
			wantExit(t, "first recv", first, exitDone)
			wantExit(t, "send", send, exitDone)
		})
	}
}

// grown reports whether a file that is being written in dir has n bytes.
func grown(t *testing.T, dir string, n int64) bool {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if info, err := f.Info(); err == nil && info.Size() >= n {
			return true
		}
	}
	return false
}
