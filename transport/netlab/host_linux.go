package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// Device is the name of every host's one interface.
const Device = "e0"

// switchName is the switches' namespace; no host may have it.
const switchName = "sw"

var hostName = regexp.MustCompile(`^[a-z][a-z0-9]{0,9}$`)

// Host is one namespace with one link to a switch. Its addresses are
// 10.77.<segment>.<n>/24, fd77:0:0:<segment>::<n>/64 and fe80::<n>, where n
// counts the segment's hosts from 1 in the order of making; usable at once,
// without duplicate address detection. There is no default route and no route
// to any group: a program that does not name its interface sends nowhere.
type Host struct {
	lab     *Lab
	ns      *namespace
	name    string
	segment int
	number  int

	mu    sync.Mutex
	dress dress
}

// dress is what was put on a host's link and must be put on again when the
// link is made anew.
type dress struct {
	noOffload bool
	noFlood   bool
	loss      [2]float64 // by Way
	rate      [2]int64   // by Way
}

// plan checks a host's name and place without making anything.
func (l *Lab) plan(name string, segment, number int) (*Host, error) {
	switch {
	case !hostName.MatchString(name) || name == switchName:
		return nil, fmt.Errorf("netlab: %q is no name for a host; want one lower-case letter and up to nine letters or digits, not %q", name, switchName)
	case segment < 0 || segment >= l.o.Segments:
		return nil, fmt.Errorf("netlab: host %s: no segment %d; the lab has %d", name, segment, l.o.Segments)
	case number > maxHosts:
		return nil, fmt.Errorf("netlab: host %s: segment %d has %d hosts already", name, segment, maxHosts)
	}
	h := &Host{lab: l, name: name, segment: segment, number: number}
	h.dress.noFlood = l.o.NoFlood
	return h, nil
}

// maxHosts leaves the last addresses of a segment to routers.
const maxHosts = 200

// Name is the host's name within the lab.
func (h *Host) Name() string { return h.name }

// Namespace is the name that ip netns knows the host by.
func (h *Host) Namespace() string { return h.ns.name }

// Segment is the number of the switch that the host hangs on.
func (h *Host) Segment() int { return h.segment }

// Addr4 is the host's IPv4 address.
func (h *Host) Addr4() netip.Addr { return address4(h.segment, h.number) }

// Addr6 is the host's IPv6 address; it needs no zone.
func (h *Host) Addr6() netip.Addr { return address6(h.segment, h.number) }

// Index asks for the current index of the host's interface.
func (h *Host) Index() (int, error) {
	var index int
	err := h.Do(func() error {
		i, err := net.InterfaceByName(Device)
		if err == nil {
			index = i.Index
		}
		return err
	})
	return index, err
}

// Do runs f inside the host, on the calling goroutine. Sockets that f opens
// stay the host's for ever. Goroutines that f starts do not run in the host,
// and /sys and /proc/net show the machine, not the host: /proc/sys/net and
// /proc/thread-self/net are the host's. f may call t.Fatal, and may panic.
func (h *Host) Do(f func() error) error { return h.ns.do(f) }

// Exec prepares a command that runs inside the host; the caller starts it. It
// is killed, with the processes of its group, when ctx is done or the lab is
// closed. Close kills whatever else it may have started in the host, too.
func (h *Host) Exec(ctx context.Context, name string, args ...string) *exec.Cmd {
	return h.lab.exec(ctx, h.ns, name, args...)
}

func (l *Lab) exec(ctx context.Context, n *namespace, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(l.ctx, cancel)
	ip, err := tool("ip")
	if err != nil {
		ip = "ip" // Start will say that it is missing
	}
	cmd := exec.CommandContext(ctx, ip, append([]string{"netns", "exec", n.name, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	// A grandchild that left the group may hold the output open.
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Sysctl sets a kernel parameter of the host, by its path under /proc/sys:
// "net/ipv4/igmp_max_memberships".
func (h *Host) Sysctl(key, value string) error { return h.ns.sysctl(key, value) }
