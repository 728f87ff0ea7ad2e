package transport

import (
	"fmt"
	"net/netip"
	"syscall"
)

// codeOfErrno: Windows sockets fail with Winsock's own numbers, and package
// net lets them through. Access violations of the file kind become EACCES.
func codeOfErrno(e syscall.Errno) Code {
	if c := Code(e); codes[c].name != "" {
		return c
	}
	switch e {
	case syscall.ERROR_ACCESS_DENIED:
		return WSAEACCES
	case syscall.ERROR_OPERATION_ABORTED:
		return WSA_OPERATION_ABORTED
	}
	return 0
}

func unreachableHint(a netip.Addr) string {
	return fmt.Sprintf("%v does not answer on this link; check the address and that the host is up", a)
}
