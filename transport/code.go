package transport

import (
	"context"
	"io/fs"
	"net"
	"os"
	"strconv"
)

// Code is a Winsock error number. It is the one list of causes that joinleaf
// has, from the kernel's refusals up to the socket calls of the root package,
// and it is an error itself: errors.Is(err, transport.WSAETIMEDOUT) works on
// every error that a joinleaf package returns.
//
// A Code also matches the Go sentinel that means the same, so callers who
// never heard of Winsock write errors.Is(err, os.ErrDeadlineExceeded).
type Code int

// The codes, with the numbers of winsock2.h.
const (
	WSA_OPERATION_ABORTED Code = 995 //nolint:revive // Winsock's spelling
	WSAEINTR              Code = 10004
	WSAEACCES             Code = 10013
	WSAEFAULT             Code = 10014
	WSAEINVAL             Code = 10022
	WSAEMFILE             Code = 10024
	WSAEWOULDBLOCK        Code = 10035
	WSAEINPROGRESS        Code = 10036
	WSAEALREADY           Code = 10037
	WSAENOTSOCK           Code = 10038
	WSAEMSGSIZE           Code = 10040
	WSAEPROTOTYPE         Code = 10041
	WSAENOPROTOOPT        Code = 10042
	WSAEPROTONOSUPPORT    Code = 10043
	WSAESOCKTNOSUPPORT    Code = 10044
	WSAEOPNOTSUPP         Code = 10045
	WSAEAFNOSUPPORT       Code = 10047
	WSAEADDRINUSE         Code = 10048
	WSAEADDRNOTAVAIL      Code = 10049
	WSAENETDOWN           Code = 10050
	WSAENETUNREACH        Code = 10051
	WSAECONNABORTED       Code = 10053
	WSAECONNRESET         Code = 10054
	WSAENOBUFS            Code = 10055
	WSAEISCONN            Code = 10056
	WSAENOTCONN           Code = 10057
	WSAESHUTDOWN          Code = 10058
	WSAETIMEDOUT          Code = 10060
	WSAECONNREFUSED       Code = 10061
	WSAEHOSTUNREACH       Code = 10065
	WSAVERNOTSUPPORTED    Code = 10092
	WSANOTINITIALISED     Code = 10093
	WSAEDISCON            Code = 10101
	WSASYSCALLFAILURE     Code = 10107
	WSATRY_AGAIN          Code = 11002 //nolint:revive // Winsock's spelling
)

var codes = map[Code]struct{ name, text string }{
	WSA_OPERATION_ABORTED: {"WSA_OPERATION_ABORTED", "operation cancelled by closing"},
	WSAEINTR:              {"WSAEINTR", "call cancelled"},
	WSAEACCES:             {"WSAEACCES", "permission denied"},
	WSAEFAULT:             {"WSAEFAULT", "argument unusable or buffer too small"},
	WSAEINVAL:             {"WSAEINVAL", "invalid argument or state"},
	WSAEMFILE:             {"WSAEMFILE", "no descriptor left"},
	WSAEWOULDBLOCK:        {"WSAEWOULDBLOCK", "would block"},
	WSAEINPROGRESS:        {"WSAEINPROGRESS", "a provider callback is running"},
	WSAEALREADY:           {"WSAEALREADY", "a join is already under way"},
	WSAENOTSOCK:           {"WSAENOTSOCK", "not an open socket"},
	WSAEMSGSIZE:           {"WSAEMSGSIZE", "message too long"},
	WSAEPROTOTYPE:         {"WSAEPROTOTYPE", "wrong protocol for the type"},
	WSAENOPROTOOPT:        {"WSAENOPROTOOPT", "option not supported"},
	WSAEPROTONOSUPPORT:    {"WSAEPROTONOSUPPORT", "protocol or connect data not supported"},
	WSAESOCKTNOSUPPORT:    {"WSAESOCKTNOSUPPORT", "socket type not supported"},
	WSAEOPNOTSUPP:         {"WSAEOPNOTSUPP", "operation not supported here"},
	WSAEAFNOSUPPORT:       {"WSAEAFNOSUPPORT", "address family not usable here"},
	WSAEADDRINUSE:         {"WSAEADDRINUSE", "address already in use"},
	WSAEADDRNOTAVAIL:      {"WSAEADDRNOTAVAIL", "address not available"},
	WSAENETDOWN:           {"WSAENETDOWN", "network is down"},
	WSAENETUNREACH:        {"WSAENETUNREACH", "network is unreachable"},
	WSAECONNABORTED:       {"WSAECONNABORTED", "connection lost"},
	WSAECONNRESET:         {"WSAECONNRESET", "connection reset by the other side"},
	WSAENOBUFS:            {"WSAENOBUFS", "no buffer space left"},
	WSAEISCONN:            {"WSAEISCONN", "already a member"},
	WSAENOTCONN:           {"WSAENOTCONN", "not a member of a session"},
	WSAESHUTDOWN:          {"WSAESHUTDOWN", "closed on this side"},
	WSAETIMEDOUT:          {"WSAETIMEDOUT", "timed out"},
	WSAECONNREFUSED:       {"WSAECONNREFUSED", "refused"},
	WSAEHOSTUNREACH:       {"WSAEHOSTUNREACH", "host is unreachable"},
	WSAVERNOTSUPPORTED:    {"WSAVERNOTSUPPORTED", "version not supported"},
	WSANOTINITIALISED:     {"WSANOTINITIALISED", "not started up"},
	WSAEDISCON:            {"WSAEDISCON", "closed in good order by the other side"},
	WSASYSCALLFAILURE:     {"WSASYSCALLFAILURE", "system call failed"},
	WSATRY_AGAIN:          {"WSATRY_AGAIN", "deferred, try again"},
}

// Name returns the constant's name, such as "WSAETIMEDOUT".
func (c Code) Name() string {
	if e, ok := codes[c]; ok {
		return e.name
	}
	return "WSA" + strconv.Itoa(int(c))
}

// Error returns the name and one plain phrase.
func (c Code) Error() string {
	if e, ok := codes[c]; ok {
		return e.name + ": " + e.text
	}
	return c.Name()
}

// Is maps a Code to the Go sentinels that mean the same.
func (c Code) Is(target error) bool {
	switch target {
	case net.ErrClosed:
		return c == WSAENOTSOCK || c == WSAESHUTDOWN || c == WSA_OPERATION_ABORTED
	case os.ErrDeadlineExceeded:
		return c == WSAETIMEDOUT
	case context.Canceled:
		return c == WSAEINTR
	case fs.ErrPermission:
		return c == WSAEACCES
	}
	return false
}

// Timeout reports whether the cause is that time ran out, as net.Error wants it.
func (c Code) Timeout() bool { return c == WSAETIMEDOUT || c == WSAEWOULDBLOCK }
