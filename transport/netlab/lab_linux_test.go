package netlab

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNew_HostsCanTalkAtOnce(t *testing.T) {
	Require(t)
	start := time.Now()
	l := New(t, Options{Hosts: []string{"a", "b", "c", "d"}})
	t.Logf("four hosts in %v", time.Since(start))
	a, d := l.Host("a"), l.Host("d")
	for _, f := range families {
		var c *net.UDPConn
		must(t, d.Do(func() (err error) {
			c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.addr(d), 0)))
			return err
		}))
		e := listen(t, c)
		if to := c.LocalAddr().(*net.UDPAddr).AddrPort(); !reaches(t, speaker(t, a, f.addr(a), 1), to, e) {
			t.Errorf("%s: nothing from a arrives at %v", f.name, to)
		}
	}
}

func TestNew_HostsAreApartFromTheMachine(t *testing.T) {
	Require(t)
	before, err := net.Interfaces()
	must(t, err)
	l := New(t, Options{Hosts: []string{"a"}, MTU: 1400})
	a := l.Host("a")
	after, err := net.Interfaces()
	must(t, err)
	if len(before) != len(after) {
		t.Errorf("the machine had %d interfaces, with a lab it has %d", len(before), len(after))
	}
	var inside []net.Interface
	must(t, a.Do(func() (err error) {
		inside, err = net.Interfaces()
		return err
	}))
	if len(inside) != 2 || inside[0].Name != "lo" || inside[1].Name != Device || inside[1].MTU != 1400 {
		t.Errorf("a host has %+v; want lo and %s with an MTU of 1400", inside, Device)
	}
	must(t, a.Sysctl("net/ipv4/igmp_max_memberships", "3"))
	own, err := os.ReadFile("/proc/sys/net/ipv4/igmp_max_memberships")
	must(t, err)
	if strings.TrimSpace(string(own)) == "3" {
		t.Error("a host's Sysctl changed the machine's")
	}
}

func TestOpen_RefusesWhatCannotBe(t *testing.T) {
	Require(t)
	for what, o := range map[string]Options{
		"a name that is a path":    {Hosts: []string{"../a"}},
		"a name of ip's":           {Hosts: []string{"A"}},
		"the switch's name":        {Hosts: []string{switchName}},
		"the same name twice":      {Hosts: []string{"a", "b", "a"}},
		"nine segments":            {Segments: 9},
		"an MTU too small for ip6": {MTU: 1000},
	} {
		if l, err := Open(o); err == nil {
			t.Errorf("%s is accepted", what)
			must(t, l.Close())
		}
	}
	l := New(t, Options{Hosts: []string{"a"}})
	for what, make := range map[string]func() error{
		"a second a":           func() error { _, err := l.AddHost("a", 0); return err },
		"a segment not there":  func() error { _, err := l.AddHost("b", 1); return err },
		"a router of one side": func() error { _, err := l.AddRouter("r"); return err },
		"loss above 100":       func() error { return l.Host("a").SetLoss(In, 101) },
		"a negative rate":      func() error { return l.Host("a").SetRate(In, -1) },
	} {
		if make() == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	must(t, l.Close())
	if _, err := l.AddHost("late", 0); !errors.Is(err, net.ErrClosed) {
		t.Errorf("another host in a closed lab: %v; want net.ErrClosed", err)
	}
	if left := namesLike(t, l.prefix+"-"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestClose_LeavesNothing(t *testing.T) {
	Require(t)
	l, err := Open(Options{Hosts: []string{"a", "b"}, Segments: 2})
	must(t, err)
	_, err = l.AddRouter("r")
	must(t, err)
	if got := namesLike(t, l.prefix+"-"); len(got) != 4 {
		t.Errorf("a lab of two hosts and a router is %v", got)
	}
	a := l.Host("a")
	asked := a.Exec(t.Context(), "sleep", "1000")
	must(t, asked.Start())
	// A process that leaves its group and its parent, as a daemon does.
	daemon := a.Exec(t.Context(), "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
	_, err = daemon.Output()
	must(t, err)
	for len(processesIn([]string{a.Namespace()})) < 2 {
		time.Sleep(time.Millisecond) // until both have come into the namespace
	}
	pids := processesIn([]string{a.Namespace()})
	must(t, l.Close())
	if err := asked.Wait(); err == nil {
		t.Error("a command ended well though its lab was closed")
	}
	for _, pid := range pids {
		if _, state, err := startTime(pid); err == nil && state != "Z" {
			t.Errorf("process %d of the lab is still there, state %s", pid, state)
		}
	}
	if left := namesLike(t, l.prefix+"-"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	must(t, l.Close()) // again: nothing
}

// namesLike lists the namespaces whose names begin so.
func namesLike(t *testing.T, prefix string) []string {
	t.Helper()
	entries, err := os.ReadDir(namespaceDir)
	must(t, err)
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestDo_GivesTheThreadBack(t *testing.T) {
	Require(t)
	l := New(t, Options{Hosts: []string{"a", "b"}})
	before, err := identity("/proc/thread-self/ns/net")
	must(t, err)
	here := func() [2]uint64 {
		id, err := identity("/proc/thread-self/ns/net")
		must(t, err)
		return id
	}
	a, b := l.Host("a"), l.Host("b")
	var inA, inB, backInA [2]uint64
	must(t, a.Do(func() error {
		inA = here()
		err := b.Do(func() error {
			inB = here()
			return nil
		})
		backInA = here()
		return err
	}))
	func() {
		defer func() { recover() }()
		_ = a.Do(func() error { panic("in the middle") })
	}()
	done := make(chan struct{})
	go func() { // as t.FailNow ends a test
		defer close(done)
		defer func() {
			if id, _ := identity("/proc/thread-self/ns/net"); id != before {
				t.Error("Goexit left the thread in the host")
			}
		}()
		_ = a.Do(func() error {
			exit()
			return nil
		})
	}()
	<-done
	if inA == before || inB == before || inA == inB || backInA != inA || here() != before {
		t.Errorf("namespaces: machine %v, a %v, b inside a %v, a again %v, machine again %v", before, inA, inB, backInA, here())
	}
	must(t, l.Close())
	if err := a.Do(func() error { return nil }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Do in a closed lab: %v; want net.ErrClosed", err)
	}
}

func TestNames_AreRecognised(t *testing.T) {
	for name, want := range map[string]bool{
		"jl12-a0-1-root": true, "jl12-a0-1-sw": true,
		"jl12-root": false, "jlx": false, "jl12-a0-1-": false, "jl-a0-1-root": false, "xjl12-a0-1-root": false,
		"jl12-a0-1-../x": false, "mine": false,
	} {
		if got := ownedName.MatchString(name); got != want {
			t.Errorf("%q is ours: %v; want %v", name, got, want)
		}
	}
	own, err := ownPrefix()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	if parts := strings.Split(own, "-"); !alive(os.Getpid(), parts[1]) || alive(os.Getpid(), "1") || alive(1<<30, parts[1]) {
		t.Error("alive does not tell this process from another one")
	}
	if !slices.Equal(ownedName.FindStringSubmatch(own + "-1-a")[1:], strings.Split(own[2:], "-")) {
		t.Errorf("names like %s-1-a are not taken apart", own)
	}
}
