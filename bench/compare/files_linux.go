package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
)

const message = 8 << 10 // bytes; of those peers that have messages

// files is what the peers that move files read and write, in memory where the
// machine has a file system there.
type files struct {
	dir    string
	source string
	size   int64
}

// newFiles writes the file to send: the very messages that other peers send.
func newFiles(size int64) (f *files, err error) {
	base := "/dev/shm"
	if st, err := os.Stat(base); err != nil || !st.IsDir() {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "joinleaf-compare-")
	if err != nil {
		return nil, err
	}
	f = &files{dir: dir, source: filepath.Join(dir, "source", "file")}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := os.Mkdir(filepath.Dir(f.source), 0o755); err != nil {
		return nil, err
	}
	out, err := os.Create(f.source)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	content, err := bulk.NewContent(message)
	if err != nil {
		return nil, err
	}
	n := bulk.Spec{Size: size, Message: message}.Messages()
	f.size = int64(n) * message
	return f, content.Each(n, func(p []byte) error {
		_, err := out.Write(p)
		return err
	})
}

func (f *files) close() error { return os.RemoveAll(f.dir) }

// room makes a fresh folder for a receiver.
func (f *files) room(host string) (string, error) {
	dir := filepath.Join(f.dir, host)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o755)
}

// copied is one receiver's file.
type copied struct {
	path  string
	begun time.Time
}

// await notes when the first byte is there, for each, by looking every half
// millisecond. It ends early when the sender does.
func await(all []copied, sender *stage.Side) {
	for left := len(all); left > 0; {
		gone := sender.Gone()
		now := time.Now()
		for i := range all {
			var st syscall.Stat_t
			if all[i].begun.IsZero() && syscall.Stat(all[i].path, &st) == nil && st.Blocks > 0 {
				all[i].begun = now
				left--
			}
		}
		if gone {
			return
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// judge compares the copies with the source. The time of a copy is from the
// first look that found a byte in it to the last change of the file.
func (f *files) judge(o *outcome, all []copied) {
	for _, c := range all {
		if err := same(f.source, c.path); err != nil {
			if o.Failed == "" {
				o.Failed = err.Error()
			}
			o.Goodput = 0
			return
		}
		var st syscall.Stat_t
		if err := syscall.Stat(c.path, &st); err != nil {
			*o = incomplete("%v", err)
			return
		}
		took := max(time.Millisecond, time.Unix(st.Ctim.Unix()).Sub(c.begun)).Seconds()
		if rate := float64(f.size) / took; o.Goodput == 0 || rate < o.Goodput {
			o.Goodput = rate
		}
	}
	o.Arrived = 1
}

// same compares two files.
func same(a, b string) error {
	fa, err := os.Open(a)
	if err != nil {
		return err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return errors.New("no copy")
	}
	defer fb.Close()
	pa, pb := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := int64(0); ; at += int64(len(pa)) {
		na, ea := io.ReadFull(fa, pa)
		nb, eb := io.ReadFull(fb, pb)
		if na != nb || !bytes.Equal(pa[:na], pb[:nb]) {
			return fmt.Errorf("the copy differs after byte %d", at)
		}
		if ea != nil || eb != nil {
			if errors.Is(ea, io.EOF) || errors.Is(ea, io.ErrUnexpectedEOF) {
				return nil
			}
			return errors.Join(ea, eb)
		}
	}
}
