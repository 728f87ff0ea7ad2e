package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestExplain_FindsTheCodeOfAnyCause(t *testing.T) {
	for _, c := range []struct {
		err  error
		code Code
		is   error // a Go sentinel that must match as well
	}{
		{net.ErrClosed, WSAENOTSOCK, net.ErrClosed},
		{os.ErrClosed, WSAENOTSOCK, net.ErrClosed},
		{context.Canceled, WSAEINTR, context.Canceled},
		{context.DeadlineExceeded, WSAETIMEDOUT, os.ErrDeadlineExceeded},
		{os.ErrDeadlineExceeded, WSAETIMEDOUT, os.ErrDeadlineExceeded},
		{io.EOF, WSAECONNABORTED, io.EOF},
		{fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), WSAECONNABORTED, io.ErrUnexpectedEOF},
		{fmt.Errorf("wrapped: %w", WSAENOBUFS), WSAENOBUFS, WSAENOBUFS},
		{errors.ErrUnsupported, WSAEOPNOTSUPP, errors.ErrUnsupported},
		{errors.New("anything else"), WSASYSCALLFAILURE, WSASYSCALLFAILURE},
	} {
		err := Explain("try", Group{}, c.err)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code != c.code || !errors.Is(err, c.is) || !errors.Is(err, c.err) {
			t.Errorf("%v: %v; want %s that matches %v", c.err, err, c.code.Name(), c.is)
		}
	}
	if Explain("try", Group{}, nil) != nil {
		t.Error("no error became one")
	}
	first := &Error{Op: "first", Code: WSAEACCES}
	if again := Explain("second", Group{}, fmt.Errorf("more: %w", first)); errors.Is(again, WSASYSCALLFAILURE) || !strings.Contains(again.Error(), "first") {
		t.Errorf("an explained error was explained again: %v", again)
	}
}

// Each refusal of the system has its sentence: what, why, what to do.
func TestSentences_SayWhatToDo(t *testing.T) {
	at, group := netip.MustParseAddrPort("10.0.0.7:80"), netip.MustParseAddrPort("239.192.7.1:7000")
	group6 := Group{Addr: netip.MustParseAddrPort("[ff15::1]:7000"), Interface: "eth0"}
	group4 := Group{Addr: group, Source: netip.MustParseAddr("10.0.0.1"), Interface: "eth0"}
	for _, c := range []struct {
		got, want string
	}{
		{openSentence(WSAEADDRINUSE, at, true), "does not share it; stop it or choose another port"},
		{openSentence(WSAEADDRINUSE, at, false), "port 80 of 10.0.0.7 is taken; choose another port, or 0"},
		{openSentence(WSAEADDRNOTAVAIL, at, false), "10.0.0.7 is no address of this host"},
		{openSentence(WSAEACCES, at, false), "port 80 needs privileges; choose one from 1024 up"},
		{openSentence(WSAEAFNOSUPPORT, group6.Addr, false), "this host has no IPv6; use the other family"},
		{openSentence(WSAEMFILE, at, false), "ulimit -n"},
		{joinSentence(WSAENOBUFS, group4), "sudo sysctl -w net.ipv4.igmp_max_memberships="},
		{joinSentence(WSAENOBUFS, group6), "sudo sysctl -w net.core.optmem_max="},
		{joinSentence(WSAEADDRNOTAVAIL, group6), "eth0 cannot join: it is gone, or has no IPv6 address"},
		{joinSentence(WSAENETDOWN, group4), "eth0 is down; bring it up or choose another"},
		{joinSentence(WSAEOPNOTSUPP, group4), "leave the source away"},
		{sendSentence(WSAEMSGSIZE, at, ""), "send at most"},
		{sendSentence(WSAEACCES, at, ""), "a firewall rule on this host refuses packets to 10.0.0.7:80; allow them"},
		{sendSentence(WSAENETUNREACH, group, ""), "opened without an interface; name one"},
		{sendSentence(WSAENETUNREACH, group, "eth0"), "the interface eth0 carries no groups now"},
		{sendSentence(WSAENETUNREACH, at, "eth0"), "no route leads to 10.0.0.7"},
		{sendSentence(WSAEADDRNOTAVAIL, group, "eth0"), "the interface eth0 is gone; open the socket again"},
		{sendSentence(WSAEHOSTUNREACH, at, "eth0"), "10.0.0.7"},
		{sendSentence(WSAENETDOWN, at, "eth0"), "eth0 is down or gone"},
		{sendSentence(WSAENOBUFS, at, "eth0"), "send slower"},
		{streamSentence(WSAEADDRINUSE, at, true), "TCP port 80 is taken"},
		{streamSentence(WSAEADDRNOTAVAIL, at, true), "10.0.0.7 is no address of this host"},
		{streamSentence(WSAEACCES, at, true), "needs privileges"},
		{streamSentence(WSAEACCES, at, false), "a firewall rule on this host refuses connections"},
		{streamSentence(WSAECONNREFUSED, at, false), "nobody listens on 10.0.0.7:80; check that the root runs"},
		{streamSentence(WSAETIMEDOUT, at, false), "did not answer in time; check the address, and firewalls"},
		{streamSentence(WSAENETUNREACH, at, false), "no route leads to 10.0.0.7"},
		{streamSentence(WSAEHOSTUNREACH, at, false), "10.0.0.7"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%q; want %q in it", c.got, c.want)
		}
	}
}

func TestBufferWarning_NamesWantedGotAndRemedy(t *testing.T) {
	const remedy = "sudo sysctl -w net.core.rmem_max=%d"
	got := bufferWarning("receive", 8<<20, 208<<10, remedy)
	const want = "the receive buffer is 208 KiB of 8.0 MiB wanted, so bursts may be lost; grant it with: sudo sysctl -w net.core.rmem_max=8388608"
	if got != want {
		t.Errorf("%q; want %q", got, want)
	}
	if w := bufferWarning("receive", 0, 1, remedy) + bufferWarning("receive", 5, 5, remedy); w != "" {
		t.Errorf("a buffer that was granted warns: %q", w)
	}
}
