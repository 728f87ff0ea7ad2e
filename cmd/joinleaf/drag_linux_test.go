package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// feed writes noise to w until stop is closed.
func feed(w *io.PipeWriter, stop <-chan struct{}) {
	defer w.Close()
	for b := noise(64 << 10); ; {
		select {
		case <-stop:
			return
		default:
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}
}

func TestProcess_StreamGoesOnWithoutALeafThatStandsStill(t *testing.T) {
	env, lo := codeEnv(t), loopback(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, w := io.Pipe()
	stop := make(chan struct{})
	go feed(w, stop)
	send, root := startSend(t, r, env, "--in", "-", "--wait-for", "2", "--rate", "20MB/s")
	good := startRecv(t, env, root, "--out", "/dev/null")
	stuck, heard := spawn(t, ctx, env, "recv", root, "--out", "-", "--iface", lo)
	if _, err := stuck.StdoutPipe(); err != nil { // nobody reads it
		t.Fatal(err)
	}
	if err := stuck.Start(); err != nil {
		t.Fatal(err)
	}
	send.until(t, "is served apart and may miss data: it holds everybody back")
	eventually(t, "the stuck leaf is told", func() bool {
		return strings.Contains(heard.String(), "serves this receiver apart, and it may miss data: it holds everybody back")
	})
	close(stop)
	wantExit(t, "good recv", good, exitDone)
	_ = stuck.Process.Kill()
	_ = stuck.Wait()
	wantExit(t, "send", send, exitLost)
	send.until(t, "1 of 2 leaves without everything")
}
