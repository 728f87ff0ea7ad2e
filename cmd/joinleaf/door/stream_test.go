package door

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// drain reads in until its end and returns the cuts.
func drain(t *testing.T, in Input) [][]byte {
	t.Helper()
	var cuts [][]byte
	p := make([]byte, 1<<16)
	for {
		n, _, err := in.Next(t.Context(), p)
		if errors.Is(err, io.EOF) {
			return cuts
		}
		if err != nil {
			t.Fatal(err)
		}
		cuts = append(cuts, bytes.Clone(p[:n]))
	}
}

func transportStream(packets int) []byte {
	b := make([]byte, packets*tsPacket)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
		if i%tsPacket == 0 {
			b[i] = tsSync
		}
	}
	return b
}

func TestStream_TransportPacketsStayWhole(t *testing.T) {
	want := transportStream(2000)
	in := newStream(iotest.OneByteReader(iotest.HalfReader(bytes.NewReader(want))), nil)
	cuts := drain(t, in)
	for i, c := range cuts {
		if len(c)%tsPacket != 0 || c[0] != tsSync {
			t.Fatalf("cut %d has %d bytes, begins %#x", i, len(c), c[0])
		}
	}
	if !bytes.Equal(bytes.Join(cuts, nil), want) {
		t.Fatal("other bytes came out")
	}
}

func TestStream_EndsWithTheHalfPacketItHas(t *testing.T) {
	want := append(transportStream(3), tsSync, 1, 2)
	cuts := drain(t, newStream(bytes.NewReader(want), nil))
	if len(cuts) != 2 || len(cuts[1]) != 3 || !bytes.Equal(bytes.Join(cuts, nil), want) {
		t.Fatalf("%d cuts, the last of %d bytes", len(cuts), len(cuts[len(cuts)-1]))
	}
}

func TestStream_OtherBytesAreCutWhereTheyCame(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		for _, s := range []string{"one", "two", "three"} {
			_, _ = w.Write([]byte(s))
		}
		w.Close()
	}()
	in := newStream(r, nil)
	cuts := drain(t, in)
	if got := string(bytes.Join(cuts, []byte("|"))); got != "one|two|three" {
		t.Fatal(got)
	}
	if a := in.About(); a.Size != -1 || a.Datagrams {
		t.Fatalf("%+v", a)
	}
}

func TestStream_WaitingForBytesStopsWithTheContext(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	in := newStream(r, r)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, _, err := in.Next(ctx, make([]byte, 1<<16)); !errors.Is(err, why) {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStream_ReadErrorIsTold(t *testing.T) {
	in := newStream(iotest.ErrReader(errors.New("disk on fire")), nil)
	if _, _, err := in.Next(t.Context(), make([]byte, 1<<16)); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Fatal(err)
	}
}

func TestFile_ComesWholeWithNameAndSize(t *testing.T) {
	for name, want := range map[string][]byte{
		"empty":     {},
		"text":      []byte("just a line\n"),
		"large":     bytes.Repeat([]byte("0123456789"), 30_000),
		"transport": transportStream(1000),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, want, 0o600); err != nil {
				t.Fatal(err)
			}
			in, err := House{}.OpenInput(t.Context(), &Endpoint{Kind: Path, Path: path})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if a := in.About(); a.Name != name || a.Size != int64(len(want)) || a.Datagrams {
				t.Fatalf("%+v", a)
			}
			cuts := drain(t, in)
			if !bytes.Equal(bytes.Join(cuts, nil), want) {
				t.Fatal("other bytes came out")
			}
			if name == "transport" && len(cuts[0])%DefaultPacketSize != 0 {
				t.Fatalf("first cut has %d bytes, no multiple of %d", len(cuts[0]), DefaultPacketSize)
			}
		})
	}
}

func TestFile_WhatCannotBeReadSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "check the name",
		dir:                        "tar c",
	} {
		if _, err := (House{}).OpenInput(t.Context(), &Endpoint{Kind: Path, Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
