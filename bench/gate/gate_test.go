package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The text is what benchstat of that version wrote.
const table = `goos: linux
goarch: amd64
pkg: example.com/a
cpu: some
,base,,here,,,
,sec/op,CI,sec/op,CI,vs base,P
SealSend/offload-2,1.2e-06,1%,1.8e-06,2%,+50.00%,p=0.000 n=10
ReceiveOpen-2,2e-06,1%,2.4e-06,2%,+20.00%,p=0.000 n=10
Noisy-2,1e-06,90%,3e-06,80%,~,p=0.004 n=10
Faster-2,2e-06,1%,1e-06,2%,-50.00%,p=0.000 n=10
Gone-2,2e-06,1%,,,,
geomean,1.5e-06,,1.7e-06,,+13.00%,

pkg: example.com/b
,base,,here,,,
,sec/op,CI,sec/op,CI,vs base,P
Seal/suite1/1408-2,1e-06,1%,1.26e-06,2%,+26.00%,p=0.000 n=10
geomean,1e-06,,1.26e-06,,+26.00%,
`

func TestRead_OnlyWhatIsProvenAndMuchIsBad(t *testing.T) {
	all, err := read(table)
	if err != nil || len(all) != 5 {
		t.Fatalf("%+v, %v", all, err)
	}
	var bad []verdict
	for _, v := range all {
		if v.bad() {
			bad = append(bad, v)
		}
	}
	if got := names(bad); got != "SealSend/offload-2 +50 %, Seal/suite1/1408-2 +26 %" {
		t.Error(got)
	}
	if v := all[0]; v.Before != 1200*time.Nanosecond || v.After != 1800*time.Nanosecond || v.word() != "+50.0 %" || all[2].word() != "~" {
		t.Errorf("%+v", all)
	}
	if got := both(bad, []verdict{{Name: "Seal/suite1/1408-2", Change: 0.3}, {Name: "Other-2"}}); names(got) != "Seal/suite1/1408-2 +30 %" {
		t.Errorf("%+v", got)
	}
	pairs := []pair{{path: "a", bench: []string{"BenchmarkSealSend", "BenchmarkReceiveOpen"}}, {path: "b", bench: []string{"BenchmarkSeal"}}, {path: "c", bench: []string{"BenchmarkX"}}}
	if got := narrow(pairs, bad); len(got) != 2 || fmt.Sprint(got[0].bench, got[1].bench) != "[BenchmarkSealSend] [BenchmarkSeal]" || len(pairs[0].bench) != 2 {
		t.Errorf("%+v", got)
	}
	for _, broken := range []string{"", "no table at all", ",base,,here,,,\n,sec/op,CI,sec/op,CI,vs base,P\nSeal-2,much,1%,1,2%,~,p=1", "Seal-2,1,1%,1,2%,+x%,p=1"} {
		if _, err := read(broken); err == nil {
			t.Errorf("%q was taken", broken)
		}
	}
}

// tree is a small checkout of git with a package of benchmarks.
type tree struct {
	t   *testing.T
	dir string
}

func newTree(t *testing.T) *tree {
	if _, err := exec.LookPath("git"); err != nil {
		missing(t, "git")
	}
	x := &tree{t, t.TempDir()}
	x.git("init", "-q", "-b", "main")
	x.write("go.mod", "module example.com/small\n\ngo 1.26\n")
	return x
}

// missing skips loudly, or fails where the lab is required.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("JOINLEAF_REQUIRE_LAB") != "" {
		t.Fatalf("no %s here", what)
	}
	t.Skipf("no %s here", what)
}

func (x *tree) git(args ...string) {
	x.t.Helper()
	if _, err := git(x.dir, append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...); err != nil {
		x.t.Fatal(err)
	}
}

