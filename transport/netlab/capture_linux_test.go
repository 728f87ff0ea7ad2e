package netlab

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// packetsIn counts the packets of a capture that match a filter.
func packetsIn(t *testing.T, file, filter string) int {
	t.Helper()
	path, err := tool("tcpdump")
	must(t, err)
	out, err := exec.CommandContext(t.Context(), path, "-n", "-r", file, filter).Output()
	must(t, err)
	return strings.Count(string(out), "\n")
}

func TestCapture_HoldsWhatCrossedTheSwitch(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a", "b"}})
	a, b := l.Host("a"), l.Host("b")
	all, port := filepath.Join(t.TempDir(), "all.pcap"), filepath.Join(t.TempDir(), "b.pcap")
	m, e := speaker(t, a, a.Addr4(), 1), member(t, b, group4)
	if !reaches(t, m, group4, e) {
		t.Fatal("no stream to record")
	}
	whole, err := l.Capture(CaptureOptions{File: all, Filter: "udp"})
	must(t, err)
	one, err := l.Capture(CaptureOptions{File: port, Host: b})
	must(t, err)
	first := m.send(t, group4, 20)
	m.send(t, nobody(t, b), 10)
	settled(e, first)
	must(t, whole.Stop())
	must(t, one.Stop())
	must(t, one.Stop()) // again: the same answer
	filter := fmt.Sprintf("udp and dst host %v and src host %v", group4.Addr(), a.Addr4())
	if n, u := packetsIn(t, all, filter), packetsIn(t, all, "udp and not multicast"); n != 20 || u != 10 {
		t.Errorf("the switch's capture has %d packets of the group and %d others; sent were 20 and 10", n, u)
	}
	if n := packetsIn(t, port, filter); n != 20 {
		t.Errorf("the capture at b's port has %d packets of the group; sent were 20", n)
	}
}

func TestCapture_EndsByItself(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a"}})
	c, err := l.Capture(CaptureOptions{File: filepath.Join(t.TempDir(), "short.pcap"), For: 50 * time.Millisecond})
	must(t, err)
	<-c.ended
	must(t, c.Stop())

	if _, err := l.Capture(CaptureOptions{File: filepath.Join(t.TempDir(), "x.pcap"), Filter: "no such filter"}); err == nil {
		t.Error("a filter that tcpdump cannot read is accepted")
	}
	c, err = l.Capture(CaptureOptions{File: filepath.Join(t.TempDir(), "cut.pcap")})
	must(t, err)
	must(t, l.Close())
	<-c.ended
	if err := c.Stop(); err == nil {
		t.Error("a capture that was cut off by Close says that it is complete")
	}
	if _, err := l.Capture(CaptureOptions{File: filepath.Join(t.TempDir(), "late.pcap")}); err == nil {
		t.Error("a closed lab is recorded")
	}
}

func TestGroupCounts_TellGroupsHostsAndWays(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a", "b"}, NoQuerier: true})
	a := l.Host("a")
	must(t, l.CountGroups())
	for _, f := range families {
		speaker(t, a, f.addr(a), 1).send(t, f.group, 7)
	}
	counts, err := l.GroupCounts()
	must(t, err)
	want := []GroupCount{
		{group4.Addr(), "a", Out, 7, 7 * 428}, {group4.Addr(), "b", In, 7, 7 * 428},
		{group6.Addr(), "a", Out, 7, 7 * 448}, {group6.Addr(), "b", In, 7, 7 * 448},
	}
	if !slices.Equal(counts, want) {
		t.Errorf("counted %v; want %v", counts, want)
	}
	must(t, l.CountGroups())
	if counts, err := l.GroupCounts(); err != nil || len(counts) != 0 {
		t.Errorf("begun again: %v, %v; want nothing", counts, err)
	}
}
