package crypto

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// A vector is a golden file: lines of "name = hex" below a comment.
type vector struct {
	names  []string
	values map[string][]byte
}

func (v *vector) add(name string, value []byte) {
	if v.values == nil {
		v.values = map[string][]byte{}
	}
	v.names = append(v.names, name)
	v.values[name] = bytes.Clone(value)
}

func (v *vector) format(comment string) string {
	var b strings.Builder
	for line := range strings.Lines(comment) {
		b.WriteString("# " + line)
	}
	b.WriteString("\n")
	for _, n := range v.names {
		fmt.Fprintf(&b, "%s = %x\n", n, v.values[n])
	}
	return b.String()
}

// compare holds v against testdata/file, or writes it with -update.
func (v *vector) compare(t *testing.T, file, comment string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, []byte(v.format(comment)), 0o644))
	}
	want := readVector(t, file)
	for _, n := range v.names {
		if !bytes.Equal(v.values[n], want.values[n]) {
			t.Errorf("%s: %s\n is %x\nnot %x", file, n, v.values[n], want.values[n])
		}
	}
	if len(want.names) != len(v.names) {
		t.Errorf("%s has %d values, not %d", file, len(want.names), len(v.names))
	}
}

func readVector(t testing.TB, file string) *vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	must(t, err)
	v := new(vector)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, " = ")
		b, err := hex.DecodeString(value)
		if !ok || err != nil {
			t.Fatalf("%s: bad line %q", file, line)
		}
		v.add(name, b)
	}
	return v
}
