package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// namespaceDir is where ip netns keeps its names: one bind mount each.
const namespaceDir = "/run/netns"

// namespace is one network namespace with a name. The open file keeps it
// reachable when the name is gone.
type namespace struct {
	name string
	file *os.File
}

// makeNamespaces makes them all in one process.
func makeNamespaces(names ...string) error {
	var b batch
	for _, n := range names {
		b.add("netns add %s", n)
	}
	_, err := run(b.text(), "ip", "-batch", "-")
	return err
}

func openNamespace(name string) (*namespace, error) {
	f, err := os.Open(filepath.Join(namespaceDir, name))
	if err != nil {
		return nil, fmt.Errorf("netlab: %w", err)
	}
	return &namespace{name: name, file: f}, nil
}

// do runs f on the calling goroutine, its thread moved into n and back again.
// A thread that cannot come back stays locked to the goroutine, which panics:
// both end, and nobody else ever runs in a namespace that he did not ask for.
func (n *namespace) do(f func() error) error {
	runtime.LockOSThread()
	back, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		if err = n.enter(); err != nil {
			_ = unix.Close(back)
		}
	}
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("netlab: enter %s: %w", n.name, err)
	}
	defer func() {
		if err := unix.Setns(back, unix.CLONE_NEWNET); err != nil {
			panic(fmt.Sprintf("netlab: thread cannot leave %s: %v", n.name, err))
		}
		_ = unix.Close(back)
		runtime.UnlockOSThread()
	}()
	return f()
}

func (n *namespace) enter() error {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Setns(int(fd), unix.CLONE_NEWNET) }); err != nil {
		return net.ErrClosed // the lab is; Control has no other error
	}
	return failed
}

// ip runs a batch of ip commands inside n.
func (n *namespace) ip(b batch) error {
	if len(b) == 0 {
		return nil
	}
	_, err := run(b.text(), "ip", "-n", n.name, "-batch", "-")
	return err
}

// run runs a command inside n: a child begins in its parent thread's namespace.
func (n *namespace) run(stdin, name string, args ...string) (out string, err error) {
	err = n.do(func() error {
		out, err = run(stdin, name, args...)
		return err
	})
	return out, err
}

// sysctl writes /proc/sys, which shows the opening thread's namespace.
func (n *namespace) sysctl(key, value string) error {
	return n.do(func() error {
		if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0); err != nil {
			return fmt.Errorf("netlab: sysctl: %w", err)
		}
		return nil
	})
}

// removeNamespace takes the name away. The kernel frees the namespace when the
// last process and socket inside are gone too.
func removeNamespace(name string) error {
	path := filepath.Join(namespaceDir, name)
	// EINVAL: a name without a mount, left by an ip that was killed in between.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("netlab: unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("netlab: %w", err)
	}
	return nil
}

// processesIn lists the processes inside the named namespaces, but never this
// one, whose threads visit them.
func processesIn(names []string) []int {
	inside := make(map[[2]uint64]bool)
	for _, n := range names {
		if id, err := identity(filepath.Join(namespaceDir, n)); err == nil {
			inside[id] = true
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil || len(inside) == 0 {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A zombie has no namespaces any more and fails here.
		if id, err := identity(filepath.Join("/proc", e.Name(), "ns/net")); err == nil && inside[id] {
			pids = append(pids, pid)
		}
	}
	return pids
}

// identity is the device and inode by which two paths are one namespace.
func identity(path string) ([2]uint64, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return [2]uint64{}, err
	}
	return [2]uint64{uint64(s.Dev), s.Ino}, nil
}

// killIn kills what runs inside the named namespaces and waits until it is
// gone, two seconds at most.
func killIn(names []string) error {
	for range 200 {
		pids := processesIn(names)
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL) // gone by itself in the meantime: as good
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("netlab: processes %v in %v survive SIGKILL", processesIn(names), names)
}
