package nettest

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// A healthy network answers at once, so these bounds are only met by a broken
// one, or by a machine so busy that a packet was lost and is sent again.
var patience = 10 * time.Second

const tries = 20

// again is how long one try may take.
func again() time.Duration { return patience / tries }

// packet is one packet as it was on the wire, cut out of a read buffer.
type packet struct {
	b        []byte
	from     netip.AddrPort
	dst      netip.Addr
	ifIndex  int
	overflow uint32
}

// ear reads a socket in a goroutine of its own until the socket is closed, at
// the latest when the test ends.
type ear struct {
	conn transport.PacketConn
	got  chan packet
	quit chan struct{}
	done chan error // holds what ended the reading
}

// hear starts an ear on c, which it closes when the test ends.
func hear(t *testing.T, c transport.PacketConn) *ear {
	t.Helper()
	e := &ear{conn: c, got: make(chan packet, 1<<14), quit: make(chan struct{}), done: make(chan error, 1)}
	go e.read()
	t.Cleanup(func() {
		close(e.quit)
		c.Close()
		if err, ok := e.end(); !ok {
			t.Error("Close did not end ReadBatch")
		} else if !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadBatch ended with %v; want net.ErrClosed", err)
		}
	})
	return e
}

// end waits, bounded, for the reading to end.
func (e *ear) end() (error, bool) {
	select {
	case err := <-e.done:
		e.done <- err
		return err, true
	case <-time.After(patience):
		return nil, false
	}
}

func (e *ear) read() {
	const room = 1 << 16
	ds := make([]transport.Datagram, 8)
	for i := range ds {
		ds[i].B = make([]byte, room)
	}
	for {
		n, err := e.conn.ReadBatch(ds)
		if err != nil {
			e.done <- err
			return
		}
		if n < 1 || n > len(ds) {
			e.done <- errors.New("ReadBatch returned neither an error nor a number of datagrams")
			return
		}
		for i := range ds[:n] {
			e.hand(ds[i])
			ds[i] = transport.Datagram{B: ds[i].B[:room]}
		}
	}
}

// hand cuts a datagram into the packets it stands for and hands them on.
func (e *ear) hand(d transport.Datagram) {
	for rest, first := d.B, true; first || len(rest) > 0; first = false {
		n := len(rest)
		if d.Segment > 0 {
			n = min(n, d.Segment)
		}
		p := packet{bytes.Clone(rest[:n]), d.Addr, d.Dst, d.IfIndex, d.Overflow}
		rest = rest[n:]
		select {
		case e.got <- p:
		case <-e.quit:
		}
	}
}

// until returns what the ear hears, up to and with the first packet that is
// wanted; ok is false when time ran out first.
func (e *ear) until(wait time.Duration, want func(packet) bool) (heard []packet, ok bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case p := <-e.got:
			heard = append(heard, p)
			if want(p) {
				return heard, true
			}
		case <-timer.C:
			return heard, false
		}
	}
}

// reach sends until each ear has heard a packet that is exactly mark, and
// returns what each ear heard up to then.
func reach(t *testing.T, send func(), mark string, ears ...*ear) [][]packet {
	t.Helper()
	heard := make([][]packet, len(ears))
	ok := make([]bool, len(ears))
	for try := 0; try < tries; try++ {
		send()
		missing := 0
		for i, e := range ears {
			if ok[i] {
				continue
			}
			var more []packet
			more, ok[i] = e.until(again(), func(p packet) bool { return string(p.b) == mark })
			heard[i] = append(heard[i], more...)
			if !ok[i] {
				missing++
			}
		}
		if missing == 0 {
			return heard
		}
	}
	for i := range ears {
		if !ok[i] {
			t.Fatalf("ear %d of %d (%v) never heard %q; it heard %s", i+1, len(ears), ears[i].conn.LocalAddr(), mark, words(heard[i]))
		}
	}
	return heard
}

// say sends each text as one datagram, in one batch.
func say(t *testing.T, c transport.PacketConn, to netip.AddrPort, texts ...string) {
	t.Helper()
	ds := make([]transport.Datagram, len(texts))
	for i, s := range texts {
		ds[i] = transport.Datagram{B: []byte(s), Addr: to}
	}
	if n, err := c.WriteBatch(ds); n != len(ds) || err != nil {
		t.Fatalf("WriteBatch to %v = %d, %v; want %d, nil", to, n, err, len(ds))
	}
}

// only fails the test when an ear heard anything but the texts named.
func only(t *testing.T, who string, heard []packet, texts ...string) {
	t.Helper()
next:
	for _, p := range heard {
		for _, s := range texts {
			if string(p.b) == s {
				continue next
			}
		}
		t.Errorf("%s heard %q from %v to %v; it may only hear %q", who, short(p.b), p.from, p.dst, texts)
	}
}

// plain strips what two views of one address may differ in: mapping and zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func words(ps []packet) string {
	if len(ps) == 0 {
		return "nothing"
	}
	var b bytes.Buffer
	for i, p := range ps[:min(len(ps), 8)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(short(p.b))
	}
	if len(ps) > 8 {
		b.WriteString(", ...")
	}
	return b.String()
}

func short(b []byte) string { return string(b[:min(len(b), 40)]) }
