package nonrooted

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// A hostile is somebody who has the join code, and so every member's ear, and
// says what it likes.
type hostile struct {
	*room
	wire     transport.PacketConn
	channels *dtls.Endpoint
	stop     context.CancelFunc
	ctx      context.Context
}

func (r *room) hostile(host string) *hostile {
	r.Helper()
	ctx, stop := context.WithCancel(r.ctx)
	h := &hostile{room: r, ctx: ctx, stop: stop}
	n := r.net.Host(host)
	var err error
	if h.wire, err = n.OpenUnicast(ctx, netip.AddrPortFrom(n.Addr(), 0), transport.SocketOptions{Interface: "sim0"}); err != nil {
		r.Fatal(err)
	}
	h.channels, err = dtls.New(dtls.Config{Identity: crypto.Identity{Code: r.code}, Write: func(b []byte, to netip.AddrPort) error {
		_, err := h.wire.WriteBatch([]transport.Datagram{{B: b, Addr: to}})
		return err
	}})
	if err != nil {
		r.Fatal(err)
	}
	go func() {
		ds := []transport.Datagram{{}}
		for b := make([]byte, 4<<10); ; {
			ds[0] = transport.Datagram{B: b}
			if n, err := h.wire.ReadBatch(ds); err != nil {
				return
			} else if n == 1 {
				h.channels.Handle(ds[0].B, ds[0].Addr)
			}
		}
	}()
	return h
}

func (h *hostile) close() {
	h.stop()
	h.channels.Close()
	h.wire.Close()
}

// line is a channel of its to a member.
type line struct {
	*hostile
	conn *dtls.Conn
	pipe *control.Pipe
}

func (h *hostile) dial(p *Peer) *line {
	h.Helper()
	conn, err := h.channels.Dial(h.ctx, p.LocalAddr(), dtls.Who{})
	if err != nil {
		h.Fatal(err)
	}
	return &line{h, conn, control.NewPipe(time.Now(), 1000, 250*time.Millisecond)}
}

func (l *line) say(frame []byte) {
	l.pipe.Write(frame)
	l.poll()
}

func (l *line) poll() {
	for d, ok := l.pipe.Poll(time.Now(), nil); ok; d, ok = l.pipe.Poll(time.Now(), nil) {
		l.conn.Write(d)
	}
}

// hear is the next frame that comes within d; nil: none, or it was hung up on.
func (l *line) hear(d time.Duration) []byte {
	ctx, cancel := context.WithTimeout(l.ctx, d)
	defer cancel()
	for b := make([]byte, 4<<10); ; {
		if frame, err := l.pipe.Next(); frame != nil || err != nil {
			return frame
		}
		n, err := l.conn.Read(ctx, b)
		if err != nil || l.pipe.Handle(time.Now(), b[:n]) != nil {
			return nil
		}
		l.poll()
	}
}

// sign is its signature.
func (h *hostile) sign(text []byte) control.Signature {
	s, err := h.channels.Sign(text)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// enter comes in as a member does, and returns the oath that it swore.
func (l *line) enter(p *Peer, bans ...control.Ban) control.Entered {
	l.Helper()
	l.say(control.Enter{Addr: l.wire.LocalAddr(), Moved: true, Denied: bans}.Append(nil))
	frame := l.hear(2 * time.Second)
	e, err := control.ParseEntered(frame)
	if err != nil {
		l.Fatalf("no ENTERED, but %x: %v", frame, err)
	}
	l.say(control.Swear{Oath: l.sign(control.OathText(e.Charter.Session, e.Term, p.Pin()))}.Append(nil))
	return e
}

// forged are bans of somebody who follows another coordinator, as well as
// hostile can make them.
func (h *hostile) forged(session crypto.SessionID, term uint32, out crypto.Pin) (bans []control.Ban) {
	b := control.Ban{Session: session, Term: term, Pin: out}
	bans = append(bans, b)
	b.By = h.sign(b.Text())
	bans = append(bans, b)
	b.Oath = h.sign(control.OathText(session, term, h.channels.Pin()))
	return append(bans, b)
}

func inHostileRoom(t *testing.T, seed uint64, n int, story func(r *room, h *hostile)) {
	inRoom(t, seed, simnet.Link{Delay: 200 * time.Microsecond}, func(r *room) {
		ps := r.joinAll(n, nil)
		r.settle(time.Second, ps...)
		h := r.hostile("evil")
		defer h.close()
		story(r, h)
	})
}
