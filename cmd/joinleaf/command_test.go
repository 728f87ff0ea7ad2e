package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// refusal runs a command line that must fail before any session is opened.
func refusal(t *testing.T, env map[string]string, args ...string) (int, string) {
	t.Helper()
	p := start(t, &fakeHall{}, strings.NewReader(""), env, args...)
	code := p.wait(t)
	return code, p.stdout.String() + p.stderr.String()
}

func TestUsage_OneSentenceThatSaysWhatToDo(t *testing.T) {
	env := codeEnv(t)
	for _, c := range []struct {
		args string
		exit int
		want string
	}{
		{"send", 1, "nothing to send: give --in FILE"},
		{"send --in nosuchfile", 1, "cannot read nosuchfile"},
		{"send --in srt://10.0.0.1:9", 1, "srt:// is no door of joinleaf"},
		{"send --in udp://127.0.0.1:9?tll=3", 1, "unknown option"},
		{"send --in - --class golden", 1, `"golden" is not known; there are reliable, deadline and best-effort`},
		{"send --in - --latency 200ms", 1, "only --class deadline has a latency; reliable waits for as long as it takes"},
		{"send --in - --class best-effort --latency 200ms", 1, "best effort waits for nothing"},
		{"send --in - --class deadline --latency soon", 1, "is no time; write it as 200ms or 1.5s"},
		{"send --in - --class deadline --latency 200", 1, "is no time"},
		{"send --in - --class deadline --latency 0s", 1, "it is from 1ms to 65s"},
		{"send --in - --class deadline --latency 65001ms", 1, "it is from 1ms to 65s"},
		{"send --in - --class deadline --latency 1500us", 1, "in whole milliseconds"},
		{"send --in command_test.go --class deadline", 1, "a file with a hole is of no use; send it with --class reliable"},
		{"send --in - --slow never", 1, "can be waited for (wait) or served apart (quarantine)"},
		{"send --in - --class best-effort --slow wait", 1, "best effort waits for nobody"},
		{"send --in - --class deadline --replay 1MB", 1, "only --class reliable keeps what was sent"},
		{"send --in - --replay much", 1, "is no amount"},
		{"send --in - --replay 17MiB", 1, "a session keeps 16MiB at most"},
		{"send --in - --parity maybe", 1, "it is on or off"},
		{"recv 127.0.0.1:7654 --out - --from then", 1, "there are now, oldest and last=N"},
		{"recv 127.0.0.1:7654 --out - --from last=0", 1, "there are now, oldest and last=N"},
		{"send --in - --group 10.0.0.1:7000", 1, "10.0.0.1 is not a multicast group"},
		{"send --in - --group 239.192.1.1", 1, "want GROUP:PORT"},
		{"send --in udp://239.192.1.1:7000 --group 239.192.1.1:7000", 1, "eat its own packets"},
		{"send --in - --listen here", 1, "want HOST:PORT"},
		{"send --in - --listen 127.0.0.1:99999", 1, "the port must be"},
		{"send --in - --rate fast", 1, "is no rate"},
		{"send --in - --ttl 0", 1, "--ttl 0"},
		{"send --in - --dscp 64", 1, "--dscp 64"},
		{"send --in - --wait-for -1", 1, "--wait-for -1"},
		{"send --in - --colour", 1, "unknown flag: --colour; run joinleaf send --help"},
		{"send --in - extra", 1, "unknown command"},
		{"recv", 1, "recv takes one address"},
		{"recv 127.0.0.1:7654", 1, "nowhere to write"},
		{"recv 127.0.0.1 --out -", 1, "want HOST:PORT"},
		{"recv 0.0.0.0:7654 --out -", 1, "is no address to join"},
		{"recv 239.192.1.1:7654 --out -", 1, "is the group; recv joins at the sender's own address"},
		{"recv 127.0.0.1:7654 --out /no/such/dir/file", 1, "create the directory first"},
		{"recv 127.0.0.1:7654 --out udp://239.192.1.1:5000?iface=nosuch0", 1, "no interface nosuch0"},
		{"recv 127.0.0.1:7654 --out -", 2, "nobody listens there"},
		{"bench --size 11", 1, "a message has 12 bytes to 64KiB"},
		{"bench --size 65537", 1, "a message has 12 bytes to 64KiB"},
		{"bench --time 61s", 1, "at most 1m0s"},
		{"bench --pings 10001", 1, "0 to 10000"},
		{"bench --leaves 9", 1, "a number from 1 to 8"},
		{"bench --most much", 1, "is no amount"},
		{"bench --rate much", 1, "is no rate"},
		{"bench --class deadline", 1, "bench measures reliable and best-effort"},
		{"bench --source mine", 1, "there are signed, eager and group"},
		{"bench --group 239.192.1.1:7000", 1, "unknown flag: --group"},
		{"bench send --rate 0", 1, "is no rate"},
		{"bench send --wait-for 0", 1, "it counts leaves, one at least"},
		{"bench send --listen here", 1, "want HOST:PORT"},
		{"bench send --colour", 1, "unknown flag: --colour; run joinleaf bench send --help"},
		{"bench recv", 1, "bench recv takes one address"},
		{"bench recv 239.192.1.1:7654", 1, "is the group"},
		{"bench recv 127.0.0.1:7654", 2, "nobody listens there"},
		{"dance", 1, "unknown command"},
	} {
		t.Run(c.args, func(t *testing.T) {
			exit, text := refusal(t, env, strings.Fields(c.args)...)
			if exit != c.exit || !strings.Contains(text, c.want) || strings.Count(text, "\n") != 1 {
				t.Fatalf("exits %d with\n%swant %d and %q, in one line", exit, text, c.exit, c.want)
			}
		})
	}
}

