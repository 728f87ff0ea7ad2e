package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// These tests run the command itself, in network namespaces, as its users do.

var (
	built     sync.Once
	binary    string
	buildFail error
)

// command builds the command once.
func command(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		dir, err := os.MkdirTemp("", "joinleaf-lab-")
		if err != nil {
			buildFail = err
			return
		}
		binary = filepath.Join(dir, "joinleaf")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			buildFail = fmt.Errorf("%w: %s", err, out)
		}
	})
	if buildFail != nil {
		t.Fatal(buildFail)
	}
	return binary
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binary != "" {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// stage is a lab with a root and three leaves.
type stage struct {
	*testing.T
	lab    *netlab.Lab
	root   *netlab.Host
	leaves []*netlab.Host
	dir    string
	code   string // file
	ahead  bool   // the command goes before whatever else the machine does
	ctx    context.Context
}

func newStage(t *testing.T, o netlab.Options) *stage {
	netlab.Require(t)
	o.Hosts = []string{"root", "leaf1", "leaf2", "leaf3"}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	s := &stage{T: t, lab: netlab.New(t, o), dir: t.TempDir(), ctx: ctx}
	s.code = filepath.Join(s.dir, "code")
	s.root = s.lab.Host("root")
	for _, n := range o.Hosts[1:] {
		s.leaves = append(s.leaves, s.lab.Host(n))
	}
	return s
}

// run is one process on the stage.
type run struct {
	*exec.Cmd
	name string
	err  *lines
}

// lines collects what a process says and lets tests wait for a phrase.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// start runs the command in a host.
func (s *stage) start(h *netlab.Host, stdin io.Reader, stdout io.Writer, args ...string) *run {
	s.Helper()
	name := command(s.T)
	if chrt, err := exec.LookPath("chrt"); err == nil && s.ahead {
		name, args = chrt, append([]string{"--rr", "1", name}, args...)
	}
	r := &run{Cmd: h.Exec(s.ctx, name, args...), name: h.Name(), err: &lines{}}
	r.Stdin, r.Stdout, r.Stderr = stdin, stdout, r.err
	if err := r.Start(); err != nil {
		s.Fatal(err)
	}
	return r
}

// until waits until the process said that.
func (s *stage) until(r *run, phrase string) {
	s.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(r.err.String(), phrase); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("%s did not say %q:\n%s", r.name, phrase, r.err)
		}
	}
}

// exits waits for a process and checks its exit code.
func (s *stage) exits(r *run, want int) {
	s.Helper()
	r.Wait()
	if got := r.ProcessState.ExitCode(); got != want {
		s.Errorf("%s exits %d, not %d:\n%s", r.name, got, want, r.err)
	}
}

// file makes a random file and returns its path and hash.
func (s *stage) file(size int64) (string, [32]byte) {
	s.Helper()
	f, err := os.Create(filepath.Join(s.dir, "file"))
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.Reader, size); err != nil {
		s.Fatal(err)
	}
	return f.Name(), [32]byte(h.Sum(nil))
}

func (s *stage) hash(path string) (sum [32]byte) {
	s.Helper()
	f, err := os.Open(path)
	if err != nil {
		s.Error(err)
		return
	}
	defer f.Close()
	h := sha256.New()
	io.Copy(h, f)
	return [32]byte(h.Sum(nil))
}

// deliver sends a file from the root to the three leaves and compares.
func (s *stage) deliver(size int64, group string, root netip.Addr) {
	s.Helper()
	path, want := s.file(size)
	send := s.start(s.root, nil, nil, "send", "--in", path, "--group", group, "--listen", netip.AddrPortFrom(root, 7100).String(),
		"--iface", netlab.Device, "--wait-for", "3", "--code-file", s.code)
	s.until(send, "other side")
	var recvs []*run
	for _, h := range s.leaves {
		out := filepath.Join(s.dir, h.Name())
		recvs = append(recvs, s.start(h, nil, nil, "recv", netip.AddrPortFrom(root, 7100).String(), "--out", out, "--iface", netlab.Device, "--code-file", s.code))
	}
	for _, r := range recvs {
		s.exits(r, exitDone)
	}
	s.exits(send, exitDone)
	for _, h := range s.leaves {
		out := filepath.Join(s.dir, h.Name())
		if s.hash(out) != want {
			s.Errorf("%s has another file", h.Name())
		}
		os.Remove(out)
	}
}

