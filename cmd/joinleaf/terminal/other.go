//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package terminal

import (
	"errors"
	"io"
	"os"
)

// Is reports whether f is a terminal: not known here, so no.
func Is(*os.File) bool { return false }

// ReadSecret is not supported here.
func ReadSecret(*os.File, io.Writer, string, func(func())) (string, error) {
	return "", errors.ErrUnsupported
}
