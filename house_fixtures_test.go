package joinleaf

import (
	"go/token"
	"maps"
	"strings"
	"testing"
)

// fixture makes a tree of strings.
func fixture(t *testing.T, files map[string]string) *tree {
	t.Helper()
	tr := &tree{fset: token.NewFileSet()}
	for name, text := range files {
		if err := tr.add(name, text); err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

// guide is a package comment that pleases checkPackageDocs.
const guide = "// Package p is p.\n//\n// # Limitations\n//\n// None known.\npackage p\n"

// sound keeps every rule, each of them at its edge.
var sound = map[string]string{
	"doc.go":                guide,
	"crypto/doc.go":         guide,
	"crypto/dtls/x.go":      "package dtls\n\nimport _ \"github.com/pion/dtls/v2/pkg/protocol\"\n",
	"crypto/dtls/doc.go":    guide,
	"transport/doc.go":      guide,
	"control/doc.go":        strings.Replace(guide, "// # Limitations", "// # Goroutines\n//\n//   - Run: started by whoever calls it, ends with its context.\n//\n// # Limitations", 1),
	"control/loop.go":       "package control\n\nimport \"time\"\n\nfunc Run(f func()) time.Time {\n\tgo f()\n\treturn time.Now()\n}\n",
	"control/leaf.go":       "package control\n\nimport (\n\t\"net/netip\"\n\t\"time\"\n\n\t\"github.com/joinleaf/joinleaf/transport\"\n)\n\nfunc ParseLeaf(now time.Time) (transport.Code, netip.Addr) { return 0, netip.Addr{} }\n",
	"control/leaf_test.go":  "package control\n\nimport (\n\t\"net\"\n\t\"testing\"\n\n\t\"github.com/google/go-cmp/cmp\"\n\t\"github.com/joinleaf/joinleaf/rooted\"\n)\n\nfunc FuzzLeaf(f *testing.F) { ParseLeaf(cmp.X, net.Y, rooted.Z) }\n",
	"examples/chat/main.go": "// Chat chats.\npackage main\n\nimport _ \"github.com/spf13/cobra\"\n\nfunc main() { go main() }\n",
	"crypto/shake.go":       "package crypto\n\nimport \"context\"\n\nvar stop = context.AfterFunc(nil, nil)\n",
	"docs/wire.md":          "See failures.md, doc.go and https://example.org/other.md.\n",
	"docs/failures.md":      "Nothing fails.\n",
}

func init() {
	table, tests := soundThreats()
	sound[threatTable] = table
	maps.Copy(sound, tests)
}

// tableWith is sound with another row for a threat.
func tableWith(id, text string) func() map[string]string {
	return func() map[string]string {
		var lines []string
		for line := range strings.SplitSeq(sound[threatTable], "\n") {
			if !strings.HasPrefix(line, "| "+id+" ") {
				lines = append(lines, line)
			}
		}
		return with(threatTable, strings.Join(lines, "\n")+text+"\n")
	}
}

// with is sound with one file more, or another one in its place.
func with(name, text string) map[string]string {
	files := map[string]string{name: text}
	for n, s := range sound {
		if n != name {
			files[n] = s
		}
	}
	return files
}

// breaches says, for each gate, what it must not let through.
var breaches = []struct {
	gate, what string
	files      map[string]string
	want       string // part of one complaint
}{
	{"import arrows", "crypto and transport meet",
		with("crypto/x.go", "package crypto\n\nimport _ \"github.com/joinleaf/joinleaf/transport\"\n"), "crypto/x.go:3: crypto may not import transport"},
	{"import arrows", "an arrow points up",
		with("transport/x.go", "package transport\n\nimport _ \"github.com/joinleaf/joinleaf/transport/flow\"\n"), "may not import transport/flow"},
	{"import arrows", "somebody imports the root package",
		with("rooted/x.go", "package rooted\n\nimport _ \"github.com/joinleaf/joinleaf\"\n"), "rooted may not import ."},
	{"import arrows", "rooted and nonrooted meet, in a file for another system",
		with("rooted/x_windows.go", "package rooted\n\nimport _ \"github.com/joinleaf/joinleaf/nonrooted\"\n"), "rooted may not import nonrooted"},
	{"import arrows", "a package without a place",
		with("transport/quic/x.go", "package quic\n"), "not in the arrow table"},
	{"outside imports", "a library takes another module in",
		with("rooted/x.go", "package rooted\n\nimport _ \"github.com/spf13/cobra\"\n"), "rooted may not import github.com/spf13/cobra"},
	{"outside imports", "a name that only begins like an allowed one",
		with("rooted/x.go", "package rooted\n\nimport _ \"golang.org/x/network\"\n"), "may not import golang.org/x/network"},
	{"outside imports", "pion outside crypto/dtls",
		with("rooted/x_test.go", "package rooted\n\nimport _ \"github.com/pion/dtls/v2\"\n"), "may not import github.com/pion/dtls/v2"},
	{"outside imports", "a test library in code",
		with("rooted/x.go", "package rooted\n\nimport _ \"go.uber.org/goleak\"\n"), "may not import go.uber.org/goleak"},
	{"outside imports", "cgo", with("cmd/joinleaf/x.go", "package main\n\nimport \"C\"\n"), "cgo"},
	{"pion", "pion in a program", with("cmd/joinleaf/x.go", "package main\n\nimport _ \"github.com/pion/dtls/v2\"\n"), "cmd/joinleaf imports github.com/pion/dtls/v2"},
	{"wall clock", "a deadline that a clock moves",
		with("rooted/x.go", "package rooted\n\nimport \"time\"\n\nvar late = time.Now().Unix() > 1\n"), "rooted/x.go:5: Unix reads the wall clock"},
	{"machines", "a socket", with("transport/flow/x.go", "package flow\n\nimport _ \"net\"\n"), "may not import net"},
	{"machines", "a lock", with("control/x.go", "package control\n\nimport _ \"sync\"\n"), "may not import sync"},
	{"machines", "a socket in the loop", with("control/loop.go", "package control\n\nimport _ \"net\"\n"), "may not import net"},
	{"machines", "the clock under another name",
		with("control/x.go", "package control\n\nimport t \"time\"\n\nvar now = t.Now\n"), "control/x.go:5: a machine is told the time, it never calls time.Now"},
	{"machines", "the clock under no name",
		with("control/x.go", "package control\n\nimport . \"time\"\n\nvar now = Now()\n"), "imports time by its name"},
	{"machines", "a goroutine", with("transport/flow/x.go", "package flow\n\nfunc F() { go F() }\n"), "starts no goroutine"},
	{"machines", "a wait", with("transport/flow/x.go", "package flow\n\nfunc F() { select {} }\n"), "waits for nothing"},
	{"goroutine lists", "a goroutine that the guide does not name",
		with("transport/x.go", "package transport\n\nfunc Open() { go func() {}() }\n"), "Open starts a goroutine (), and # Goroutines in transport/doc.go names neither"},
	{"goroutine lists", "one beside another that is named",
		with("control/leaf.go", "package control\n\nfunc Start() { go walk() }\n"), "Start starts a goroutine (walk), and # Goroutines in control/doc.go names neither"},
	{"goroutine lists", "a goroutine that is gone from the code", with("control/loop.go", "package control\n"), "names no function that starts one"},
	{"goroutine lists", "a WaitGroup's Go",
		with("transport/x.go", "package transport\n\nfunc Open() { wg.Go(func() { x.serve() }) }\n"), "Open starts a goroutine (serve)"},
	{"goroutine lists", "an AfterFunc",
		with("transport/x.go", "package transport\n\nfunc Open() { time.AfterFunc(1, f) }\n"), "Open starts a goroutine (f)"},
	{"goroutine lists", "scaffolding that is silent about it",
		with("transport/netlab/x.go", "package netlab\n\nimport \"testing\"\n\nfunc F(*testing.T) { go F(nil) }\n"), "no # Goroutines, though"},
	{"package docs", "no package comment", with("transport/doc.go", "package transport\n"), "transport: no package comment"},
	{"package docs", "a guide elsewhere",
		with("rooted/root.go", guide), "rooted/root.go: the package comment belongs in doc.go"},
	{"package docs", "Limitations are not the end",
		with("transport/doc.go", strings.Replace(guide, "package p", "//\n// # Praise\n//\n// Great.\npackage p", 1)), "must end with # Limitations"},
	{"package docs", "Limitations without a word",
		with("transport/doc.go", strings.Replace(guide, "//\n// None known.\n", "", 1)), "must end with # Limitations"},
	{"fuzz targets", "a parser that nobody fuzzes",
		with("transport/x.go", "package transport\n\nfunc ParseGroup() {}\n"), "ParseGroup has no fuzz target"},
	{"fuzz targets", "a parser that is only tested",
		with("control/leaf_test.go", "package control\n\nfunc TestLeaf() { ParseLeaf() }\n"), "ParseLeaf has no fuzz target"},
	{"fuzz targets", "a parser fuzzed by the name of another package's",
		with("crypto/x.go", "package crypto\n\nfunc ParseLeaf() {}\n"), "crypto/x.go:3: ParseLeaf has no fuzz target"},
	{"gofmt", "spaces for tabs", with("transport/x.go", "package transport\n\nfunc f() {\n  f()\n}\n"), "transport/x.go: gofmt would change it"},
	{"forbidden words", "work left over", with("bench/x_test.go", "package bench\n\n// TO"+"DO: write it\n"), "bench/x_test.go:3"},
	{"forbidden words", "a stub", with("bench/x.go", "package bench\n\nfunc f() { panic(\"Not Implemen"+"ted\") }\n"), "bench/x.go:3"},
	{"file names", "a drawer", with("transport/net_util.go", "package transport\n"), `"util" says nothing`},
	{"file names", "a drawer of tests", with("transport/helpers_test.go", "package transport\n"), `"helpers" says nothing`},
	{"file names", "a drawer with a door", with("transport/common/x.go", "package common\n"), `"common" says nothing`},
	{"top folders", "pkg", with("pkg/x.go", "package pkg\n"), "no such folder"},
	{"top folders", "internal", with("crypto/internal/x.go", "package internal\n"), "no internal folders"},
	{"lengths", "a long file", with("transport/x.go", "package transport\n"+strings.Repeat("\n", longestFile)), "transport/x.go has 401 lines"},
	{"lengths", "a long function",
		with("transport/x.go", "package transport\n\nfunc F() {"+strings.Repeat("\n", longestFunc)+"}\n"), "transport.F has 61 lines"},
	{"machine paths", "a folder of somebody's machine", with("docs/wire.md", "see /ho"+"me/me/notes\n"), "docs/wire.md:1"},
	{"machine paths", "a way out of the tree", with("docs/wire.md", "(../sha"+"red/notes)\n"), "docs/wire.md:1"},
	{"threats", "no table of threats", map[string]string{"doc.go": guide}, "docs/security.md: is not there"},
	{"named documents", "a note that is not in the tree", with("transport/x.go", "package transport\n\n// as gone"+".md says\n"), "transport/x.go:3: names gone" + ".md"},
}

func TestHouse_EveryGateIsSeenToFail(t *testing.T) {
	failed := map[string]bool{}
	for _, b := range breaches {
		t.Run(b.gate+"/"+b.what, func(t *testing.T) {
			got := gateNamed(t, b.gate)(fixture(t, b.files))
			if len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), b.want) {
				t.Errorf("got complaints %q, want one that says %q", got, b.want)
			}
			failed[b.gate] = true
		})
	}
	for _, g := range gates {
		if !failed[g.name] {
			t.Errorf("no fixture shows that gate %q can fail", g.name)
		}
	}
}

