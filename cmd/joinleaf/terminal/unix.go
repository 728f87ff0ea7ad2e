//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Is reports whether f is a terminal.
func Is(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), getAttributes)
	return err == nil
}

// ReadSecret writes prompt to w and reads one line from the terminal in, with
// echo off. restore, called from elsewhere, turns echo on again at once: for a
// signal that ends the process while it waits here.
func ReadSecret(in *os.File, w io.Writer, prompt string, restore func(func())) (string, error) {
	fd := int(in.Fd())
	old, err := unix.IoctlGetTermios(fd, getAttributes)
	if err != nil {
		return "", fmt.Errorf("not a terminal: %w", err)
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, setAttributes, &quiet); err != nil {
		return "", err
	}
	back := func() { _ = unix.IoctlSetTermios(fd, setAttributes, old) }
	defer back()
	restore(back)
	fmt.Fprint(w, prompt)
	line, err := bufio.NewReader(io.LimitReader(in, 1024)).ReadString('\n')
	fmt.Fprintln(w)
	if err != nil && !(errors.Is(err, io.EOF) && line != "") {
		return "", err
	}
	return strings.TrimSpace(line), nil
}