func TestC10_ACodeAsAnArgumentIsRefusedAndNotRepeated(t *testing.T) {
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	secret := code.Reveal()
	for _, args := range [][]string{
		{"send", "--in", "-", "--code", secret},
		{"send", "--in", "-", "--code=" + secret},
		{"recv", "127.0.0.1:7654", "--out", "-", "--password", "hunter2-hunter2"},
		{"recv", "127.0.0.1:7654", secret},
		{"recv", "--code-file", secret},
		{"bench", "send", "--code", secret},
		{"bench", "recv", "127.0.0.1:7654", "--key=hunter2-hunter2"},
		{strings.ToLower(secret)},
		{"send", "--in", secret},
		{"send", "--in=" + secret},
		{"recv", secret, "--out", "-"},
		{"recv", "127.0.0.1:7654", "--out", secret},
		{"recv", "127.0.0.1:7654", "--out", "-", "--iface=" + secret},
		{"recv", secret[:len(secret)-2], "--out", "-"}, // cut
		{"9" + secret[1:]},                             // mistyped
		{"send", "--in", "-", "--group", "QQ" + secret},
		{"demo", secret},
		{"version", secret},
	} {
		exit, text := refusal(t, nil, args...)
		if exit != exitUsage || !strings.Contains(text, "--code-file") || strings.Contains(strings.ToUpper(text), secret[:9]) || strings.Contains(text, "hunter2") {
			t.Errorf("joinleaf %q exits %d with %s", args, exit, text)
		}
	}
}

func TestCode_SenderMakesTheFileOnceAndReceiverReadsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "code")
	c := &console{stderr: new(output), getenv: func(string) string { return "" }}
	first, err := c.senderCode(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.senderCode(file)
	if err != nil || !again.Equal(first) {
		t.Fatal("the second run has another code:", err)
	}
	read, err := c.receiverCode(file)
	if err != nil || !read.Equal(first) {
		t.Fatal("the receiver reads another code:", err)
	}
	info, err := os.Stat(file)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if all, _ := os.ReadDir(filepath.Dir(file)); len(all) != 1 {
		t.Fatal("files left behind:", all)
	}
}

func TestNearCode_IsNoFileName(t *testing.T) {
	for _, name := range []string{"", "-", "file", "2026-11-22", "2026-1122-1030-0505-1234", "some-file-name-that-goes-here", "report-2026-final-v2-ok", "ABCD-EFGH-IJKL-MNOP", "a/b-c-d-e-f"} {
		if nearCode(name) {
			t.Errorf("%q is taken for a code", name)
		}
	}
}

func TestC10_AFileThatOthersCanReadIsWarnedAbout(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on windows")
	}
	var stderr output
	c := &console{stderr: &stderr, getenv: func(string) string { return "" }}
	file := filepath.Join(t.TempDir(), "code")
	if _, err := c.senderCode(file); err != nil {
		t.Fatal(err)
	}
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o644: true, 0o640: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		before := len(stderr.String())
		if _, err := c.receiverCode(file); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(stderr.String()[before:], "chmod 600"); got != warned {
			t.Errorf("mode %o: warned %v", mode, got)
		}
	}
}

func TestC10_TheEnvironmentIsReadOnceAndUnset(t *testing.T) {
	env := codeEnv(t)
	c := &console{stderr: new(output),
		getenv:   func(k string) string { return env[k] },
		unsetenv: func(k string) error { delete(env, k); return nil },
	}
	if _, err := c.receiverCode(""); err != nil || len(env) != 0 {
		t.Fatal(err, len(env))
	}
	if _, err := c.receiverCode(""); exitOf(err) != exitUsage || !strings.Contains(err.Error(), codeVariable) {
		t.Fatal(err)
	}
}

