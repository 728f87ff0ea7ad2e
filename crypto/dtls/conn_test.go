package dtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestConn_DatagramsKeepTheirEdges(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", func(c *Config) { c.Unread = 3 })
		d, acc := l.meet(a, b, to, Who{})
		pass(t, d, acc, "")
		pass(t, d, acc, strings.Repeat("x", d.MaxDatagram()))
		if l.longest != 1200 {
			t.Errorf("the longest packet has %d bytes, the MTU is 1200", l.longest)
		}
		if err := d.Write(make([]byte, d.MaxDatagram()+1)); !errors.Is(err, ErrTooLong) {
			t.Errorf("too long: %v", err)
		}
		must(t, d.Write([]byte("four")))
		p := make([]byte, 3)
		if n, err := acc.Read(t.Context(), p); n != 3 || !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("a short buffer: %d, %v", n, err)
		}
		for i := range 5 {
			must(t, d.Write(fmt.Append(nil, i)))
			time.Sleep(2 * time.Millisecond)
		}
		synctest.Wait()
		for i := range 3 {
			if n, err := acc.Read(t.Context(), p); err != nil || string(p[:n]) != fmt.Sprint(i) {
				t.Errorf("read %q, %v", p[:n], err)
			}
		}
		if n := b.Stats().Unread; n != 2 {
			t.Errorf("%d were counted as unread", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := acc.Read(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing to read: %v", err)
		}
	})
}

func TestConn_CloseTellsTheOtherEnd(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		d, acc := l.meet(a, b, to, Who{})
		must(t, d.Write([]byte("last")))
		time.Sleep(time.Millisecond)
		start := time.Now()
		must(t, errors.Join(d.Close(), d.Close()))
		if took := time.Since(start); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		time.Sleep(10 * time.Millisecond)
		p := make([]byte, 10)
		if n, err := acc.Read(t.Context(), p); err != nil || string(p[:n]) != "last" {
			t.Errorf("what came before the end: %q, %v", p[:n], err)
		}
		for range 2 {
			if _, err := acc.Read(t.Context(), p); err != io.EOF {
				t.Errorf("after the other end closed: %v", err)
			}
		}
		for name, err := range map[string]error{
			"write after the other end closed": acc.Write(p), "write after Close": d.Write(p),
			"read after Close": second(d.Read(t.Context(), p)), "export after Close": third(d.Export("EXPORTER-x", nil, 8)),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		synctest.Wait()
		if a.Stats().Associations+b.Stats().Associations != 0 {
			t.Errorf("left: %+v and %+v", a.Stats(), b.Stats())
		}
	})
}

func second(_ int, err error) error   { return err }
func third(_ []byte, err error) error { return err }

func TestEndpoint_CloseEndsEverything(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		d, acc := l.meet(a, b, to, Who{})
		errs := make(chan error, 3)
		go func() { errs <- second(acc.Read(t.Context(), make([]byte, 9))) }()
		go func() { _, err := b.Accept(t.Context()); errs <- err }()
		go func() {
			_, err := b.Dial(t.Context(), netip.MustParseAddrPort("10.0.0.9:1"), Who{})
			errs <- err
		}()
		synctest.Wait()
		must(t, errors.Join(b.Close(), b.Close()))
		for range 3 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a waiting call: %v", err)
			}
		}
		if _, err := b.Dial(t.Context(), to, Who{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialling: %v", err)
		}
		if _, err := d.Read(t.Context(), make([]byte, 9)); err != io.EOF {
			t.Errorf("the other end: %v", err)
		}
		b.Handle([]byte{kindAsk}, to)
		if b.Stats().Drops[DropClosed] == 0 {
			t.Errorf("stats %+v", b.Stats())
		}
	})
}

func TestConn_EndsWhenIdleOrOld(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		d, acc := l.meet(a, b, to, Who{})
		start := time.Now()
		for time.Since(start) < 5*time.Minute {
			time.Sleep(50 * time.Second)
			pass(t, d, acc, "still here")
		}
		last := time.Now()
		_, err := acc.Read(t.Context(), make([]byte, 99))
		if quiet := time.Since(last); quiet < 59*time.Second || quiet > 62*time.Second || err != io.EOF && !errors.Is(err, net.ErrClosed) {
			t.Errorf("idle: %v after %v", err, quiet)
		}
		d, acc = l.meet(a, b, to, Who{})
		start = time.Now()
		for err = nil; err == nil && time.Since(start) < 2*time.Hour; {
			time.Sleep(30 * time.Second)
			err = errors.Join(d.Write([]byte("busy")), second(acc.Read(t.Context(), make([]byte, 99))))
		}
		if age := time.Since(start); age < 59*time.Minute || age > 61*time.Minute || !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			t.Errorf("old: %v after %v", err, age)
		}
	})
}

// A host that is cut off without a word is forgotten, and nobody waits for it.
func TestConn_TheOtherEndVanishes(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, at := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		_, acc := l.meet(a, b, to, Who{})
		l.attach(at, func([]byte, netip.AddrPort) {})
		if _, err := acc.Read(t.Context(), make([]byte, 9)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the idle timeout: %v", err)
		}
		synctest.Wait()
		if s := b.Stats(); s.Associations != 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

func TestConn_WhatTheNetworkRefusesIsLoss(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		n := 0
		flaky := func(c *Config) {
			write := c.Write
			c.Write = func(p []byte, to netip.AddrPort) error {
				l.mu.Lock()
				n++
				bad := n%3 == 0
				l.mu.Unlock()
				if bad {
					return errors.New("no buffer space available")
				}
				return write(p, to)
			}
		}
		a, _ := l.host("10.0.0.1:4000", flaky)
		b, to := l.host("10.0.0.2:4000", flaky)
		d, _ := l.meet(a, b, to, Who{})
		for range 30 {
			must(t, d.Write([]byte("hello")))
		}
		if a.Stats().WriteErrors == 0 {
			t.Errorf("stats %+v", a.Stats())
		}
	})
}

// Keys and codes do not show when something is printed.
func TestConn_PrintsNoSecrets(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		d, _ := l.meet(a, b, to, Who{})
		k := d.a.suite.keys.Load()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(verb+" "+verb+" "+verb, d, a, a.config)
			for _, secret := range []string{l.code.Reveal(), fmt.Sprintf("%x", k.master[:8]), fmt.Sprint(k.master[:8])[1:20]} {
				if strings.Contains(text, secret) {
					t.Errorf("%s prints a secret: %s", verb, text)
				}
			}
		}
	})
}
