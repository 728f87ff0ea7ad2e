package joinleaf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// docs/wire.md is held to the golden files of the packages, which the packages
// are held to by tests of their own. So what the page says is what is sent.

// A field is a row of a layout table.
type field struct {
	at, size, text string
	golden         []byte
}

// A layout is a table "| at | size | field |", with a fourth column "golden"
// when a golden file is named above it.
type layout struct {
	line   int
	file   string // "" for a table without a golden column
	name   string // within a .txt file
	fields []field
}

var (
	goldenName = regexp.MustCompile("Golden file: `([^`]+)`(?:, `(\\w+)`)?")
	cited      = regexp.MustCompile("`([a-z/]+/testdata/[^`]+)`")
)

// layouts reads the tables of the page.
func layouts(t *testing.T, page string) (out []layout) {
	t.Helper()
	var named []string
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		if m := goldenName.FindStringSubmatch(lines[i]); m != nil {
			named = m
		}
		if !strings.HasPrefix(lines[i], "| at | size |") {
			continue
		}
		l := layout{line: i + 1}
		if strings.Contains(lines[i], "| golden |") {
			if named == nil {
				t.Fatalf("docs/wire.md:%d: a golden column, and no golden file named above it", i+1)
			}
			l.file, l.name, named = named[1], named[2], nil
		}
		for i += 2; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
			l.fields = append(l.fields, row(t, lines[i], i+1))
		}
		out = append(out, l)
	}
	return out
}

func row(t *testing.T, line string, n int) field {
	t.Helper()
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	f := field{at: cells[0], size: cells[1], text: cells[2]}
	if len(cells) > 3 {
		b, err := hex.DecodeString(strings.Trim(cells[3], "`"))
		if err != nil {
			t.Fatalf("docs/wire.md:%d: %v", n, err)
		}
		f.golden = b
	}
	return f
}

func TestWire_OffsetsRunOn(t *testing.T) {
	tables := layouts(t, read(t, "docs/wire.md"))
	if len(tables) < 15 {
		t.Fatalf("only %d layout tables found", len(tables))
	}
	for _, l := range tables {
		at := 0 // -1: behind a field whose length varies
		for _, f := range l.fields {
			if want := strconv.Itoa(at); at >= 0 && f.at != want || at < 0 && f.at != "" {
				t.Errorf("docs/wire.md:%d: %q stands at %q, the fields before it add up to %s", l.line, f.text, f.at, want)
			}
			n, err := strconv.Atoi(f.size)
			switch {
			case err != nil && f.size != "n":
				t.Errorf("docs/wire.md:%d: %q has size %q", l.line, f.text, f.size)
			case err != nil:
				at = -1
			case at >= 0:
				at += n
			}
		}
	}
}

func TestWire_TablesAreTheGoldenFiles(t *testing.T) {
	for _, l := range layouts(t, read(t, "docs/wire.md")) {
		if l.file == "" {
			continue
		}
		var got []byte
		for _, f := range l.fields {
			if n, err := strconv.Atoi(f.size); err == nil && n != len(f.golden) {
				t.Errorf("docs/wire.md:%d: %q has size %d and %d golden bytes", l.line, f.text, n, len(f.golden))
			}
			if n, ok := lengthOf(f); ok && n != len(f.golden) {
				t.Errorf("docs/wire.md:%d: %q says it is %d bytes long and has %d", l.line, f.text, n, len(f.golden))
			}
			got = append(got, f.golden...)
		}
		if want := golden(t, l.file, l.name); !bytes.Equal(got, want) {
			t.Errorf("docs/wire.md:%d: the table's bytes\n%x are not those of %s %s\n%x", l.line, got, l.file, l.name, want)
		}
	}
}

// lengthOf decodes what a field that varies says of its own length.
func lengthOf(f field) (int, bool) {
	b := append(bytes.Clone(f.golden), 0, 0, 0, 0, 0)
	switch kind, _, _ := strings.Cut(f.text, ":"); {
	case kind == "text":
		return 2 + int(binary.BigEndian.Uint16(b)), true
	case kind == "bytes":
		return 4 + int(binary.BigEndian.Uint32(b)), true
	case kind == "option" && b[0] == 0:
		return 1, true
	case kind == "option":
		return 5 + int(binary.BigEndian.Uint32(b[1:])), true
	case kind == "edges":
		return 1 + 18*int(b[0]), true
	}
	return 0, false
}

// golden reads a .hex file, or one value of a .txt file.
func golden(t *testing.T, file, name string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(read(t, file)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name == "" {
			digits.WriteString(line)
		} else if key, value, _ := strings.Cut(line, " = "); key == name {
			digits.WriteString(value)
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil || len(b) == 0 {
		t.Fatalf("%s %s: no hexadecimal bytes (%v)", file, name, err)
	}
	return b
}

// TestWire_EveryGoldenFileIsCited holds the page's citations and the testdata
// folders of the packages that it describes to each other.
func TestWire_EveryGoldenFileIsCited(t *testing.T) {
	page := map[string]bool{}
	for _, m := range cited.FindAllStringSubmatch(read(t, "docs/wire.md"), -1) {
		page[m[1]] = true
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("docs/wire.md cites %s: %v", m[1], err)
		}
	}
	for _, pkg := range []string{"crypto", "control", "transport/flow"} {
		found := 0
		err := fs.WalkDir(os.DirFS(pkg), "testdata", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "fuzz" || d.Name() == "seeds"):
				return fs.SkipDir
			case d.IsDir():
				return nil
			}
			found++
			if f := path.Join(pkg, name); !page[f] {
				t.Errorf("docs/wire.md does not cite %s", f)
			}
			return nil
		})
		if err != nil || found == 0 {
			t.Errorf("%s has no golden files (%v)", pkg, err)
		}
	}
}
