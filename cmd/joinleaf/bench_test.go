package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/load"
)

// told is the lines of JSON of one event.
func told(t *testing.T, text, event string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if m["event"] == event {
			all = append(all, m)
		}
	}
	return all
}

func TestLoopback_BenchAloneMeasuresItsLeaves(t *testing.T) {
	for _, class := range []string{"reliable", "best-effort"} {
		p := start(t, library{}, nil, nil, "bench", "--leaves", "2", "--time", "200ms", "--most", "1MB", "--size", "200", "--rate", "100MB/s", "--pings", "5", "--class", class, "--json")
		wantExit(t, "bench", p, exitDone)
		sent, leaves := told(t, p.stdout.String(), "sent"), told(t, p.stdout.String(), "leaf")
		if len(sent) != 1 || len(leaves) != 2 {
			t.Fatal(p.stdout.String())
		}
		n := sent[0]["messages"].(float64)
		if n < 1 || sent[0]["bytes"] != 200*n || sent[0]["messages_per_second"].(float64) <= 0 {
			t.Errorf("%v", sent)
		}
		for _, l := range leaves {
			trip := l["round_trip"].(map[string]any)
			if l["messages"].(float64)+l["missed"].(float64) != n || l["reported"] != true || trip["count"].(float64)+trip["lost"].(float64) != 5 {
				t.Errorf("%v", l)
			}
			if class == "reliable" && (l["missed"] != 0. || trip["p50_us"].(float64) <= 0 || trip["p50_us"].(float64) > trip["max_us"].(float64)) {
				t.Errorf("%v", l)
			}
		}
	}
}

func TestLoopback_BenchSendAndRecv(t *testing.T) {
	env := codeEnv(t)
	send := start(t, library{}, nil, env, "bench", "send", "--listen", "127.0.0.1:0", "--iface", loopback(t), "--wait-for", "2", "--time", "100ms", "--pings", "3", "--source", "group")
	send.until(t, "other side  joinleaf bench recv 127.0.0.1:")
	root := controlLine.FindStringSubmatch(send.stderr.String())[1]
	if !strings.Contains(send.stderr.String(), "at most 6.2 MB/s on the wire") { // %.1f of 6.25 rounds to even
		t.Error("the default rate is not told:", send.stderr.String())
	}
	join := func(command ...string) *process {
		return start(t, library{}, nil, env, append(command, "--iface", loopback(t), "--source", "group")...)
	}
	wantExit(t, "recv at a bench", join("recv", root, "--out", "-"), exitRefused)
	first, second := join("bench", "recv", root), join("bench", "recv", root)
	for _, p := range []*process{first, second, send} {
		wantExit(t, "bench", p, exitDone)
		if out := p.stdout.String(); !strings.Contains(out, " msgs/s ~ ") || !strings.Contains(out, "leaf ") {
			t.Error(out)
		}
	}
	if out := send.stdout.String(); strings.Count(out, "round trip p50 ") != 2 || strings.Count(out, "\n") != 3 {
		t.Error(out)
	}
}

func TestLoopback_BenchRecvAtAnotherSession(t *testing.T) {
	env := codeEnv(t)
	send, root := startSend(t, strings.NewReader("hello"), env, "--in", "-")
	p := start(t, library{}, nil, env, "bench", "recv", root, "--iface", loopback(t))
	wantExit(t, "bench recv at a send", p, exitRefused)
	if !strings.Contains(p.stderr.String(), "this is a joinleaf send") {
		t.Error(p.stderr.String())
	}
	send.interrupt()
	wantExit(t, "send", send, exitInterrupted)
}

// startBench runs a root over sessions in memory, and its leaf.
func startBench(t *testing.T, hall *fakeHall, args ...string) (send, recv *process) {
	t.Helper()
	env := codeEnv(t)
	send = start(t, hall, nil, env, append([]string{"bench", "send", "--json"}, args...)...)
	send.until(t, `"event":"opened"`)
	return send, start(t, hall, nil, env, "bench", "recv", "127.0.0.1:7654")
}

