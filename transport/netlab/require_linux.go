package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tools are the commands that a lab is built with, and the package of Debian
// that brings each.
var tools = []struct{ name, pkg string }{
	{"ip", "iproute2"},
	{"tc", "iproute2"},
	{"nft", "nftables"},
	{"ethtool", "ethtool"},
	{"tcpdump", "tcpdump"},
}

// Require skips t, saying what is missing, on a machine that cannot have a
// lab. With JOINLEAF_REQUIRE_LAB=1, as CI sets it, it fails t instead.
func Require(t testing.TB) {
	t.Helper()
	err := Missing()
	switch {
	case err == nil:
	case os.Getenv("JOINLEAF_REQUIRE_LAB") == "1":
		t.Fatalf("%v, and JOINLEAF_REQUIRE_LAB=1 forbids skipping", err)
	default:
		t.Skipf("SKIPPED: %v", err)
	}
}

// Missing tells what this machine lacks for a lab, all of it in one error;
// nil means that [Open] will find what it needs.
func Missing() error {
	var lacks []string
	if err := mayUnshare(); err != nil {
		lacks = append(lacks, fmt.Sprintf("the right to make network namespaces (%v; run as root)", err))
	}
	for _, t := range tools {
		if _, err := tool(t.name); err != nil {
			lacks = append(lacks, fmt.Sprintf("%s (apt-get install %s)", t.name, t.pkg))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return errors.New("netlab needs " + strings.Join(lacks, ", "))
}

// mayUnshare asks for the two capabilities by number rather than by trying: a
// trial would leave the thread in another namespace.
func mayUnshare() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for _, c := range []struct {
		bit  int
		name string
	}{{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}} {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			return errors.New("no " + c.name)
		}
	}
	return nil
}

// tool finds a command, also where a user's PATH does not lead.
func tool(name string) (string, error) {
	p, err := exec.LookPath(name)
	if err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if p, lookErr := exec.LookPath(filepath.Join(dir, name)); lookErr == nil {
			return p, nil
		}
	}
	return "", err
}
