//go:build unix

package transport

import (
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
)

// codeOfErrno maps the errors that sockets give to Winsock's codes; zero when
// there is none that fits.
func codeOfErrno(e syscall.Errno) Code {
	switch e {
	case syscall.EACCES, syscall.EPERM:
		return WSAEACCES
	case syscall.EADDRINUSE:
		return WSAEADDRINUSE
	case syscall.EADDRNOTAVAIL, syscall.ENODEV, syscall.ENXIO:
		return WSAEADDRNOTAVAIL // Winsock has no ENODEV; a join by an interface that is gone says 10049
	case syscall.EAFNOSUPPORT:
		return WSAEAFNOSUPPORT
	case syscall.EAGAIN:
		return WSAEWOULDBLOCK
	case syscall.ECONNABORTED:
		return WSAECONNABORTED
	case syscall.ECONNREFUSED:
		return WSAECONNREFUSED
	case syscall.ECONNRESET, syscall.EPIPE:
		return WSAECONNRESET
	case syscall.EHOSTUNREACH, syscall.EHOSTDOWN:
		return WSAEHOSTUNREACH
	case syscall.EINTR:
		return WSAEINTR
	case syscall.EINVAL:
		return WSAEINVAL
	case syscall.EMFILE, syscall.ENFILE:
		return WSAEMFILE
	case syscall.EMSGSIZE:
		return WSAEMSGSIZE
	case syscall.ENETDOWN:
		return WSAENETDOWN
	case syscall.ENETUNREACH:
		return WSAENETUNREACH
	case syscall.ENOBUFS, syscall.ENOMEM:
		return WSAENOBUFS
	case syscall.ENOPROTOOPT:
		return WSAENOPROTOOPT
	case syscall.EOPNOTSUPP, syscall.ENOSYS:
		return WSAEOPNOTSUPP
	case syscall.EPROTONOSUPPORT:
		return WSAEPROTONOSUPPORT
	case syscall.ETIMEDOUT:
		return WSAETIMEDOUT
	}
	return 0
}

// unreachableHint: on macOS 15 and later, EHOSTUNREACH is how the Local
// Network permission says no (F-17).
func unreachableHint(a netip.Addr) string {
	if runtime.GOOS == "darwin" {
		return fmt.Sprintf("%v is unreachable; on macOS this is mostly the Local Network permission: "+
			"allow this terminal or app under System Settings > Privacy & Security > Local Network", a)
	}
	return fmt.Sprintf("%v does not answer on this link; check the address and that the host is up", a)
}
