package stage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// carrier is the variable that brings a side its work.
const carrier = "JOINLEAF_BENCH_WORK"

// Play does this process's work and ends it, if it was started as a side of a
// run; otherwise it returns at once. It is the first call of main, and of
// TestMain.
func Play[W any](do func(W) error) {
	arg, ok := os.LookupEnv(carrier)
	if !ok {
		return
	}
	var w W
	err := json.Unmarshal([]byte(arg), &w)
	if err == nil {
		err = do(w)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Side is one process of a run.
type Side struct {
	name   string
	limit  time.Duration
	ctx    context.Context
	cmd    *exec.Cmd
	out    *bufio.Reader
	in     io.Closer
	errors tail
	stop   context.CancelFunc // kills it; its time is bounded in any case
	over   chan struct{}      // closed by Wait
	peak   peak
	began  time.Time
}

// Start runs this program again in a host, with that work.
func Start(h *netlab.Host, limit time.Duration, work any) (*Side, error) {
	arg, err := json.Marshal(work)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return launch(h, limit, []string{carrier + "=" + string(arg)}, self)
}

// Run runs any program in a host.
func Run(h *netlab.Host, limit time.Duration, name string, args ...string) (*Side, error) {
	return launch(h, limit, nil, name, args...)
}

func launch(h *netlab.Host, limit time.Duration, env []string, name string, args ...string) (*Side, error) {
	ctx, stop := context.WithTimeout(context.Background(), limit)
	s := &Side{
		name: filepath.Base(name) + " on " + h.Name(), limit: limit, ctx: ctx, stop: stop,
		cmd: h.Exec(ctx, name, args...), over: make(chan struct{}), began: time.Now(),
	}
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stderr = &s.errors
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		s.in, err = s.cmd.StdinPipe()
	}
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	s.out = bufio.NewReader(out)
	go s.watch()
	return s, nil
}

// Line reads the next line of the side's output.
func (s *Side) Line() (string, error) {
	line, err := s.out.ReadString('\n')
	if err != nil {
		return "", s.failed(err)
	}
	s.sample()
	return strings.TrimSpace(line), nil
}

// Decode reads the next JSON value of the side's output.
func (s *Side) Decode(v any) error {
	line, err := s.Line()
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), v); err != nil {
		return fmt.Errorf("%s said %q: %w", s.name, line, err)
	}
	return nil
}

// Output reads the rest of the side's output, its last 64 KiB.
func (s *Side) Output() string {
	t := tail{keep: 64 << 10}
	_, _ = s.out.WriteTo(&t) // an end before its time is what Wait reports
	return t.String()
}

// Errors is the end of what the side wrote to its standard error; all of it
// after Wait.
func (s *Side) Errors() string { return s.errors.String() }

// Name is the program and the host.
func (s *Side) Name() string { return s.name }

// Since is how long ago the side was started.
func (s *Side) Since() time.Duration { return time.Since(s.began) }

// End closes the side's standard input, which asks it to end if it reads that.
func (s *Side) End() { _ = s.in.Close() } // the side may be gone, which is no matter

// Stop kills the side; Wait has still to be called.
func (s *Side) Stop() { s.stop() }

// Wait waits for the side's end and tells what it cost.
func (s *Side) Wait() (Usage, error) {
	_, _ = s.out.WriteTo(&tail{}) // before Wait of os/exec, which closes the pipe
	err := s.cmd.Wait()
	if err != nil {
		err = s.failed(err)
	}
	s.stop()
	close(s.over)
	u := Usage{PeakRSS: s.peak.bytes()}
	if p := s.cmd.ProcessState; p != nil {
		u.User, u.System = p.UserTime().Seconds(), p.SystemTime().Seconds()
	}
	return u, err
}

// failed is err with what is known of its cause.
func (s *Side) failed(err error) error {
	if errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("not done after %v", s.limit)
	}
	return fmt.Errorf("%s: %w", s.name, err)
}
