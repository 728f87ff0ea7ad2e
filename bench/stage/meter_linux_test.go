package stage

import (
	"os"
	"path/filepath"
	"testing"
)

var sink []*[64]byte

func TestMeter_CountsTheStretchAlone(t *testing.T) {
	allocate := func(n int) {
		for range n {
			sink = append(sink[:0:0], new([64]byte))
		}
	}
	allocate(100_000)
	m := NewMeter()
	allocate(10_000)
	s := m.Spent()
	// The runtime counts objects when a span is full or swept: roughly is enough
	// to tell one a packet from none.
	if s.Objects < 15_000 || s.Objects > 40_000 || s.Seconds <= 0 || s.CPU < 0 {
		t.Errorf("20,000 objects are %+v", s)
	}
}

func TestProfile_IsWrittenWhereTheVariableSays(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(profiles, "")
	stop, err := Profile("none")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	t.Setenv(profiles, dir)
	if stop, err = Profile("some"); err != nil {
		t.Fatal(err)
	}
	stop()
	if i, err := os.Stat(filepath.Join(dir, "some.pprof")); err != nil || i.Size() == 0 {
		t.Error(i, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Error(files, err)
	}
}
