package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// TestLab_DeadlineKeepsEveryFrameWherePlainMulticastBreaksThem plays one film of
// 8 Mbit/s twice at the same time to three hosts that lose 3 % of all packets
// each: over plain multicast UDP, and through a session with a deadline of
// 200 ms. The first breaks at every player, the second at none.
func TestLab_DeadlineKeepsEveryFrameWherePlainMulticastBreaksThem(t *testing.T) {
	s := newStage(t, netlab.Options{})
	wantFFmpeg(t)
	ts := s.film("testsrc2=size=640x360:rate=25:duration=8,noise=alls=30:allf=t", "-c:v", "mpeg2video", "-g", "25",
		"-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "2M")
	if info, err := os.Stat(ts); err != nil || info.Size() < 7_000_000 {
		t.Fatalf("the film has %v, %v; it is to have 8 Mbit/s for 8 s", info, err)
	}
	s.lossy(3)
	s.ahead = true // who does not run for 200 ms is late, not broken
	send := s.start(s.root, nil, nil, "send", "--in", "udp://127.0.0.1:5000", "--group", "239.192.10.5:7101", "--listen", s.root.Addr4().String()+":7100",
		"--iface", netlab.Device, "--wait-for", "3", "--code-file", s.code, "--class", "deadline", "--latency", "200ms")
	s.until(send, "(datagrams, deadline 200ms)")
	s.until(send, "other side")
	var recvs []*run
	var repaired, plain []player
	const group = "udp://239.192.10.6:5002?"
	for _, h := range s.leaves {
		plain = append(plain, s.play(h, "plain", group+"localaddr="+h.Addr4().String()+"&"))
		door := "udp://" + h.Addr4().String() + ":5001" // the loss spares what comes from there
		repaired = append(repaired, s.play(h, "repaired", door+"?"))
		recvs = append(recvs, s.start(h, nil, nil, "recv", s.root.Addr4().String()+":7100", "--out", door, "--iface", netlab.Device,
			"--code-file", s.code, "--json"))
	}
	s.until(send, "sending to 3 leaves")
	time.Sleep(time.Second) // the players listen
	shown := make(chan error, 1)
	go func() { shown <- s.show(ts, group+"pkt_size=1316&localaddr="+s.root.Addr4().String()) }()
	if err := s.show(ts, "udp://127.0.0.1:5000?pkt_size=1316"); err != nil {
		t.Fatal(err)
	}
	if err := <-shown; err != nil {
		t.Fatal(err)
	}
	s.compare(s.frames(ts), repaired, plain)
	send.Process.Signal(os.Interrupt)
	s.exits(send, exitInterrupted)
	for i, r := range recvs {
		s.exits(r, exitDone)
		s.repaired(r)
		if n, err := s.leaves[i].Lost(netlab.In); err != nil || n < 300 {
			t.Errorf("%s lost %d packets only, %v", r.name, n, err)
		}
	}
}

// compare holds what the players recorded against the source's frames. The
// repaired ones are to be the same to the last time stamp; of the others it
// counts the pictures that are.
func (s *stage) compare(want string, repaired, plain []player) {
	s.Helper()
	sent := pictures(want)
	for _, p := range repaired {
		p.end()
		if got := s.frames(p.file); got != want {
			s.Errorf("%s has %d frames, not the %d that were sent", p.name, len(pictures(got)), len(sent))
		}
	}
	for _, p := range plain {
		p.Process.Signal(os.Interrupt) // what was lost may keep it waiting
		p.end()
		got, complaints := s.decode(p.file)
		same, shown := 0, pictures(got)
		for _, hash := range shown {
			if slices.Contains(sent, hash) {
				same++
			}
		}
		s.Logf("%s, without joinleaf: %d of %d frames are as sent; ffmpeg complains in %d lines", p.name, same, len(sent), strings.Count(complaints, "\n"))
		if len(shown) < len(sent)/2 || same >= len(sent) {
			s.Errorf("%s decoded %d frames, %d of them as sent: it is to see the film, and to see it broken", p.name, len(shown), same)
		}
	}
}

// pictures are the hashes alone.
func pictures(frames string) (hashes []string) {
	for line := range strings.Lines(frames) {
		if f := strings.Fields(line); !strings.HasPrefix(line, "#") && len(f) > 0 {
			hashes = append(hashes, f[len(f)-1])
		}
	}
	return hashes
}

// repaired checks the last line of a receiver: it lost, and missed nothing.
func (s *stage) repaired(r *run) {
	s.Helper()
	var last struct {
		Event, Result, Class     string
		Repairs, Missing, Missed uint64
	}
	for line := range strings.Lines(r.err.String()) {
		if strings.Contains(line, `"event":"done"`) {
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				s.Error(err)
			}
		}
	}
	if last.Result != "complete" || last.Class != "deadline" || last.Repairs == 0 || last.Missing != 0 || last.Missed != 0 {
		s.Errorf("%s ends with %+v", r.name, last)
	}
	s.Logf("%s repaired %d packets and missed nothing", r.name, last.Repairs)
}
