package door

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openFile(t *testing.T, path, name string) Output {
	t.Helper()
	o, err := House{}.OpenOutput(t.Context(), &Endpoint{Kind: Path, Path: path}, name)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func names(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range all {
		s = append(s, e.Name())
	}
	return strings.Join(s, " ")
}

func TestFileOutput_AppearsOnlyWhenWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.bin")
	o := openFile(t, path, "")
	if err := o.Write(t.Context(), Piece{B: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("there before it was whole")
	}
	if err := o.Write(t.Context(), Piece{B: []byte(" world"), At: 5}); err != nil {
		t.Fatal(err)
	}
	where, err := o.Commit()
	if err != nil || filepath.Base(where) != "out.bin" {
		t.Fatal(where, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "hello world" {
		t.Fatalf("%q", b)
	}
	if got := names(t, dir); got != "out.bin" {
		t.Fatal(got)
	}
}

func TestFileOutput_AbortLeavesTheOldFileAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.bin")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := openFile(t, path, "")
	if err := o.Write(t.Context(), Piece{B: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	o.Abort()
	if b, _ := os.ReadFile(path); string(b) != "old" || names(t, dir) != "out.bin" {
		t.Fatalf("%q, %s", b, names(t, dir))
	}
}

func TestFileOutput_DirectoryTakesTheSendersNameButNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	o := openFile(t, dir, "lab.iso")
	if _, err := o.Commit(); err != nil || names(t, dir) != "lab.iso" {
		t.Fatal(err, names(t, dir))
	}
	for name, want := range map[string]string{"lab.iso": "there already", "": "has no name"} {
		if _, err := (House{}).OpenOutput(t.Context(), &Endpoint{Kind: Path, Path: dir}, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestFileOutput_LinkStaysALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "real"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	o := openFile(t, filepath.Join(dir, "link"), "")
	_ = o.Write(t.Context(), Piece{B: []byte("x")})
	if _, err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(filepath.Join(dir, "real"))
	if l, err := os.Readlink(filepath.Join(dir, "link")); err != nil || l != "real" || string(b) != "x" {
		t.Fatal(l, err, b)
	}
}

func TestFileOutput_DeviceIsWrittenNotReplaced(t *testing.T) {
	o := openFile(t, os.DevNull, "")
	if _, ok := o.(*pipe); !ok {
		t.Fatalf("%T would replace %s", o, os.DevNull)
	}
	if _, err := o.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestFileOutput_MissingDirectorySaysWhatToDo(t *testing.T) {
	_, err := House{}.OpenOutput(t.Context(), &Endpoint{Kind: Path, Path: filepath.Join(t.TempDir(), "a", "b")}, "")
	if err == nil || !strings.Contains(err.Error(), "create the directory") || !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestPipeOutput_WritesTheBytesAlone(t *testing.T) {
	var b bytes.Buffer
	o, err := House{Stdout: &b}.OpenOutput(t.Context(), &Endpoint{Kind: Pipe}, "x")
	if err != nil {
		t.Fatal(err)
	}
	_ = o.Write(t.Context(), Piece{B: []byte("pay")})
	_ = o.Write(t.Context(), Piece{B: []byte("load"), Whole: true})
	if _, err := o.Commit(); err != nil || b.String() != "payload" {
		t.Fatal(err, b.String())
	}
}