func TestBench_NeverSendsMoreThanItMay(t *testing.T) {
	hall := &fakeHall{}
	send, recv := startBench(t, hall, "--most", "10000", "--size", "1000", "--time", "1m", "--pings", "0")
	wantExit(t, "bench send", send, exitDone)
	wantExit(t, "bench recv", recv, exitDone)
	if sent := told(t, send.stdout.String(), "sent")[0]; sent["messages"] != 10. || sent["bytes"] != 10000. || hall.root.sent != 11 { // and the tally
		t.Errorf("%v, %d messages", sent, hall.root.sent)
	}
	if hall.root.p.TTL != 1 || hall.root.p.Rate != 50e6/8 {
		t.Errorf("TTL %d, rate %d", hall.root.p.TTL, hall.root.p.Rate)
	}

	hall = &fakeHall{}
	begin := time.Now()
	send, recv = startBench(t, hall, "--most", "1000GB", "--time", "50ms", "--pings", "0")
	wantExit(t, "bench send", send, exitDone)
	wantExit(t, "bench recv", recv, exitDone)
	if sent := told(t, send.stdout.String(), "sent")[0]; sent["messages"].(float64) < 1 {
		t.Errorf("%v after %v", sent, time.Since(begin))
	}
}

func TestBench_WhatIsMissedIsToldAndFailsAReliableRun(t *testing.T) {
	for _, c := range []struct {
		class string
		exit  int
	}{{"reliable", exitLost}, {"best-effort", exitDone}} {
		hall := &fakeHall{lose: func(_ uint32, n int) bool { return n == 3 || n == 9 }} // the last too
		send, recv := startBench(t, hall, "--most", "10000", "--size", "1000", "--pings", "0", "--class", c.class)
		wantExit(t, "bench send", send, c.exit)
		wantExit(t, "bench recv", recv, c.exit)
		if l := told(t, send.stdout.String(), "leaf")[0]; l["messages"] != 8. || l["missed"] != 2. {
			t.Errorf("%s: %v", c.class, l)
		}
	}
}

func TestBench_LostPingsAreCountedAndNobodyWaitsForEver(t *testing.T) {
	hall := &fakeHall{lose: func(_ uint32, n int) bool { return n == 3 }} // the second of the pings
	send, recv := startBench(t, hall, "--most", "1024", "--pings", "3", "--class", "best-effort")
	wantExit(t, "bench send", send, exitDone)
	wantExit(t, "bench recv", recv, exitDone)
	trip := told(t, send.stdout.String(), "leaf")[0]["round_trip"].(map[string]any)
	if trip["count"] != 2. || trip["lost"] != 1. {
		t.Errorf("%v", trip)
	}
}

func TestBench_EndsWhenItIsInterruptedOrNobodyComes(t *testing.T) {
	p := start(t, &fakeHall{}, nil, codeEnv(t), "bench", "send", "--max-wait", "20ms")
	wantExit(t, "bench send without leaves", p, exitRefused)
	p = start(t, &fakeHall{}, nil, codeEnv(t), "bench", "send")
	p.until(t, "other side")
	p.interrupt()
	wantExit(t, "bench send that waits", p, exitInterrupted)

	send, recv := startBench(t, &fakeHall{}, "--most", "1024", "--pings", "10000")
	send.until(t, "sending to 1 leaf")
	time.Sleep(50 * time.Millisecond)
	send.interrupt()
	wantExit(t, "bench send that pings", send, exitInterrupted)
	wantExit(t, "its leaf", recv, exitDone) // it had its load
}

func TestTrips_AreOfThePingThatIsOut(t *testing.T) {
	tr, now := newTrips(), time.Now()
	tr.came(2, 0, now) // nothing is out
	all := tr.leave(1, 2, now)
	tr.came(2, 1, now.Add(3*time.Millisecond))
	tr.came(3, 0, now) // too late
	select {
	case <-all:
		t.Fatal("one of two has answered")
	default:
	}
	tr.came(3, 1, now.Add(5*time.Millisecond))
	<-all
	if len(tr.of(2)) != 1 || tr.of(3)[0] != 5*time.Millisecond {
		t.Errorf("%v, %v", tr.of(2), tr.of(3))
	}
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(100-i)*time.Microsecond)
	}
	if got := *tripsOf(times, 101); got != (benchTrips{Count: 100, Lost: 1, P50: 50, P90: 90, P99: 99, Most: 100}) {
		t.Errorf("%+v", got)
	}
	if tripsOf(nil, 0) != nil || tripsOf(nil, 3).String() != "no answer to 3 pings" {
		t.Error("pings that were not sent, or not answered")
	}
}

func TestFigures_AreOfWhatCameAfterTheFirst(t *testing.T) {
	f := figuresOf(load.Report{Messages: 11, Bytes: 1100, Missed: 1, Nanos: 2e9})
	if f.MessagesSecond != 5 || f.BytesSecond != 500 || f.String() != "5 msgs/s ~ 500 B/s" {
		t.Errorf("%+v", f)
	}
	if one := figuresOf(load.Report{Messages: 1, Bytes: 100}); one.MessagesSecond != 0 {
		t.Errorf("%+v", one)
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Error(fmt.Sprint(n), got)
		}
	}
}
