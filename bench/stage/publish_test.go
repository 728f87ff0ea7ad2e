package stage

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestPublish_LeavesTableReportAndPictures(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "results")
	var shown bytes.Buffer
	if err := Publish(&shown, folder, "x", map[string]int{"a": 1}, []byte("a 1\n"), Picture{"x-more", []byte("<svg/>")}); err != nil {
		t.Fatal(err)
	}
	if shown.String() != "a 1\n" {
		t.Errorf("%q was shown", shown.String())
	}
	for name, want := range map[string]string{"x.txt": "a 1\n", "x.json": "{\n\t\"a\": 1\n}\n", "x-more.svg": "<svg/>"} {
		if got, err := os.ReadFile(filepath.Join(folder, name)); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
