package rooted

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/session"
)

// Every parameter enters the keys: a leaf that was told another one, whichever,
// gets no keys out of what the root gives it.
func TestC9_AParameterThatWasChangedFitsNoKeys(t *testing.T) {
	inRoom(t, 92, quick, func(r *room) {
		root := r.listen(func(c *Config) { c.Name = "session" })
		l, _ := r.join("leaf", nil, nil)
		var state []byte
		root.do(func(time.Time, *control.Root) { state = root.state(l.id) })
		try := func(p control.Params) error {
			shadow := &Leaf{link: l.link, id: l.id, session: l.session, hash: hashOf(p), ring: l.ring}
			g, err := shadow.grant(state)
			if err == nil {
				g.Path.Wipe()
				g.Epoch.Wipe()
			}
			return err
		}
		if err := try(l.params); err != nil {
			r.Fatalf("the true ones: %v", err)
		}
		flips := map[string]func(p *control.Params){
			"suite":       func(p *control.Params) { p.Suite++ },
			"plane":       func(p *control.Params) { p.Plane ^= 1 },
			"level":       func(p *control.Params) { p.Level ^= 1 },
			"group":       func(p *control.Params) { p.Group = netip.MustParseAddrPort("239.192.1.2:7000") },
			"port":        func(p *control.Params) { p.Group = netip.AddrPortFrom(p.Group.Addr(), 7001) },
			"source":      func(p *control.Params) { p.Source = netip.MustParseAddr("10.0.0.9") },
			"MTU":         func(p *control.Params) { p.MTU-- },
			"symbol":      func(p *control.Params) { p.Symbol-- },
			"max message": func(p *control.Params) { p.MaxMessage++ },
			"window":      func(p *control.Params) { p.Window++ },
			"streams":     func(p *control.Params) { p.Streams = append(p.Streams, 1) },
			"class":       func(p *control.Params) { p.Streams = []uint8{1} },
			"latency":     func(p *control.Params) { p.Latency++ },
			"order":       func(p *control.Params) { p.Ordered = !p.Ordered },
			"second path": func(p *control.Params) { p.Second = netip.MustParseAddrPort("239.192.1.3:7000") },
			"name":        func(p *control.Params) { p.Name += "s" },
		}
		for what, flip := range flips {
			p := l.params
			flip(&p)
			if err := try(p); err == nil {
				r.Errorf("%s: the keys fit all the same", what)
			}
		}
		l.Close()
	})
}

// There is one protocol version, and the root alone says how packets are
// protected: a leaf that names fewer ways gets no weaker one, a peer without TLS
// gets no answer, and packets of another version are dropped unread.
func TestC9_NothingLeadsToLess(t *testing.T) {
	inRoom(t, 93, quick, func(r *room) {
		root := r.listen(nil)
		honest, _ := r.join("honest", nil, nil)
		for _, suites := range [][]uint8{nil, {0}, {3}, {99}} {
			ch := r.proven("eve")
			link := newLink(ch)
			go func() { root.Accept(r.ctx) }()
			ch.Write(control.Join{Suites: suites, Room: -1}.Append(nil))
			for {
				f, err := link.frames.Next()
				if err != nil {
					r.Fatalf("suites %v: %v", suites, err)
				}
				if control.TypeOf(f) == control.TypeWelcome {
					w, err := control.ParseWelcome(f)
					if err != nil || w.Params.Suite != uint8(honest.ring.Suite()) || w.Params.Level != honest.params.Level {
						r.Errorf("suites %v: told suite %d, level %d, %v", suites, w.Params.Suite, w.Params.Level, err)
					}
					break
				}
			}
			ch.NetConn().Close()
		}
		plain, err := r.net.Host("plain").Dial(r.ctx, netip.AddrPort{}, root.Addr())
		if err != nil {
			r.Fatal(err)
		}
		plain.Write(control.Join{Suites: []uint8{1}}.Append(nil))
		b, _ := io.ReadAll(plain) // an alert of TLS at most
		if len(b) > 7 || len(b) > 0 && b[0] != 21 {
			r.Errorf("a JOIN without TLS is answered: %x", b)
		}
		plain.Close()

		rec := r.record("honest")
		go r.say(0, 20)
		r.hear(honest, 0, 20)
		packets := rec.stop(r)
		before := honest.Stats().Data.Drops
		sent := uint64(0)
		for _, p := range packets {
			for _, version := range []byte{0, 2, 15} {
				p.B[0] = version<<4 | p.B[0]&15
				r.net.Inject(p.Src, testGroup.Addr, p.B)
				sent++
			}
		}
		time.Sleep(time.Second)
		if got := honest.Stats().Data.Drops[session.DropVersion] - before[session.DropVersion]; got != sent || sent == 0 {
			r.Errorf("%d packets of other versions, %d dropped as such", sent, got)
		}
		r.hearsNothing(honest)
	})
}

// proven is a connection to the root that has proven itself, and nothing more.
func (r *room) proven(host string) *crypto.Channel {
	r.Helper()
	conn, err := r.net.Host(host).Dial(r.ctx, netip.AddrPort{}, r.root.Addr())
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.ctx, provenWithin)
	defer cancel()
	ch, err := Config{Identity: crypto.Identity{Code: r.code}}.prove(ctx, conn, crypto.RoleLeaf)
	if err != nil {
		r.Fatal(err)
	}
	return ch
}