// The table of threats is made with init, after the breaches: it has its own.
func TestHouse_TheTableOfThreatsIsHeldToTheTests(t *testing.T) {
	for what, c := range map[string]struct {
		files func() map[string]string
		want  string
	}{
		"a threat without a row": {tableWith("K4", ""), "K4 stands there 0 times"},
		"a threat with two":      {tableWith("K4", k4+"\n"+k4), "K4 stands there 2 times"},
		"a threat of our making": {tableWith("K4", k4+"\n| K99 | x | [TestK4_Fails](../crypto/threat_test.go) |"), "K99 is no threat"},
		"a row without a test":   {tableWith("K4", "| K4 | x | we are careful |"), "the row of K4 lacks [TestK4_Fails](../crypto/threat_test.go)"},
		"a test that is gone":    {tableWith("K4", "| K4 | x | [TestK4_Fails](../crypto/threat_test.go), [TestGone](../crypto/threat_test.go) |"), "links to TestGone"},
		"a test somewhere else":  {tableWith("K4", "| K4 | x | [TestK4_Fails](../crypto/threat_test.go), [TestK4_Fails](../rooted/threat_test.go) |"), "which is not there"},
		"no table":               {func() map[string]string { f := with(threatTable, ""); delete(f, threatTable); return f }, "is not there"},
		"a test that came": {func() map[string]string {
			return with("crypto/x_test.go", "package crypto\n\nfunc TestK4_Holds() {}\n")
		}, "lacks [TestK4_Holds](../crypto/x_test.go)"},
		"a package that tries nothing": {func() map[string]string {
			f := tableWith("M2", "| M2 | x | [TestM2_Fails](../rooted/m_test.go) |")()
			delete(f, "transport/threat_test.go")
			f["rooted/m_test.go"] = "package rooted\n\nfunc TestM2_Fails() {}\n"
			return f
		}, `M2: no test of "transport" carries its name`},
	} {
		if got := checkThreats(fixture(t, c.files())); len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

const k4 = "| K4 | x | [TestK4_Fails](../crypto/threat_test.go) |"

func TestHouse_SoundTreePassesEveryGate(t *testing.T) {
	for _, g := range gates {
		if g.name == "lengths" { // its map speaks of the real tree
			g.check = func(tr *tree) []string { return checkLengthsWith(tr, nil) }
		}
		for _, c := range g.check(fixture(t, sound)) {
			t.Errorf("%s: %s", g.name, c)
		}
	}
}

func TestHouse_ReasonForWhatIsShortIsStale(t *testing.T) {
	got := checkLengthsWith(fixture(t, sound), map[string]string{"doc.go": "it is long"})
	if len(got) != 1 || !strings.Contains(got[0], "not long any more") {
		t.Errorf("got %q", got)
	}
}

func gateNamed(t *testing.T, name string) func(*tree) []string {
	t.Helper()
	for _, g := range gates {
		if g.name == name {
			return g.check
		}
	}
	t.Fatalf("no gate is called %q", name)
	return nil
}
