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

// frames are the hashes of the frames that ffmpeg decodes from a file.
func (s *stage) frames(file string) string {
	s.Helper()
	var errs bytes.Buffer
	c := exec.CommandContext(s.ctx, "ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-f", "framemd5", "-")
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil || errs.Len() > 0 {
		s.Errorf("ffmpeg cannot decode %s: %v %s", file, err, errs.String())
	}
	return string(out)
}

func TestLab_MPEGTSThroughUDPDoors(t *testing.T) {
	s := newStage(t, netlab.Options{})
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("JOINLEAF_REQUIRE_LAB") == "1" {
			t.Fatal("ffmpeg is missing: apt-get install ffmpeg")
		}
		t.Skip("ffmpeg is missing: apt-get install ffmpeg")
	}
	ts := filepath.Join(s.dir, "in.ts")
	if out, err := exec.CommandContext(s.ctx, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=6",
		"-c:v", "mpeg2video", "-b:v", "4M", "-f", "mpegts", ts).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	send := s.start(s.root, nil, nil, "send", "--in", "udp://127.0.0.1:5000", "--group", "239.192.10.3:7101", "--listen", s.root.Addr4().String()+":7100",
		"--iface", netlab.Device, "--wait-for", "3", "--code-file", s.code)
	s.until(send, "other side")
	var recvs, players []*run
	for _, h := range s.leaves {
		out := filepath.Join(s.dir, h.Name()+".ts")
		p := &run{Cmd: h.Exec(s.ctx, "ffmpeg", "-v", "error", "-y", "-i", "udp://127.0.0.1:5001?timeout=4000000&fifo_size=100000&buffer_size=4000000",
			"-map", "0:v", "-c", "copy", "-f", "mpegts", out), name: "player " + h.Name(), err: &lines{}}
		p.Stderr = p.err
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		players = append(players, p)
		recvs = append(recvs, s.start(h, nil, nil, "recv", s.root.Addr4().String()+":7100", "--out", "udp://127.0.0.1:5001", "--iface", netlab.Device, "--code-file", s.code))
	}
	s.until(send, "leaf 4") // all are in
	time.Sleep(time.Second) // the players listen
	feed := s.root.Exec(s.ctx, "ffmpeg", "-v", "error", "-re", "-i", ts, "-c", "copy", "-f", "mpegts", "udp://127.0.0.1:5000?pkt_size=1316")
	if out, err := feed.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	want := s.frames(ts)
	for i, p := range players {
		p.Wait() // ends by its time-out, once nothing comes any more
		if got := s.frames(filepath.Join(s.dir, s.leaves[i].Name()+".ts")); got != want {
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
