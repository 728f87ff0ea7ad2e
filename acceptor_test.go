package joinleaf

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// acceptor is the other end of a join that breaks the rules: it proves itself and
// speaks the control plane's frames, and it answers with what it likes.
type acceptor struct {
	*stage
	frames *control.Reader
	ch     *crypto.Channel
}

// breaking waits on a host's port for one connection and runs the story of who
// accepts there, in a goroutine of its own.
func (s *stage) breaking(host string, role crypto.Role, story func(a *acceptor)) (done chan struct{}) {
	s.Helper()
	l, err := s.net.Host(host).Listen(s.ctx, s.addr(host, 7001).AddrPort())
	s.must(err)
	done = make(chan struct{})
	go func() {
		defer close(done)
		defer l.Close()
		conn, err := l.Accept()
		if err != nil {
			s.Error(err)
			return
		}
		ch, err := crypto.Handshake(s.ctx, conn, false, role, crypto.Identity{Code: s.code})
		if err != nil {
			s.Error(err)
			return
		}
		defer ch.Close()
		story(&acceptor{stage: s, frames: control.NewReader(ch), ch: ch})
	}()
	return done
}

// next is the next frame, which has to be of that type.
func (a *acceptor) next(want control.Type) []byte {
	for {
		f, err := a.frames.Next()
		switch got := control.TypeOf(f); {
		case err != nil:
			a.Errorf("instead of %v: %v", want, err)
			return nil
		case got == want:
			return f
		case got != control.TypeBeat:
			a.Errorf("%v, want %v", got, want)
			return nil
		}
	}
}

// closed sees that the other end says why it is over, and ends the connection: the
// new member is closed.
func (a *acceptor) closed(by control.Type) {
	if f := a.next(by); len(f) > 9 && transport.Code(binary.BigEndian.Uint32(f[5:])) != transport.WSAEFAULT {
		a.Errorf("the acceptor is told %x", f)
	}
	if f, err := a.frames.Next(); err == nil {
		a.Errorf("%v after the end", control.TypeOf(f))
	}
}

// tooMuch is a call with room for four bytes of callee data, and what is left of it.
func (s *stage) tooMuch(k *Socket, host string) (*Socket, error) {
	s.Helper()
	back := &WSABUF{4, bytes.Repeat([]byte{'-'}, 4)}
	m, err := k.JoinLeaf(s.addr(host, 7001), nil, back, nil, nil, JoinBoth)
	if back.Len != 0 || string(back.Buf) != "----" {
		s.Errorf("length %d, %q in the buffer", back.Len, back.Buf)
	}
	return m, err
}

func TestR174_AnAcceptorThatReturnsMore(t *testing.T) {
	onStage(t, 124, func(s *stage) { // a root that welcomes a leaf
		done := s.breaking("root", crypto.RoleRoot, func(a *acceptor) {
			join, err := control.ParseJoin(a.next(control.TypeJoin))
			if err != nil || join.Room != 4 {
				a.Errorf("asked for %+v, %v", join, err)
			}
			a.ch.Write(control.Welcome{
				ID: 2, Epoch: 1, State: []byte("state"), Session: [16]byte{1}, Root: netip.MustParseAddrPort("10.0.0.1:9000"), Callee: []byte("five!"),
				Params: control.Params{Suite: 1, Level: 2, Group: netip.MustParseAddrPort("239.192.7.1:7000"), MTU: 1500, Symbol: 1408, MaxMessage: 1 << 20, Window: 8 << 20, Streams: []uint8{0}},
			}.Append(nil))
			a.closed(control.TypeBye)
		})
		k := s.leaf(s.provider("leaf", nil))
		m, err := s.tooMuch(k, "root")
		want(t, "the leaf's join", err, transport.WSAEFAULT)
		if m != nil {
			t.Error("a descriptor")
		}
		<-done
		_, err = joinTo(k, s.addr("root", 7001))
		want(t, "again", err, transport.WSAEINVAL) // R157
	})
	onStage(t, 125, func(s *stage) { // a leaf that accepts an invitation
		done := s.breaking("leaf", crypto.RoleLeaf, func(a *acceptor) {
			invite, err := control.ParseInvite(a.next(control.TypeInvite))
			if err != nil || invite.Room != 4 {
				a.Errorf("invited with %+v, %v", invite, err)
			}
			a.ch.Write(control.Join{Suites: []uint8{1}, Room: -1, Data: []byte("five!")}.Append(nil))
			a.closed(control.TypeRefuse)
		})
		root := s.inviter(nil)
		m, err := s.tooMuch(root, "leaf")
		want(t, "the root's join", err, transport.WSAEFAULT)
		<-done
		if m != nil || len(root.p.sockets) != 1 || root.hub.root.Stats().Control.Leaves != 0 {
			t.Errorf("%v, %d descriptors", m, len(root.p.sockets))
		}
		_, err = joinTo(root, s.addr("leaf", 7001))
		want(t, "the root may go on", err, transport.WSAECONNREFUSED) // nobody listens there now
	})
}
