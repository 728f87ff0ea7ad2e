package main

import (
	"bytes"
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

func TestCommands_LeaveNoGoroutineBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	env := codeEnv(t)
	send, root := startSend(t, bytes.NewReader(noise(300_000)), env, "--in", "-", "--wait-for", "2")
	first := startRecv(t, env, root, "--out", "-")
	second := startRecv(t, env, root, "--out", t.TempDir()+"/file")
	wantExit(t, "send", send, exitDone)
	wantExit(t, "recv", first, exitDone)
	wantExit(t, "recv", second, exitDone)
	wantExit(t, "demo", start(t, library{}, nil, nil, "demo"), exitDone)
	wantExit(t, "bench", start(t, library{}, nil, nil, "bench", "--time", "50ms", "--pings", "2"), exitDone)

	refused := startRecv(t, codeEnv(t), root, "--out", "-")
	wantExit(t, "recv with nobody there", refused, exitRefused)
	relay, _ := startSend(t, nil, env, "--in", fmt.Sprintf("udp://127.0.0.1:%d", freePort(t)))
	relay.interrupt()
	wantExit(t, "interrupted relay", relay, exitInterrupted)
	goleak.VerifyNone(t, before)
}
