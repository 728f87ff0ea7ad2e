package transport

import (
	"errors"
	"net"
	"strings"
)

// Error is the one error type of joinleaf: what was tried, on which group, the
// code, and the cause in words that say what to do about it.
//
// errors.Is matches the code, the Go sentinel that means the same (see
// [Code.Is]) and everything the cause matches.
type Error struct {
	Op    string // what was tried: "join", "open group"
	Group Group  // the group concerned, if any
	Code  Code
	Err   error // the cause, and what to do; may be nil
}

var _ net.Error = (*Error)(nil)

// Error reads "op group: cause (NAME)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Group.Addr.IsValid() {
		b.WriteString(" " + e.Group.String())
	}
	b.WriteString(": ")
	if e.Err == nil {
		b.WriteString(e.Code.Error())
		return b.String()
	}
	b.WriteString(e.Err.Error())
	if e.Code != 0 && !strings.Contains(e.Err.Error(), e.Code.Name()) {
		b.WriteString(" (" + e.Code.Name() + ")")
	}
	return b.String()
}

// Unwrap gives both ways on: the code and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Timeout reports whether time ran out.
func (e *Error) Timeout() bool { return e.Code.Timeout() }

// Temporary exists for net.Error; it says whether trying again may help.
func (e *Error) Temporary() bool {
	return e.Code == WSAEWOULDBLOCK || e.Code == WSATRY_AGAIN || e.Code == WSAENOBUFS
}

// CodeOf returns the code that err carries, or zero when it carries none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != 0 {
		return e.Code
	}
	if c, ok := errors.AsType[Code](err); ok {
		return c
	}
	return 0
}
