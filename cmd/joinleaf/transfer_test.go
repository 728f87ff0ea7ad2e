package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/crypto"
)

// A code of the tests, fresh for each.
func codeEnv(t *testing.T) map[string]string {
	t.Helper()
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{codeVariable: code.Reveal()}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFile_ReachesTwoReceiversUnderItsName(t *testing.T) {
	for _, n := range []int{0, 1, 3 << 20} {
		hall, env, want := &fakeHall{}, codeEnv(t), noise(n)
		send := start(t, hall, nil, env, "send", "--in", writeFile(t, "lab.iso", want), "--listen", "127.0.0.1:0", "--iface", "lo", "--wait-for", "2")
		send.until(t, "other side")
		var dirs []string
		var recvs []*process
		for range 2 {
			dirs = append(dirs, t.TempDir())
			recvs = append(recvs, start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", dirs[len(dirs)-1]))
		}
		for i, r := range recvs {
			if code := r.wait(t); code != exitDone {
				t.Fatalf("recv %d exits %d", i, code)
			}
			if got, err := os.ReadFile(filepath.Join(dirs[i], "lab.iso")); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("recv %d: %v, %d bytes of %d", i, err, len(got), n)
			}
		}
		if code := send.wait(t); code != exitDone {
			t.Fatalf("send exits %d", code)
		}
		if s := send.stderr.String(); strings.Count(s, "complete") != 4 || !strings.Contains(s, "to 2 leaves") {
			t.Fatal("the report does not tell of two complete leaves")
		}
		if send.stdout.String() != "" || recvs[0].stdout.String() != "" {
			t.Fatal("text on stdout, which is for payload")
		}
	}
}

func TestPipe_StdoutIsThePayloadAlone(t *testing.T) {
	hall, env, want := &fakeHall{}, codeEnv(t), noise(200_000)
	send := start(t, hall, bytes.NewReader(want), env, "send", "--in", "-", "--iface", "lo")
	send.until(t, "other side")
	recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", "-", "--json")
	if s, r := send.wait(t), recv.wait(t); s != exitDone || r != exitDone {
		t.Fatalf("send exits %d, recv %d", s, r)
	}
	if recv.stdout.String() != string(want) {
		t.Fatal("other bytes came out")
	}
	for line := range strings.Lines(recv.stderr.String()) {
		var m struct {
			Schema int
			Event  string
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Schema != 1 || m.Event == "" {
			t.Fatalf("%v in %s", err, line)
		}
	}
}

func TestLoss_IsToldAtBothEndsAndTheFileDoesNotAppear(t *testing.T) {
	hall := &fakeHall{lose: func(leaf uint32, message int) bool { return leaf == 3 && message == 2 }}
	env, want, dirs := codeEnv(t), noise(400_000), []string{t.TempDir(), t.TempDir()}
	send := start(t, hall, nil, env, "send", "--in", writeFile(t, "lab.iso", want), "--iface", "lo", "--wait-for", "2")
	send.until(t, "other side")
	whole := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", dirs[0])
	send.until(t, "leaf 2 joined")
	holed := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", dirs[1])
	if code := whole.wait(t); code != exitDone {
		t.Fatalf("the leaf that lost nothing exits %d", code)
	}
	if code := holed.wait(t); code != exitLost {
		t.Fatalf("the leaf that lost a message exits %d", code)
	}
	holed.until(t, "65536 bytes missing in 1 place: 131072-196607; nothing is kept")
	if code := send.wait(t); code != exitLost {
		t.Fatalf("send exits %d", code)
	}
	send.until(t, "1 of 2 leaves without everything")
	if left, _ := os.ReadDir(dirs[1]); len(left) != 0 {
		t.Fatalf("%v stayed behind", left)
	}
}

func TestLateLeaf_GetsNoFileAndCountsForNothing(t *testing.T) {
	hall, env := &fakeHall{}, codeEnv(t)
	r, w := io.Pipe()
	send := start(t, hall, r, env, "send", "--in", "-", "--iface", "lo")
	send.until(t, "other side")
	first := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", "-")
	_, _ = w.Write([]byte("begin "))
	first.untilOut(t, "begin ")
	path := filepath.Join(t.TempDir(), "part")
	late := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", path)
	send.until(t, "joined from 127.0.0.1:4003, late")
	_, _ = w.Write([]byte("end"))
	w.Close()
	if s, f, l := send.wait(t), first.wait(t), late.wait(t); s != exitDone || f != exitDone || l != exitLost {
		t.Fatalf("send %d, first %d, late %d", s, f, l)
	}
	late.until(t, "the first 6 bytes went before this receiver joined; what came is in "+path+".partial")
	send.until(t, "not counted")
}

func TestInterruptedSender_DeliversWhatItReadAndSaysThatItIsNotAll(t *testing.T) {
	hall, env := &fakeHall{}, codeEnv(t)
	r, w := io.Pipe()
	defer w.Close()
	send := start(t, hall, r, env, "send", "--in", "-", "--iface", "lo")
	send.until(t, "other side")
	recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", "-")
	_, _ = w.Write([]byte("half"))
	recv.untilOut(t, "half")
	send.interrupt()
	if s, r := send.wait(t), recv.wait(t); s != exitInterrupted || r != exitLost {
		t.Fatalf("send exits %d, recv %d", s, r)
	}
	recv.until(t, "the sender was interrupted after 4 bytes")
}

func TestInterruptedReceiver_LeavesAndIsMissed(t *testing.T) {
	hall, env := &fakeHall{}, codeEnv(t)
	r, w := io.Pipe()
	send := start(t, hall, r, env, "send", "--in", "-", "--iface", "lo")
	send.until(t, "other side")
	path := filepath.Join(t.TempDir(), "out")
	recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", path)
	_, _ = w.Write([]byte("half"))
	recv.until(t, "receives")
	recv.interrupt()
	if code := recv.wait(t); code != exitInterrupted {
		t.Fatalf("recv exits %d", code)
	}
	w.Close()
	if code := send.wait(t); code != exitLost {
		t.Fatalf("send exits %d", code)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("a file that is not whole appeared")
	}
}

func TestMaxWait_StartsWithThosePresentOrGivesUp(t *testing.T) {
	hall, env := &fakeHall{}, codeEnv(t)
	file := writeFile(t, "f", []byte("x"))
	none := start(t, hall, nil, env, "send", "--in", file, "--iface", "lo", "--max-wait", "20ms")
	if code := none.wait(t); code != exitRefused {
		t.Fatalf("exits %d with nobody there", code)
	}
	none.until(t, "nobody joined within 20ms")

	some := start(t, hall, nil, env, "send", "--in", file, "--iface", "lo", "--wait-for", "5", "--max-wait", "1s")
	some.until(t, "other side")
	recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", t.TempDir())
	if s, r := some.wait(t), recv.wait(t); s != exitDone || r != exitDone {
		t.Fatalf("send exits %d, recv %d", s, r)
	}
	some.until(t, "1 of 5 leaves joined within 1s: starting with those")
}

func TestReceiver_WaitsForASenderThatIsNotUpYet(t *testing.T) {
	hall, env := &fakeHall{}, codeEnv(t)
	recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", "-", "--max-wait", "20s")
	send := start(t, hall, strings.NewReader("hello"), env, "send", "--in", "-", "--iface", "lo")
	if s, r := send.wait(t), recv.wait(t); s != exitDone || r != exitDone || recv.stdout.String() != "hello" {
		t.Fatalf("send exits %d, recv %d with %q", s, r, recv.stdout.String())
	}
}

func TestDemo_OverSessionsThatLoseAndThatDoNot(t *testing.T) {
	good := start(t, &fakeHall{epochs: true}, nil, nil, "demo")
	if code := good.wait(t); code != exitDone {
		t.Fatalf("exits %d", code)
	}
	for _, want := range []string{`says "anna", is told "seat 1"`, "sorry dora, all 3 seats are taken", "new keys for the others, epoch 4 -> 5", "4259840"} {
		if !strings.Contains(good.stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, good.stdout.String())
		}
	}
	bad := start(t, &fakeHall{epochs: true, lose: func(leaf uint32, m int) bool { return leaf == 3 && m == 5 }}, nil, nil, "demo", "--json")
	if code := bad.wait(t); code != exitLost {
		t.Fatalf("exits %d although a leaf lost a message", code)
	}
	bad.until(t, "ben missed 1 messages")
}