func (x *tree) write(name, text string) {
	x.t.Helper()
	name = filepath.Join(x.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// bench writes a hot path of so many steps, as benchmarks of those names.
func (x *tree) bench(steps int, names ...string) {
	text := fmt.Sprintf("package bench\n\nimport \"testing\"\n\nvar sink uint64\n\nfunc work() {\n\tfor i := range uint64(%d) {\n\t\tsink = sink*31 + i\n\t}\n}\n", steps)
	for _, n := range names {
		text += "\nfunc Benchmark" + n + "(b *testing.B) {\n\tfor b.Loop() {\n\t\twork()\n\t}\n}\n"
	}
	x.write("bench/hot_test.go", text)
}

func (x *tree) commit(words string) {
	x.git("add", "-A")
	x.git("commit", "-q", "-m", words)
}

func (x *tree) gate(args ...string) (string, error) {
	var out strings.Builder
	err := gate(append(args, "-rounds", "8", "-time", "2ms"), x.dir, &out)
	return out.String(), err
}

// Fifty times slower is proven on any machine; the same is not; what was not there
// cannot be compared.
func TestGate_FailsOnARegressionAndOnNothingElse(t *testing.T) {
	x := newTree(t)
	x.bench(2000, "SealSend")
	x.commit("first")
	if out, err := x.gate(); err != nil || !strings.Contains(out, "not compared: there is no earlier commit") {
		t.Fatalf("%v:\n%s", err, out)
	}
	x.bench(100_000, "SealSend", "ReceiveOpen")
	out, err := x.gate()
	if err != nil && strings.Contains(err.Error(), "module proxy") {
		missing(t, "benchstat: "+err.Error())
	}
	if err == nil || !strings.Contains(err.Error(), "SealSend") || strings.Contains(err.Error(), "ReceiveOpen") || !strings.Contains(out, "the commit that the changes here stand on") {
		t.Fatalf("%v:\n%s", err, out)
	}
	if !strings.Contains(out, "not compared: BenchmarkReceiveOpen of ./bench: the earlier tree has none") || !strings.Contains(out, "worse, so measured again: SealSend") {
		t.Error(out)
	}
	x.commit("slower")
	x.write("README", "more")
	x.commit("the same speed")
	if out, err := x.gate(); err != nil || !strings.Contains(out, "(the first parent)") || !strings.Contains(out, "SealSend") {
		t.Errorf("%v:\n%s", err, out)
	}
	if out, err := x.gate("-base", "HEAD~2"); err == nil {
		t.Errorf("fifty times slower than two commits before passed:\n%s", out)
	}
	if _, err := x.gate("-base", "nothing"); err == nil || !strings.Contains(err.Error(), "no commit is called") {
		t.Error(err)
	}
}

func TestGate_WhatWasNotThereIsNotCompared(t *testing.T) {
	x := newTree(t)
	x.write("README", "no benchmark")
	x.commit("first")
	x.bench(10, "SealSend")
	x.commit("second")
	out, err := x.gate()
	if err != nil || !strings.Contains(out, "no benchmark of the hot path in common") {
		t.Errorf("%v:\n%s", err, out)
	}
	x.write("bench/hot_test.go", "package bench\n\nthis does not compile\n")
	if out, err := x.gate(); err == nil {
		t.Errorf("a tree that does not compile passed:\n%s", out)
	}
}

func TestPickBase_TheMergeBaseBeforeTheFirstParent(t *testing.T) {
	x := newTree(t)
	for _, words := range []string{"one", "two", "three"} {
		x.write("README", words)
		x.commit(words)
	}
	x.git("update-ref", "refs/remotes/origin/main", "HEAD~2")
	want, err := git(x.dir, "rev-parse", "HEAD~2")
	if err != nil {
		t.Fatal(err)
	}
	if got, why, err := pickBase(x.dir, ""); err != nil || got != strings.TrimSpace(string(want)) || why != "the merge base with origin/main" {
		t.Errorf("%s, %s, %v", got, why, err)
	}
	x.git("update-ref", "refs/remotes/origin/main", "HEAD")
	if _, why, err := pickBase(x.dir, ""); err != nil || why != "the first parent" {
		t.Errorf("%s, %v", why, err)
	}
	if got, why, err := pickBase(t.TempDir(), ""); err != nil || got != "" || why != "this is no checkout of git" {
		t.Errorf("%s, %s, %v", got, why, err)
	}
}

func TestParse_RefusesRoundsThatCanProveNothing(t *testing.T) {
	for _, bad := range []string{"-rounds 6", "-rounds 101", "-time 0s", "-time 1m", "x"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