func TestLab_FileToThreeLeavesAtEveryLoss(t *testing.T) {
	for _, kind := range []string{"IPv4", "IPv6", "source-specific"} {
		for _, loss := range []float64{0, 1, 5} {
			t.Run(fmt.Sprintf("%s, loss %v%%", kind, loss), func(t *testing.T) {
				s := newStage(t, netlab.Options{})
				s.lossy(loss)
				group, root := "239.192.10.1:7101", s.root.Addr4()
				switch kind {
				case "IPv6":
					group, root = "[ff15::10:1]:7101", s.root.Addr6()
				case "source-specific":
					group = root.String() + "@232.192.10.1:7101"
				}
				begin := time.Now()
				s.deliver(256<<20, group, root)
				t.Logf("256 MiB to three leaves in %.1f s", time.Since(begin).Seconds())
				for _, h := range s.leaves {
					if n, err := h.Lost(netlab.In); loss > 0 && (err != nil || n == 0) {
						t.Errorf("%s lost nothing: %v", h.Name(), err)
					}
				}
			})
		}
	}
}

// lossy makes every leaf lose single packets, each by itself.
func (s *stage) lossy(percent float64) {
	s.Helper()
	if err := s.root.SetOffload(false); err != nil { // the filter is to see single packets
		s.Fatal(err)
	}
	for _, h := range s.leaves {
		if err := h.SetLoss(netlab.In, percent); err != nil {
			s.Fatal(err)
		}
	}
}

func TestLab_IPv6SourceSpecific(t *testing.T) {
	s := newStage(t, netlab.Options{})
	s.lossy(1)
	s.deliver(16<<20, s.root.Addr6().String()+"@[ff35::8000:1]:7101", s.root.Addr6())
}

func TestLab_TheWireCarriesEachPacketOnceAndNoPlaintext(t *testing.T) {
	s := newStage(t, netlab.Options{})
	s.root.SetOffload(false)
	const size = 8 << 20
	mark := []byte("a line that nobody on the wire may read\n")
	path := filepath.Join(s.dir, "plain")
	if err := os.WriteFile(path, bytes.Repeat(mark, size/len(mark)+1)[:size], 0o600); err != nil {
		t.Fatal(err)
	}
	dump := filepath.Join(s.dir, "dump.pcap")
	capture, err := s.lab.Capture(netlab.CaptureOptions{Host: s.root, File: dump, For: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.lab.CountGroups(); err != nil {
		t.Fatal(err)
	}
	send := s.start(s.root, nil, nil, "send", "--in", path, "--group", "239.192.10.2:7101", "--listen", s.root.Addr4().String()+":7100",
		"--iface", netlab.Device, "--wait-for", "3", "--code-file", s.code, "--rate", "8MB/s", // tcpdump is to keep up
		"--source", "group") // how many manifests there are depends on how often the sender has to wait
	s.until(send, "other side")
	var recvs []*run
	for _, h := range s.leaves {
		recvs = append(recvs, s.start(h, nil, nil, "recv", s.root.Addr4().String()+":7100", "--out", filepath.Join(s.dir, h.Name()), "--iface", netlab.Device, "--code-file", s.code, "--source", "group"))
	}
	for _, r := range recvs {
		s.exits(r, exitDone)
	}
	s.exits(send, exitDone)
	if err := capture.Stop(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) < size {
		t.Errorf("the capture has %d bytes for a file of %d", len(raw), size)
	}
	if bytes.Contains(raw, mark[:20]) {
		t.Error("plaintext on the wire")
	}
	out, err := s.lab.GroupPackets(s.root, netlab.Out, netip.MustParseAddr("239.192.10.2"))
	if err != nil {
		t.Fatal(err)
	}
	const payload = 1384
	if least := uint64(size / payload); out < least || out > least*105/100+200 {
		t.Errorf("%d packets to the group for %d of payload", out, least)
	}
}
