package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Piece is what an Output takes.
type Piece struct {
	B      []byte
	At     uint64 // offset, where Whole is false
	Micros uint64 // when it came in at the sender, where Whole is true
	Whole  bool   // one datagram: its boundaries are to be kept
}

// Output is where payload goes. One goroutine uses it.
type Output interface {
	Write(ctx context.Context, p Piece) error
	// Commit ends it well: what was written is whole. Keep ends it with what
	// there is, under a name that says so. Both tell where that is. Abort ends
	// it and keeps nothing that could be taken back.
	Commit() (where string, err error)
	Keep() (where string, err error)
	Abort()
}

// OpenOutput opens e. name is the sender's name for what comes, which serves
// when e is a directory; overwriting under a name that the sender chose is
// refused.
func (h House) OpenOutput(ctx context.Context, e *Endpoint, name string) (Output, error) {
	switch e.Kind {
	case Pipe:
		return &pipe{w: h.Stdout, name: "stdout"}, nil
	case Socket:
		return h.openSocketOutput(ctx, e)
	}
	return openFileOutput(e.Path, name)
}

// pipe writes on, with nothing to rename or to take back.
type pipe struct {
	w    io.Writer
	c    io.Closer
	name string
}

func (o *pipe) Write(_ context.Context, p Piece) error {
	if _, err := o.w.Write(p.B); err != nil {
		return fileError("write", o.name, err)
	}
	return nil
}

func (o *pipe) Commit() (string, error) {
	if o.c != nil {
		if err := o.c.Close(); err != nil {
			return "", fileError("write", o.name, err)
		}
	}
	return o.name, nil
}

func (o *pipe) Keep() (string, error) { return o.Commit() }

func (o *pipe) Abort() {
	if o.c != nil {
		o.c.Close()
	}
}

// fileOutput writes beside its place and takes it when it is whole.
type fileOutput struct {
	f    *os.File
	path string
}

func openFileOutput(path, name string) (Output, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		if name == "" {
			return nil, &FileError{Text: fmt.Sprintf("cannot write into %s: what the sender sends has no name; give a file's name with --out", path)}
		}
		path = filepath.Join(path, name)
		if _, err := os.Lstat(path); err == nil {
			return nil, &FileError{path + " is there already, and that name was the sender's choice; give it with --out to replace it", fs.ErrExist}
		}
	case err == nil && !info.Mode().IsRegular(): // a device or named pipe
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fileError("write", path, err)
		}
		return &pipe{w: f, c: f, name: path}, nil
	case err == nil: // keep a symbolic link, replace what it points to
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
	}
	f, err := createBeside(path)
	if err != nil {
		return nil, err
	}
	return &fileOutput{f: f, path: path}, nil
}

// createBeside makes a new file in path's directory, with the mode that path
// itself would get.
func createBeside(path string) (*os.File, error) {
	for n := range 100 {
		temp := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d-%d.part", filepath.Base(path), os.Getpid(), n))
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fileError("write", path, err)
		}
	}
	return nil, &FileError{fmt.Sprintf("cannot write %s: a hundred unfinished files of it are there already; remove .%s.*.part", path, filepath.Base(path)), fs.ErrExist}
}

func (o *fileOutput) Write(_ context.Context, p Piece) error {
	var err error
	if p.Whole {
		_, err = o.f.Write(p.B)
	} else {
		_, err = o.f.WriteAt(p.B, int64(p.At))
	}
	if err != nil {
		return fileError("write", o.path, err)
	}
	return nil
}

func (o *fileOutput) Commit() (string, error) { return o.rename(o.path) }

// Keep leaves PATH.partial.
func (o *fileOutput) Keep() (string, error) { return o.rename(o.path + ".partial") }

func (o *fileOutput) rename(path string) (string, error) {
	temp := o.f.Name()
	err := o.f.Sync()
	if cerr := o.f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return "", fileError("write", path, err)
	}
	return path, nil
}

func (o *fileOutput) Abort() {
	o.f.Close()
	os.Remove(o.f.Name())
}
