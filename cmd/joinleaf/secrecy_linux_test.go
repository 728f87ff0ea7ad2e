package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// traces of a code in text: as people write it, without dashes, in small letters,
// and any run of three of its groups.
func traces(code string) (all []string) {
	groups := strings.Split(code, "-")
	for i := range len(groups) - 2 {
		all = append(all, strings.Join(groups[i:i+3], "-"), strings.Join(groups[i:i+3], ""))
	}
	return all
}

func hides(t *testing.T, what, text, code string) {
	t.Helper()
	text = strings.ToUpper(text)
	for _, trace := range traces(code) {
		if strings.Contains(text, trace) {
			t.Errorf("%s shows a part of the code:\n%s", what, text)
			return
		}
	}
}

// A whole session of processes, with the code in a file and in the environment,
// in text and in JSON, going well and going wrong: the code is in no output and in
// no process list, and the files that they leave hold it once, for its owner alone.
func TestC10_Z1_TheCodeAppearsNowhere(t *testing.T) {
	lo, dir := loopback(t), t.TempDir()
	file := filepath.Join(dir, "code")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	type program struct {
		cmd    *exec.Cmd
		stdout bytes.Buffer
		stderr *output
	}
	run := func(env map[string]string, args ...string) *program {
		p := &program{}
		p.cmd, p.stderr = spawn(t, ctx, env, args...)
		p.cmd.Stdout = &p.stdout
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	send := run(nil, "send", "--in", writeFile(t, "f", noise(100_000)), "--listen", "127.0.0.1:0", "--iface", lo, "--code-file", file, "--wait-for", "3")
	eventually(t, "send is up", func() bool { return controlLine.MatchString(send.stderr.String()) })
	root := controlLine.FindStringSubmatch(send.stderr.String())[1]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code := strings.TrimSpace(string(text))
	if len(traces(code)) < 10 {
		t.Fatalf("%d traces of a code: too few to look for", len(traces(code)))
	}
	other, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	secret := map[string]string{codeVariable: code}
	if err := os.Chmod(file, 0o644); err != nil { // so that there is a warning to look at
		t.Fatal(err)
	}
	programs := map[string]*program{
		"send":                          send,
		"recv, the code in a file":      run(nil, "recv", root, "--out", dir, "--iface", lo, "--code-file", file),
		"recv, in the environment":      run(secret, "recv", root, "--out", "-", "--iface", lo),
		"recv, with JSON":               run(secret, "recv", root, "--out", "-", "--iface", lo, "--json"),
		"recv, another code":            run(map[string]string{codeVariable: other.Reveal()}, "recv", root, "--out", "-", "--iface", lo),
		"recv, a spoilt code":           run(map[string]string{codeVariable: code[:len(code)-1]}, "recv", root, "--out", "-", "--iface", lo),
		"recv, nobody there, with JSON": run(secret, "recv", "127.0.0.1:1", "--out", "-", "--iface", lo, "--json"),
	}
	for what, p := range programs { // as ps and /proc show them to every user
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid)); err == nil {
			hides(t, what+": its command line", strings.ReplaceAll(string(line), "\x00", " "), code)
		}
	}
	for what, p := range programs {
		_ = p.cmd.Wait()
		good := !strings.Contains(what, "another") && !strings.Contains(what, "spoilt") && !strings.Contains(what, "nobody")
		if (p.cmd.ProcessState.ExitCode() == exitDone) != good {
			t.Errorf("%s exits %d\n%s", what, p.cmd.ProcessState.ExitCode(), p.stderr.String())
		}
		if p.stderr.String() == "" {
			t.Errorf("%s says nothing: there is nothing to look at", what)
		}
		for _, c := range []string{code, other.Reveal()} {
			hides(t, what+": stderr", p.stderr.String(), c)
			hides(t, what+": stdout", p.stdout.String(), c)
		}
	}
	if !strings.Contains(programs["recv, the code in a file"].stderr.String(), "chmod 600") {
		t.Error("no warning of a file that others can read")
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != "code" {
			hides(t, e.Name(), string(b), code)
		}
	}
}

// A core dump or an error report must not hold what a variable held: the process
// drops it, and what it starts never sees it.
func TestC10_ChildrenInheritNoCode(t *testing.T) {
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(codeVariable, code.Reveal())
	c := &console{stderr: new(output), getenv: os.Getenv, unsetenv: os.Unsetenv}
	got, err := c.receiverCode("")
	if err != nil || !got.Equal(code) {
		t.Fatal("the code was not read:", err)
	}
	out, err := exec.CommandContext(t.Context(), "env").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	hides(t, "a child's environment", string(out), code.Reveal())
}
