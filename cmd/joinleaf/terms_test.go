package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
	"github.com/joinleaf/joinleaf/transport"
)

func TestTerms_FilesWaitForSlowLeavesAndLiveInputsDoNot(t *testing.T) {
	for _, c := range []struct {
		slow string
		kind parcel.Kind
		wait bool
	}{
		{"", parcel.File, true},
		{"", parcel.Stream, false},
		{"", parcel.Datagrams, false},
		{"quarantine", parcel.File, false},
		{"wait", parcel.Datagrams, true},
	} {
		f := termFlags{class: "reliable", slow: c.slow, parity: "on"}
		got, err := f.read()
		if err == nil {
			err = f.settle(&got, c.kind)
		}
		if err != nil || got.Wait != c.wait {
			t.Errorf("--slow %q for a %v waits: %v, %v", c.slow, c.kind, got.Wait, err)
		}
	}
}

func TestTerms_ReachTheSession(t *testing.T) {
	f := termFlags{class: "deadline", latency: "1.5s", slow: "wait", parity: "off"}
	got, err := f.read()
	if err == nil {
		err = f.settle(&got, parcel.Stream)
	}
	if want := (terms{Class: parcel.Deadline, Latency: 1500 * time.Millisecond, Wait: true, NoParity: true}); err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
	c := library{}.config(plan{Terms: got})
	if c.Latency != got.Latency || !c.NoQuarantine || !c.NoParity || c.Replay != 0 || len(c.Streams) != 2 || uint8(c.Streams[0]) != uint8(parcel.Deadline) {
		t.Fatalf("%+v", c)
	}
	if c = (library{}).config(plan{Terms: terms{Replay: 1 << 20}}); c.Replay < 1<<20*17/16 || c.NoQuarantine || c.Streams != nil {
		t.Fatalf("%+v", c)
	}
}

func TestLatency_IsToldAtBothEnds(t *testing.T) {
	hall, env := &fakeHall{}, codeEnv(t)
	send := start(t, hall, strings.NewReader("x"), env, "send", "--in", "-", "--iface", "lo", "--class", "deadline", "--latency", "80ms")
	send.until(t, "(stream, deadline 80ms)")
	recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", "-", "--json")
	wantExit(t, "send", send, exitDone)
	wantExit(t, "recv", recv, exitDone)
	told := 0
	for line := range strings.Lines(recv.stderr.String()) {
		var m struct {
			Event, Class string
			Latency      int `json:"latency_ms"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m.Class == "deadline" && m.Latency == 80 && (m.Event == "joined" || m.Event == "done") {
			told++
		}
	}
	if told != 2 {
		t.Fatal("the receiver's lines do not tell class and latency:\n", recv.stderr.String())
	}
}

func TestStanding_IsToldAtBothEndsWithItsReason(t *testing.T) {
	hall, env := &fakeHall{}, codeEnv(t)
	r, w := io.Pipe()
	send := start(t, hall, r, env, "send", "--in", "-", "--iface", "lo")
	send.until(t, "are served apart, and evicted")
	recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", "-")
	send.until(t, "sending to 1 leaf")
	recv.until(t, "receives")
	drags := standing{2, standsApart, "holds everybody back"}
	hall.root.news <- drags
	hall.root.leaves[0].news <- drags
	send.until(t, "\nleaf 2 (127.0.0.1:4002) is served apart and may miss data: it holds everybody back\n")
	recv.until(t, "\nwarning: the sender serves this receiver apart, and it may miss data: it holds everybody back\n")
	hall.root.news <- standing{Leaf: 2}
	hall.root.leaves[0].news <- standing{Leaf: 2}
	send.until(t, "\nleaf 2 (127.0.0.1:4002) keeps up again\n")
	recv.until(t, "\nthis receiver keeps up again\n")
	hall.root.leaves[0].news <- drags
	hall.root.leaves[0].news <- standing{2, standsOut, "it has not kept up for a minute"}
	recv.until(t, "\nwarning: this receiver is out of the session: it has not kept up for a minute\n")
	w.Close()
	wantExit(t, "send", send, exitDone)
	wantExit(t, "recv", recv, exitDone)
}

func TestStanding_IsOneJSONObject(t *testing.T) {
	for want, e := range map[string]event{
		`{"schema":1,"event":"quarantined","leaf":3,"text":"holds \"all\"","address":"10.0.0.3:9"}` + "\n": leafStanding{standing{3, standsApart, `holds "all"`}, "10.0.0.3:9"},
		`{"schema":1,"event":"returned","leaf":3,"text":""}` + "\n":                                        ownStanding{standing{Leaf: 3}},
	} {
		if got := string(jsonLine(e)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestEviction_IsToldWithItsReasonAlone(t *testing.T) {
	err := &transport.Error{Op: "leaf", Code: transport.WSAECONNABORTED, Err: io.ErrNoProgress}
	if got := words(err); got != io.ErrNoProgress.Error() {
		t.Fatal(got)
	}
}

func TestStandstill_IsToldOnceEachTime(t *testing.T) {
	var w standstill
	now := time.Unix(1000, 0)
	for i, c := range []struct {
		after time.Duration
		moved uint64
		busy  bool
		told  bool
	}{
		{0, 5, true, false},
		{2 * time.Second, 5, true, false},
		{time.Second, 5, true, true},
		{time.Minute, 5, true, false}, // once
		{time.Second, 6, true, false}, // it goes on
		{2 * time.Second, 6, false, false},
		{2 * time.Second, 6, true, false}, // it had nothing to send
		{3 * time.Second, 6, true, true},
	} {
		now = now.Add(c.after)
		if got := w.look(now, c.moved, c.busy); got != c.told {
			t.Errorf("look %d tells %v", i, got)
		}
	}
}

func TestStandstill_NamesTheLeafThatHoldsUp(t *testing.T) {
	hall := &fakeHall{}
	root, err := hall.Open(t.Context(), plan{})
	if err != nil {
		t.Fatal(err)
	}
	var stderr output
	c := &console{stderr: &stderr}
	s := &sender{c: c, root: root, roster: newRoster(c)}
	s.busy.Store(true)
	now := time.Unix(1000, 0)
	s.roster.entries = []*entry{{m: fakeMember{&fakeLeaf{id: 2}}}}
	s.holdup(now, 1)
	s.holdup(now.Add(stillAfter), 1)
	if got, want := stderr.String(), "leaf 2 (127.0.0.1:4002) takes nothing, and everybody waits for it\n"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

func TestFrom_IsReadAndGoesIntoTheJoin(t *testing.T) {
	for s, want := range map[string]from{"now": {}, "oldest": {Oldest: true}, "last=7": {Last: 7}} {
		if got, err := parseFrom(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "last", "last=", "last=-1", "last=9999999999999999999", "NOW", "number=3"} {
		if _, err := parseFrom(s); exitOf(err) != exitUsage {
			t.Errorf("%q: %v", s, err)
		}
	}
	c := library{}.config(plan{From: from{Last: 7}})
	if c.From.N != 7 || c.From == (library{}).config(plan{From: from{Oldest: true}}).From {
		t.Fatal(c.From)
	}
}
