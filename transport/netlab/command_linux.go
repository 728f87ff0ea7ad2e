package netlab

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// commandTimeout bounds every command that shapes a lab; each takes
// milliseconds, so only a wedged machine ever meets it.
const commandTimeout = 10 * time.Second

// run runs one command on the calling thread's namespace and returns what it
// printed. The error says what was run and what it complained of.
func run(stdin, name string, args ...string) (string, error) {
	path, err := tool(name)
	if err != nil {
		return "", fmt.Errorf("netlab: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 10 * time.Second // on a busy machine the pipes are emptied late
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w after %v", ctx.Err(), commandTimeout)
		}
		return "", fmt.Errorf("netlab: %s %s: %w: %s%s", name, strings.Join(args, " "), err,
			strings.TrimSpace(complaint.String()), batchLine(stdin, complaint.String()))
	}
	return out.String(), nil
}

// batchLine finds the line of a batch that ip gave up on ("Command failed -:6").
func batchLine(batch, complaint string) string {
	var n int
	if _, at, found := strings.Cut(complaint, "Command failed -:"); !found {
		return ""
	} else if _, err := fmt.Sscanf(at, "%d", &n); err != nil {
		return ""
	}
	lines := strings.Split(batch, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return fmt.Sprintf(" (%q)", lines[n-1])
}

// batch is a list of ip commands, run by one process.
type batch []string

func (b *batch) add(format string, args ...any) { *b = append(*b, fmt.Sprintf(format, args...)) }

func (b batch) text() string { return strings.Join(b, "\n") + "\n" }