func TestCode_SpoiltOrMissingIsAUsageError(t *testing.T) {
	file := writeFile(t, "code", []byte("correct horse battery staple\n"))
	for _, f := range []string{file, file + ".none"} {
		c := &console{stderr: new(output), getenv: func(string) string { return "" }}
		_, err := c.receiverCode(f)
		if exitOf(err) != exitUsage || strings.Contains(err.Error(), "horse") {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestWrongCode_IsRefused(t *testing.T) {
	hall := &fakeHall{}
	send := start(t, hall, strings.NewReader("x"), codeEnv(t), "send", "--in", "-", "--iface", "lo")
	send.until(t, "other side")
	recv := start(t, hall, nil, codeEnv(t), "recv", "127.0.0.1:7654", "--out", "-")
	if code := recv.wait(t); code != exitRefused {
		t.Fatalf("exits %d", code)
	}
	recv.until(t, "it has another join code; copy the sender's code file")
}

func TestExitCodes_FollowTheCause(t *testing.T) {
	coded := func(c transport.Code) error { return &transport.Error{Op: "x", Code: c, Err: errors.New("why")} }
	for _, c := range []struct {
		err  error
		exit int
	}{
		{nil, 0},
		{errors.New("what cobra says"), 1},
		{errInterrupted, 130},
		{fmt.Errorf("deep inside: %w", failed(exitLost, "lost")), 3},
		{cannotOpen("it", coded(transport.WSAEADDRINUSE)), 1},
		{cannotOpen("it", coded(transport.WSAEACCES)), 1},
		{cannotOpen("it", coded(transport.WSAEADDRNOTAVAIL)), 1},
		{cannotOpen("it", coded(transport.WSAENETUNREACH)), 2},
		{cannotOpen("it", coded(transport.WSAETIMEDOUT)), 2},
		{cannotOpen("it", errInterrupted), 130},
		{cannotJoin("r", crypto.ErrProof), 2},
		{cannotJoin("r", crypto.ErrVersion), 2},
		{cannotJoin("r", crypto.ErrIdentity), 1},
		{cannotJoin("r", coded(transport.WSAECONNREFUSED)), 2},
		{cannotJoin("r", syscall.ECONNREFUSED), 2},
		{cannotJoin("r", syscall.ENETUNREACH), 2},
		{cannotJoin("r", context.DeadlineExceeded), 2},
		{cannotJoin("r", coded(transport.WSAECONNRESET)), 2},
		{cannotJoin("r", coded(transport.WSAEADDRNOTAVAIL)), 1},
		{cannotJoin("r", errInterrupted), 130},
	} {
		if got := exitOf(c.err); got != c.exit {
			t.Errorf("%v exits %d, want %d", c.err, got, c.exit)
		}
	}
}

func TestRate_IsReadAsPeopleWriteIt(t *testing.T) {
	for in, want := range map[string]int64{
		"": 0, "1000": 1000, "20MB/s": 20e6, "20MB": 20e6, "100Mbit/s": 12_500_000, "100Mbps": 12_500_000,
		"1Gb/s": 125e6, "1.5 MiB/s": 3 << 19, "8k": 8000,
	} {
		if got, err := parseRate(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"fast", "0", "-3", "MB", "10 apples", "NaN", "1e30GB", "0.1"} {
		if _, err := parseRate(in); exitOf(err) != exitUsage {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestDrawGroup_IsPrivateAndSharesNoHardwareAddressWithTheLocalRange(t *testing.T) {
	private := netip.MustParsePrefix("239.192.0.0/14")
	for range 2000 {
		g := drawGroup()
		b := g.Addr.Addr().As4()
		if err := g.Check(); err != nil || !private.Contains(g.Addr.Addr()) || b[1]&0x7f == 0 && b[2] == 0 {
			t.Fatal(g, err)
		}
	}
}

func TestQuote_SurvivesAShell(t *testing.T) {
	for in, want := range map[string]string{"code": "code", "my code": "'my code'", "it's": `'it'\''s'`, "": "''", "/a/b-c_1.txt": "/a/b-c_1.txt"} {
		if got := quote(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
}

func TestVersion_IsReportedOnStdout(t *testing.T) {
	p := start(t, nil, nil, nil, "version", "--json")
	var m map[string]any
	if code := p.wait(t); code != exitDone || json.Unmarshal([]byte(p.stdout.String()), &m) != nil || m["schema"] != 1. || m["version"] == "" {
		t.Fatalf("exits %d with %s", code, p.stdout.String())
	}
}

func TestProgress_IsWrittenOverOnAScreenOnly(t *testing.T) {
	var stderr output
	c := &console{stderr: &stderr, screen: true}
	c.progress(moving{Verb: "sent", Bytes: 5e6, Size: 10e6, Elapsed: 2, Leaves: 3, service: service{Class: "reliable"}})
	c.progress(moving{Verb: "sent", Bytes: 6e6, Elapsed: 2, Leaves: 1, service: service{"deadline", 200}})
	c.note("done")
	first, second := "5.0 MB sent (50 %), 2.5 MB/s, 3 leaves, reliable: 0 repairs, 0 missed", "6.0 MB sent, 3.0 MB/s, 1 leaf, deadline 200ms: 0 repairs, 0 missed"
	blank := strings.Repeat(" ", len(first)-len(second))
	if want := "\r" + first + "\r" + second + blank + "\r" + strings.Repeat(" ", len(second)) + "\rdone\n"; stderr.String() != want {
		t.Fatalf("%q\n%q", stderr.String(), want)
	}
}

func TestSecondInterrupt_SaysLastWordsThatStillStand(t *testing.T) {
	var l lastWords
	said := ""
	l.add(func() { said += "a" })
	l.add(func() { said += "b" })()
	l.say()
	if said != "a" {
		t.Fatal(said)
	}
}
