package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/door"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// The exit codes, the same for every command.
const (
	exitDone        = 0
	exitUsage       = 1
	exitRefused     = 2 // refused or timed out
	exitLost        = 3 // data lost or incomplete
	exitInterrupted = 130
)

// failure is an error with an exit code: one sentence that says what, why and
// what to do.
type failure struct {
	exit int
	text string
	err  error // the cause; may be nil
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

func failed(exit int, format string, args ...any) *failure {
	err := fmt.Errorf(format, args...)
	return &failure{exit: exit, text: err.Error(), err: errors.Unwrap(err)}
}

func usage(format string, args ...any) *failure { return failed(exitUsage, format, args...) }

// exitOf gives err's exit code. What cobra says is about usage.
func exitOf(err error) int {
	if err == nil {
		return exitDone
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.exit
	}
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	return exitUsage
}

// unreachable are the codes of a network that does not lead there.
func unreachable(err error) bool {
	switch transport.CodeOf(err) {
	case transport.WSAENETUNREACH, transport.WSAEHOSTUNREACH, transport.WSAENETDOWN:
		return true
	}
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// cannotOpen turns what stands in the way of opening a session or a door into a
// failure: something the user typed, or a network that is not there. The
// library's words say what and why.
func cannotOpen(what string, err error) error {
	file, _ := errors.AsType[*door.FileError](err)
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case file != nil:
		return usage("%w", err)
	case unreachable(err), timedOut(err):
		return failed(exitRefused, "cannot open %s: %w", what, err)
	}
	return usage("cannot open %s: %w", what, err)
}

// cannotJoin turns what stands in the way of joining into a failure.
func cannotJoin(root string, err error) error {
	instead := func(words string) error {
		return &failure{exit: exitRefused, text: "cannot join " + root + ": " + words, err: err}
	}
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case errors.Is(err, crypto.ErrProof):
		return instead("it has another join code; copy the sender's code file and name it with --code-file")
	case errors.Is(err, crypto.ErrIdentity):
		return usage("cannot join %s: %w", root, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return instead("nobody listens there; start joinleaf send first, or wait for it with --max-wait 1m")
	case timedOut(err):
		return failed(exitRefused, "cannot join %s: no answer in time; check the address, and that no firewall keeps TCP out (%w)", root, err)
	}
	switch transport.CodeOf(err) {
	case transport.WSAEADDRNOTAVAIL, transport.WSAEINVAL, transport.WSAEACCES, transport.WSAEADDRINUSE, transport.WSAEAFNOSUPPORT, transport.WSAEPROTONOSUPPORT:
		return usage("cannot join %s: %w", root, err)
	}
	return failed(exitRefused, "cannot join %s: %w", root, err)
}
