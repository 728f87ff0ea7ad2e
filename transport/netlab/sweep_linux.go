package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A namespace is called jl<pid>-<start>-<lab>-<host>. The owner's start time,
// in clock ticks since boot and base 36, tells it from a later process that
// was given the same id.
var ownedName = regexp.MustCompile(`^jl([0-9]+)-([0-9a-z]+)-[0-9]+-[a-z][a-z0-9]*$`)

// ownPrefix is what all names of this process begin with.
var ownPrefix = sync.OnceValues(func() (string, error) {
	start, _, err := startTime(os.Getpid())
	return fmt.Sprintf("jl%d-%s", os.Getpid(), start), err
})

var labs atomic.Int64

// nextPrefix is the beginning of the names of one lab.
func nextPrefix() (string, error) {
	own, err := ownPrefix()
	return fmt.Sprintf("%s-%d", own, labs.Add(1)), err
}

// Sweep removes the labs of processes that ended without Close, and kills what
// still runs inside. [Open] and [New] call it first. It touches only names of
// the form above whose owner is dead.
func Sweep() error {
	entries, err := os.ReadDir(namespaceDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("netlab: sweep: %w", err)
	}
	var orphans []string
	for _, e := range entries {
		m := ownedName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		pid, err := strconv.Atoi(m[1])
		if err == nil && !alive(pid, m[2]) {
			orphans = append(orphans, e.Name())
		}
	}
	return destroy(orphans)
}

// destroy ends what runs in the named namespaces, then removes them.
func destroy(names []string) error {
	if len(names) == 0 {
		return nil
	}
	errs := []error{killIn(names)}
	for _, n := range names {
		errs = append(errs, removeNamespace(n))
	}
	return errors.Join(errs...)
}

func alive(pid int, start string) bool {
	now, state, err := startTime(pid)
	return err == nil && now == start && !slices.Contains([]string{"Z", "X"}, state)
}

// startTime reads fields 22 and 3 of proc_pid_stat(5), counted from behind the
// command's name, which may hold spaces and brackets.
func startTime(pid int) (start, state string, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", fmt.Errorf("netlab: %w", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return "", "", fmt.Errorf("netlab: /proc/%d/stat has %d fields", pid, len(fields))
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return "", "", fmt.Errorf("netlab: /proc/%d/stat: %w", pid, err)
	}
	return strconv.FormatUint(ticks, 36), fields[0], nil
}

// reap is a shell that waits for the end of its input, which comes when this
// process ends, however it ends. Then it removes what is left of its labs.
const reap = `cat >/dev/null
PATH=$PATH:/usr/sbin:/sbin
for try in 1 2 3; do
	for f in ` + namespaceDir + `/"$1"-*; do
		[ -e "$f" ] || exit 0
		for p in $(ip netns pids "${f##*/}"); do kill -9 "$p"; done
		ip netns del "${f##*/}"
	done
done`

// startReaper starts the one reaper of this process. It has a session of its
// own, so that a Ctrl-C at the terminal does not end it too, and no output, so
// that nobody waits for it. A machine where it does not start has Sweep.
var startReaper = sync.OnceValue(func() error {
	prefix, err := ownPrefix()
	if err != nil {
		return err
	}
	// The writing end is a bare number on purpose: nothing ever closes it but
	// the kernel, with this process.
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("netlab: reaper: %w", err)
	}
	input := os.NewFile(uintptr(ends[0]), "netlab reaper")
	defer input.Close()
	cmd := exec.Command("sh", "-c", reap, "netlab-reaper", prefix)
	cmd.Dir, cmd.Stdin = "/", input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = unix.Close(ends[1])
		return fmt.Errorf("netlab: reaper: %w", err)
	}
	return nil
})
