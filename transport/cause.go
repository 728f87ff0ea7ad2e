package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// Explain turns what the system, package net or a context said into an *Error
// with the code that fits. An err that is nil or already holds an *Error comes
// back as it is.
func Explain(op string, g Group, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{Op: op, Group: g, Code: codeFor(err), Err: err}
}

// explain is Explain with a sentence in front of the cause: why, and what to
// do about it.
func explain(op string, g Group, err error, sentence string) error {
	if sentence == "" {
		return Explain(op, g, err)
	}
	return &Error{Op: op, Group: g, Code: codeFor(err), Err: fmt.Errorf("%s: %w", sentence, bare(err))}
}

// refuse is an error of our own: nothing was asked of the system.
func refuse(op string, g Group, c Code, format string, a ...any) error {
	return &Error{Op: op, Group: g, Code: c, Err: fmt.Errorf(format, a...)}
}

// bare strips package net's own account (operation and addresses), which the
// sentence in front of it has told already.
func bare(err error) error {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e
	}
	return err
}

// codeFor finds the code for any cause.
func codeFor(err error) Code {
	if c := CodeOf(err); c != 0 {
		return c
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		if c := codeOfErrno(e); c != 0 {
			return c
		}
	}
	var ne net.Error
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed):
		return WSAENOTSOCK
	case errors.Is(err, context.Canceled):
		return WSAEINTR
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return WSAETIMEDOUT
	case errors.As(err, &ne) && ne.Timeout():
		return WSAETIMEDOUT
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return WSAECONNABORTED // a stream that ends unannounced; good order is the session's to tell
	case errors.Is(err, errors.ErrUnsupported):
		return WSAEOPNOTSUPP
	}
	return WSASYSCALLFAILURE
}

// openSentence says why a data socket could not be opened. bind is the address
// it was to be bound to.
func openSentence(err error, bind netip.AddrPort, shared bool) string {
	switch codeFor(err) {
	case WSAEADDRINUSE:
		if shared {
			return fmt.Sprintf("UDP port %d is held by a program that does not share it; stop it or choose another port", bind.Port())
		}
		return fmt.Sprintf("UDP port %d of %v is taken; choose another port, or 0 for any", bind.Port(), bind.Addr())
	case WSAEADDRNOTAVAIL:
		return fmt.Sprintf("%v is no address of this host", bind.Addr())
	case WSAEACCES:
		return fmt.Sprintf("port %d needs privileges; choose one from 1024 up", bind.Port())
	case WSAEAFNOSUPPORT:
		return "this host has no " + familyName(bind.Addr()) + "; use the other family"
	case WSAEMFILE:
		return "no descriptor is left; raise the limit (ulimit -n) or close sockets"
	}
	return ""
}

// joinSentence says why a membership was refused.
func joinSentence(err error, g Group) string {
	switch codeFor(err) {
	case WSAENOBUFS: // F-6
		if g.Addr.Addr().Is4() {
			return "the system grants no more IPv4 memberships; raise the limit: sudo sysctl -w net.ipv4.igmp_max_memberships=256 (sources: net.ipv4.igmp_max_msf)"
		}
		return "the system grants no more IPv6 memberships; raise the limit: sudo sysctl -w net.core.optmem_max=131072 (sources: net.ipv6.mld_max_msf)"
	case WSAEADDRNOTAVAIL:
		return fmt.Sprintf("the interface %s cannot join: it is gone, or has no %s address", g.Interface, familyName(g.Addr.Addr()))
	case WSAENETDOWN:
		return fmt.Sprintf("the interface %s is down; bring it up or choose another", g.Interface)
	case WSAEOPNOTSUPP:
		if g.Source.IsValid() {
			return "this system joins no source-specific groups; leave the source away"
		}
	}
	return ""
}

// sendSentence says why a datagram was not sent.
func sendSentence(err error, to netip.AddrPort, iface string) string {
	switch codeFor(err) {
	case WSAEMSGSIZE:
		return "the datagram is longer than UDP or the path allows; send at most 65487 bytes"
	case WSAEACCES:
		return fmt.Sprintf("a firewall rule on this host refuses packets to %v; allow them (nft list ruleset shows the rules)", to)
	case WSAENETUNREACH, WSAEADDRNOTAVAIL:
		switch group := to.Addr().IsMulticast(); {
		case group && iface == "":
			return fmt.Sprintf("no route leads to %v, and the socket was opened without an interface; name one", to.Addr())
		case group && codeFor(err) == WSAEADDRNOTAVAIL: // F-8
			return fmt.Sprintf("the interface %s is gone; open the socket again", iface)
		case group:
			return fmt.Sprintf("the interface %s carries no groups now: it is down or gone, or has no address", iface)
		}
		return fmt.Sprintf("no route leads to %v", to.Addr())
	case WSAEHOSTUNREACH:
		return unreachableHint(to.Addr())
	case WSAENETDOWN:
		return fmt.Sprintf("the interface %s is down or gone", iface)
	case WSAENOBUFS:
		return "the interface takes no more packets; send slower"
	}
	return ""
}

// streamSentence says why the control channel could not be had.
func streamSentence(err error, at netip.AddrPort, listening bool) string {
	switch codeFor(err) {
	case WSAEADDRINUSE:
		return fmt.Sprintf("TCP port %d is taken; choose another port, or 0 for any", at.Port())
	case WSAEADDRNOTAVAIL:
		if listening {
			return fmt.Sprintf("%v is no address of this host", at.Addr())
		}
	case WSAEACCES:
		if listening {
			return fmt.Sprintf("port %d needs privileges; choose one from 1024 up", at.Port())
		}
		return fmt.Sprintf("a firewall rule on this host refuses connections to %v", at)
	case WSAECONNREFUSED:
		return fmt.Sprintf("nobody listens on %v; check that the root runs, and its port", at)
	case WSAETIMEDOUT:
		return fmt.Sprintf("%v did not answer in time; check the address, and firewalls on the way", at)
	case WSAENETUNREACH:
		return fmt.Sprintf("no route leads to %v", at.Addr())
	case WSAEHOSTUNREACH:
		return unreachableHint(at.Addr())
	}
	return ""
}

func familyName(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "IPv4"
	}
	return "IPv6"
}
