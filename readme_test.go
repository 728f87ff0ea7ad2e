package joinleaf

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The README and the documents are code too: what they show must run.

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// TestReadme_ProgramPrintsWhatItSays runs the README's program and compares
// its output with the block that follows.
func TestReadme_ProgramPrintsWhatItSays(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the README's program names the loopback interface lo, which only Linux has")
	}
	blocks := fenced.FindAllStringSubmatch(read(t, "README.md"), -1)
	ran := 0
	for i, b := range blocks {
		if b[1] != "go" {
			continue
		}
		ran++
		program := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(program, []byte(b[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", "run", program)
		got, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("program %d of the README: %v\n%s", ran, err, got)
		} else if i+1 == len(blocks) || string(got) != blocks[i+1][2] {
			t.Errorf("program %d of the README printed\n%s\nwhich is not the block that follows it", ran, got)
		}
	}
	if ran == 0 {
		t.Error("the README shows no program")
	}
}

var (
	commandLine = regexp.MustCompile(`\bjoinleaf (demo|send|recv|version)\b[^\n|` + "`" + `]*`)
	flag        = regexp.MustCompile(`--([a-z][a-z-]*)`)
)

// TestDocs_CommandLinesUseFlagsThatExist holds every joinleaf command line, and
// every flag in backquotes, to the command's source.
func TestDocs_CommandLinesUseFlagsThatExist(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("cmd/joinleaf/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of the command: %v", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			source.WriteString(read(t, f))
		}
	}
	for _, doc := range []string{"README.md", "docs/failures.md"} {
		lines := commandLine.FindAllString(read(t, doc), -1)
		lines = append(lines, regexp.MustCompile("`--[^`]*`").FindAllString(read(t, doc), -1)...)
		if len(lines) == 0 {
			t.Errorf("%s shows no command line", doc)
		}
		for _, line := range lines {
			for _, f := range flag.FindAllStringSubmatch(line, -1) {
				if f[1] == "network" { // docker's
					continue
				}
				if !strings.Contains(source.String(), `"`+f[1]+`"`) {
					t.Errorf("%s: %q: the command has no flag --%s", doc, line, f[1])
				}
			}
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
