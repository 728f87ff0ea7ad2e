package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What only a process shows: signals and exit codes.

// spawn runs the command as a process.
func spawn(t *testing.T, ctx context.Context, env map[string]string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	cmd := exec.CommandContext(ctx, command(t), args...)
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	stderr := new(output)
	cmd.Stderr = stderr
	return cmd, stderr
}

func TestProcess_SecondInterruptEndsAtOnce(t *testing.T) {
	env, lo := codeEnv(t), loopback(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	send, said := spawn(t, ctx, env, "send", "--in", writeFile(t, "f", noise(64<<20)), "--listen", "127.0.0.1:0", "--iface", lo)
	if err := send.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "send is up", func() bool { return controlLine.MatchString(said.String()) })
	root := controlLine.FindStringSubmatch(said.String())[1]

	// A receiver whose stdout nobody reads holds the sender up.
	recv, heard := spawn(t, ctx, env, "recv", root, "--out", "-", "--iface", lo)
	stuck, err := recv.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := recv.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stuck, make([]byte, 1000)); err != nil {
		t.Fatal(err, heard.String())
	}
	_ = send.Process.Signal(syscall.SIGINT)
	eventually(t, "the first interrupt is answered", func() bool { return strings.Contains(said.String(), "interrupt again to quit at once") })
	_ = send.Process.Signal(syscall.SIGINT)
	_ = send.Wait()
	if code := send.ProcessState.ExitCode(); code != exitInterrupted {
		t.Fatalf("send exits %d\n%s", code, said.String())
	}
	_ = recv.Process.Kill()
	_ = recv.Wait()
}

func TestProcess_ReaderOfStdoutGoesAway(t *testing.T) {
	env, lo := codeEnv(t), loopback(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	send, root := startSend(t, bytes.NewReader(noise(4<<20)), env, "--in", "-")
	recv, heard := spawn(t, ctx, env, "recv", root, "--out", "-", "--iface", lo)
	out, err := recv.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := recv.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1000)); err != nil {
		t.Fatal(err, heard.String())
	}
	out.Close()
	_ = recv.Wait()
	if code := recv.ProcessState.ExitCode(); code != exitLost || !strings.Contains(heard.String(), "cannot write stdout") {
		t.Fatalf("recv exits %d\n%s", code, heard.String())
	}
	wantExit(t, "send", send, exitLost)
}
