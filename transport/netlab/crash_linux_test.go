package netlab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func exit() { runtime.Goexit() }

// The environment that makes TestChild play a part in a process of its own.
const partVariable = "JOINLEAF_NETLAB_PART"

// TestChild does nothing by itself: the tests below run it in a child process,
// because only a *testing.T can show how a lab ends with its test.
func TestChild(t *testing.T) {
	part := os.Getenv(partVariable)
	if part == "" {
		return
	}
	if part == "nobody" {
		must(t, syscall.Setuid(65534))
		Require(t)
		return
	}
	reaperWanted = part != "killed, no reaper"
	l := New(t, Options{Hosts: []string{"a"}})
	sleeper := l.Host("a").Exec(context.Background(), "sleep", "1000")
	must(t, sleeper.Start())
	for len(processesIn([]string{l.Host("a").Namespace()})) == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("LAB %s %d\n", l.prefix, sleeper.Process.Pid)
	switch part {
	case "fatal":
		t.Fatal("as planned")
	case "panic":
		panic("as planned")
	case "panic elsewhere":
		go panic("as planned")
	case "exit":
		os.Exit(3)
	}
	time.Sleep(time.Minute) // to be killed
}

// play runs TestChild and returns its lab's prefix and the process that runs
// inside, as soon as the lab is there.
func play(t *testing.T, part string) (cmd *exec.Cmd, prefix string, sleeper int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	cmd = exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), partVariable+"="+part)
	out, err := cmd.StdoutPipe()
	must(t, err)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	must(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // again, after the test's own: harmless
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, lab, found := strings.Cut(lines.Text(), "LAB "); found {
			_, err := fmt.Sscan(lab, &prefix, &sleeper)
			must(t, err)
			go io.Copy(io.Discard, out) // ends with the child
			return cmd, prefix, sleeper
		}
	}
	t.Fatalf("the child made no lab: %s", complaint.String())
	return nil, "", 0
}

// gone waits, bounded, until the lab and the process inside are no more.
func gone(t *testing.T, prefix string, sleeper int) bool {
	t.Helper()
	for range 500 {
		_, state, err := startTime(sleeper)
		if len(namesLike(t, prefix)) == 0 && (err != nil || state == "Z") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestCrash_NothingIsLeft(t *testing.T) {
	Require(t)
	for _, part := range []string{"fatal", "panic", "panic elsewhere", "exit", "killed"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			cmd, prefix, sleeper := play(t, part)
			if part == "killed" {
				must(t, cmd.Process.Kill())
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the child ended well")
			}
			if !gone(t, prefix, sleeper) {
				t.Errorf("left behind: %v, process %d", namesLike(t, prefix), sleeper)
			}
		})
	}
}

func TestSweep_RemovesWhatADeadProcessLeft(t *testing.T) {
	Require(t)
	cmd, prefix, sleeper := play(t, "killed, no reaper")
	must(t, Sweep())
	if len(namesLike(t, prefix)) != 2 {
		t.Errorf("a living process's lab was swept; left is %v", namesLike(t, prefix))
	}
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); !errors.As(err, new(*exec.ExitError)) {
		t.Errorf("the killed child ended with %v", err)
	}
	if len(namesLike(t, prefix)) != 2 {
		t.Fatalf("the child left %v; the test needs something to sweep", namesLike(t, prefix))
	}
	l := New(t, Options{}) // sweeps
	if !gone(t, prefix, sleeper) {
		t.Errorf("left behind: %v, process %d", namesLike(t, prefix), sleeper)
	}
	if len(namesLike(t, l.prefix)) != 1 {
		t.Errorf("the new lab is %v", namesLike(t, l.prefix))
	}
}

func TestRequire_SaysWhatIsMissing(t *testing.T) {
	Require(t)
	for _, c := range []struct {
		env  string
		fail bool
		want string
	}{
		{"JOINLEAF_REQUIRE_LAB=", false, "SKIPPED: netlab needs the right to make network namespaces (no CAP_SYS_ADMIN; run as root)"},
		{"JOINLEAF_REQUIRE_LAB=1", true, "JOINLEAF_REQUIRE_LAB=1 forbids skipping"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), partVariable+"=nobody", c.env)
		out, err := cmd.CombinedOutput()
		cancel()
		if (err != nil) != c.fail || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v: %s\nwant failure %v and the words %q", c.env, err, out, c.fail, c.want)
		}
	}
}
