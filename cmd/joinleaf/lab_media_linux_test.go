package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// wantFFmpeg skips where there is none.
func wantFFmpeg(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("JOINLEAF_REQUIRE_LAB") == "1" {
			t.Fatal("ffmpeg is missing: apt-get install ffmpeg")
		}
		t.Skip("ffmpeg is missing: apt-get install ffmpeg")
	}
}

// film makes a transport stream.
func (s *stage) film(args ...string) string {
	s.Helper()
	ts := filepath.Join(s.dir, "in.ts")
	args = append(append([]string{"-v", "error", "-f", "lavfi", "-i"}, args...), "-f", "mpegts", ts)
	if out, err := exec.CommandContext(s.ctx, "ffmpeg", args...).CombinedOutput(); err != nil {
		s.Fatalf("%v %s", err, out)
	}
	return ts
}

// player records what comes to url; it ends when nothing came for a while.
type player struct {
	*run
	file string
}

func (s *stage) play(h *netlab.Host, name, url string) player {
	s.Helper()
	p := player{&run{name: name + " " + h.Name(), err: &lines{}}, filepath.Join(s.dir, name+"-"+h.Name()+".ts")}
	p.Cmd = h.Exec(s.ctx, "ffmpeg", "-v", "error", "-y", "-i", url+"timeout=4000000&fifo_size=100000&buffer_size=4000000",
		"-map", "0:v", "-c", "copy", "-f", "mpegts", p.file)
	p.Stderr = p.err
	if err := p.Start(); err != nil {
		s.Fatal(err)
	}
	return p
}

// end waits until nothing comes any more, which the player notices; one that
// is at a loss with what came is interrupted.
func (p player) end() {
	t := time.AfterFunc(10*time.Second, func() { p.Process.Signal(os.Interrupt) })
	defer t.Stop()
	p.Wait()
}

// show plays a transport stream to url at its own pace.
func (s *stage) show(ts, url string) error {
	out, err := s.root.Exec(s.ctx, "ffmpeg", "-v", "error", "-re", "-i", ts, "-c", "copy", "-f", "mpegts", url).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w %s", err, out)
	}
	return nil
}

// decode gives the hashes of the frames that ffmpeg decodes from a file, and
// what it has to say against it.
func (s *stage) decode(file string) (frames, complaints string) {
	s.Helper()
	var errs bytes.Buffer
	c := exec.CommandContext(s.ctx, "ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-f", "framemd5", "-")
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		fmt.Fprintln(&errs, err)
	}
	return string(out), errs.String()
}

// frames is decode of what must be flawless.
func (s *stage) frames(file string) string {
	s.Helper()
	frames, complaints := s.decode(file)
	if complaints != "" {
		s.Errorf("ffmpeg cannot decode %s: %s", file, complaints)
	}
	return frames
}

func TestLab_MPEGTSThroughUDPDoors(t *testing.T) {
	s := newStage(t, netlab.Options{})
	wantFFmpeg(t)
	ts := s.film("testsrc2=size=640x360:rate=25:duration=6", "-c:v", "mpeg2video", "-b:v", "4M")
	send := s.start(s.root, nil, nil, "send", "--in", "udp://127.0.0.1:5000", "--group", "239.192.10.3:7101", "--listen", s.root.Addr4().String()+":7100",
		"--iface", netlab.Device, "--wait-for", "3", "--code-file", s.code)
	s.until(send, "other side")
	var recvs []*run
	var players []player
	for _, h := range s.leaves {
		players = append(players, s.play(h, "player", "udp://127.0.0.1:5001?"))
		recvs = append(recvs, s.start(h, nil, nil, "recv", s.root.Addr4().String()+":7100", "--out", "udp://127.0.0.1:5001", "--iface", netlab.Device, "--code-file", s.code))
	}
	s.until(send, "leaf 4") // all are in
	time.Sleep(time.Second) // the players listen
	if err := s.show(ts, "udp://127.0.0.1:5000?pkt_size=1316"); err != nil {
		t.Fatal(err)
	}
	want := s.frames(ts)
	for _, p := range players {
		p.end()
		if got := s.frames(p.file); got != want {
			t.Errorf("%s decoded %d lines of frames, not the %d that were sent", p.name, strings.Count(got, "\n"), strings.Count(want, "\n"))
		}
	}
	send.Process.Signal(os.Interrupt)
	send.Wait()
	for _, r := range recvs {
		r.Process.Signal(os.Interrupt)
		r.Wait()
	}
}

// TestLab_HostilePeersDoNotDelayAJoin throws junk, half-open and slow
// connections at the control port and junk at the data ports.
func TestLab_HostilePeersDoNotDelayAJoin(t *testing.T) {
	s := newStage(t, netlab.Options{})
	path, want := s.file(1 << 20)
	send := s.start(s.root, nil, nil, "send", "--in", path, "--group", "239.192.10.4:7101", "--listen", s.root.Addr4().String()+":7100",
		"--iface", netlab.Device, "--wait-for", "1", "--code-file", s.code)
	s.until(send, "other side")
	to := netip.AddrPortFrom(s.root.Addr4(), 7100).String()
	stop := make(chan struct{})
	defer close(stop)
	if err := s.leaves[2].Do(func() error { return s.harass(to, stop) }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // the junk flows
	if kb := s.resident(send); kb > 96<<10 {
		t.Errorf("the sender holds %d KiB under attack", kb)
	}
	begin := time.Now()
	recv := s.start(s.leaves[0], nil, nil, "recv", to, "--out", filepath.Join(s.dir, "out"), "--iface", netlab.Device, "--code-file", s.code)
	s.exits(recv, exitDone)
	t.Logf("joined and received under attack in %v", time.Since(begin))
	s.exits(send, exitDone)
	if s.hash(filepath.Join(s.dir, "out")) != want {
		t.Error("another file")
	}
}

// resident is the memory that a process holds, in KiB.
func (s *stage) resident(r *run) (kb int) {
	s.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Process.Pid))
	if err != nil {
		s.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	if _, err := fmt.Sscan(after, &kb); err != nil {
		s.Fatal(err)
	}
	s.Logf("%s holds %d KiB", r.name, kb)
	return kb
}

// harass opens its sockets in the attacker's host and leaves them open.
func (s *stage) harass(to string, stop <-chan struct{}) error {
	for i := range 300 {
		c, err := net.DialTimeout("tcp", to, time.Second)
		if err != nil {
			continue // pushed out is what is wanted
		}
		switch i % 3 {
		case 0: // says nothing
		case 1:
			c.Write(bytes.Repeat([]byte{0xa5}, 4096))
		case 2:
			c.Write([]byte{0x16, 3, 1, 0x40, 0, 1}) // begins a hello that never ends
		}
		s.Cleanup(func() { c.Close() })
	}
	u, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	s.Cleanup(func() { u.Close() })
	device, err := net.InterfaceByName(netlab.Device)
	if err != nil {
		return err
	}
	if err := ipv4.NewPacketConn(u).SetMulticastInterface(device); err != nil {
		return err
	}
	go func() {
		junk := bytes.Repeat([]byte{0x10}, 1200)
		for i := 0; i < 20_000; i++ {
			select {
			case <-stop:
				return
			default:
			}
			u.WriteToUDPAddrPort(junk[:i%len(junk)], netip.MustParseAddrPort("239.192.10.4:7101"))
			for port := uint16(32768); port < 32768+8; port++ {
				u.WriteToUDPAddrPort(junk, netip.AddrPortFrom(s.root.Addr4(), port+uint16(i%3500)*8))
			}
			time.Sleep(100 * time.Microsecond)
		}
	}()
	return nil
}
