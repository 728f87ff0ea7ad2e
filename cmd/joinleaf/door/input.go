package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Cut is what Next tells of the bytes that it gave.
type Cut struct {
	At   time.Time // when they came in; zero for a file's
	More bool      // more is there already, so there is no hurry to let these go
}

// Input is where payload comes from. One goroutine calls Next; Close may come
// from another.
type Input interface {
	// Next fills p with the next cut or datagram. At the end it says io.EOF.
	Next(ctx context.Context, p []byte) (int, Cut, error)
	// Start begins: what a socket heard before is dropped.
	Start()
	// About tells what it is.
	About() About
	// Dropped counts datagrams lost before the session got them: by the kernel
	// for want of buffer, by the fifo for want of speed.
	Dropped() uint64
	Close() error
}

// About describes an Input.
type About struct {
	Name      string // of a file
	Size      int64  // of a file; -1: not known
	Datagrams bool
}

// OpenInput opens e.
func (h House) OpenInput(ctx context.Context, e *Endpoint) (Input, error) {
	switch e.Kind {
	case Pipe:
		return newStream(h.Stdin, nil), nil
	case Socket:
		return h.openSocketInput(ctx, e)
	}
	return openPath(e.Path)
}

func openPath(path string) (Input, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError("read", path, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		f.Close()
		return nil, fileError("read", path, err)
	case info.IsDir():
		f.Close()
		return nil, &FileError{Text: fmt.Sprintf("cannot read %s: it is a directory; send it as a stream: tar c %s | joinleaf send --in - ...", path, path)}
	case !info.Mode().IsRegular():
		return newStream(f, f), nil
	}
	return &file{f: f, about: About{Name: filepath.Base(path), Size: info.Size()}}, nil
}

// fileError says what, why and what to do of the file system's refusals.
func fileError(verb, path string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist) && verb == "read":
		hint = "; check the name"
	case errors.Is(err, fs.ErrNotExist):
		hint = "; create the directory first"
	case errors.Is(err, fs.ErrPermission):
		hint = "; check who may " + verb + " it"
	case diskFull(err):
		hint = "; make room and try again"
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return &FileError{Text: fmt.Sprintf("cannot %s %s: %v%s", verb, path, err, hint), Err: err}
}

// FileError is a refusal of the file system, in words.
type FileError struct {
	Text string
	Err  error
}

func (e *FileError) Error() string { return e.Text }

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// file reads a regular file.
type file struct {
	f     *os.File
	about About
	ts    bool
	begun bool
}

func (f *file) Next(ctx context.Context, p []byte) (int, Cut, error) {
	if err := context.Cause(ctx); ctx.Err() != nil {
		return 0, Cut{}, err
	}
	if f.ts { // whole datagrams for whoever plays the file out again
		p = p[:len(p)/DefaultPacketSize*DefaultPacketSize]
	}
	n, err := io.ReadFull(f.f, p)
	if !f.begun && n > 0 {
		f.begun = true
		if f.ts = p[0] == tsSync && n == len(p); f.ts {
			whole := n / DefaultPacketSize * DefaultPacketSize
			if _, err := f.f.Seek(int64(whole), io.SeekStart); err != nil {
				return 0, Cut{}, fileError("read", f.f.Name(), err)
			}
			n = whole
		}
	}
	switch {
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return n, Cut{More: err == nil}, nil
	case errors.Is(err, io.EOF):
		return 0, Cut{}, io.EOF
	}
	return 0, Cut{}, fileError("read", f.f.Name(), err)
}

func (f *file) Start()          {}
func (f *file) About() About    { return f.about }
func (f *file) Dropped() uint64 { return 0 }
func (f *file) Close() error    { return f.f.Close() }
