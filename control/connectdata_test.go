package control

import (
	"bytes"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR166_R167_R169_R179_R183_ConnectDataArrivesAsItWas(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, data := range map[string][]byte{"none": nil, "empty": {}, "zeros": make([]byte, 9), "every byte": every, "longest": bytes.Repeat([]byte{7}, MaxConnectData)} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, RootConfig{})
			same := func(what string, got []byte) {
				if !bytes.Equal(got, data) || (got == nil) != (data == nil) {
					t.Errorf("%s: %d bytes (nil %v), want %d (nil %v)", what, len(got), got == nil, len(data), data == nil)
				}
			}
			id := s.asks(Join{Room: MaxConnectData, Data: data})
			req, _ := s.root.Next()
			same("caller data", req.Join.Data)
			s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept, Callee: data}))
			s.settle()
			same("callee data", s.leafOne(id, Welcomed).Welcome.Callee)

			in := s.connect()
			s.must(s.root.Invite(s.now, in, Invite{Room: MaxConnectData, Data: data}))
			s.settle()
			same("inviter's data", s.leafOne(in, Invited).Invite.Data)
			s.must(s.leaves[in].Answer(s.now, Answer{Verdict: Accept, Callee: data}, Join{}))
			s.settle()
			same("invited leaf's data", s.one(Accepted, in).Join.Data)
		})
	}
}

func TestR46_R171_CallerDataTooLongIsRefusedAtTheCall(t *testing.T) {
	s := newScene(t, RootConfig{})
	long := make([]byte, MaxConnectData+1)
	id := s.connect()
	wantCode(t, s.leaves[id].Join(s.now, Join{Data: long}), transport.WSAEFAULT)
	wantCode(t, s.root.Invite(s.now, id, Invite{Data: long}), transport.WSAEFAULT)
	s.settle()
	wantTypes(t, "leaf", s.toRoot[id])
	wantTypes(t, "root", s.toLeaf[id])
	s.must(s.leaves[id].Join(s.now, Join{Data: long[1:]})) // and nothing has changed
	s.settle()
	s.one(Requested, id)
}

func TestR173_R175_R176_CalleeDataKeepsToTheOffer(t *testing.T) {
	for _, c := range []struct {
		name   string
		room   int32
		offer  int
		callee int
		code   transport.Code
	}{
		{"fits exactly", 8, 8, 8, 0},
		{"one too many", 8, 8, 9, transport.WSAEINVAL},
		{"no room", 0, 0, 1, transport.WSAEINVAL},
		{"none wanted", -1, 0, 1, transport.WSAEINVAL},
		{"none wanted, empty given", -1, 0, 0, 0},
		{"more room than the provider has", 1 << 30, MaxConnectData, MaxConnectData, 0},
		{"above the provider's maximum", 1 << 30, MaxConnectData, MaxConnectData + 1, transport.WSAEINVAL},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, RootConfig{})
			id := s.asks(Join{Room: c.room})
			req, _ := s.root.Next()
			if req.Offer != c.offer {
				t.Errorf("offered %d, want %d", req.Offer, c.offer)
			}
			err := s.root.Answer(s.now, id, Answer{Verdict: Accept, Callee: make([]byte, c.callee)})
			s.settle()
			if c.code == 0 {
				s.must(err)
				s.one(Joined, id)
				return
			}
			wantCode(t, err, c.code)
			if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNREFUSED {
				t.Errorf("joiner got %v", e.Code)
			}
		})
	}
	t.Run("an invited leaf", func(t *testing.T) {
		s := newScene(t, RootConfig{})
		id := s.connect()
		s.must(s.root.Invite(s.now, id, Invite{Room: 3}))
		s.settle()
		wantCode(t, s.leaves[id].Answer(s.now, Answer{Verdict: Accept, Callee: []byte("four")}, Join{}), transport.WSAEINVAL)
		s.settle()
		s.ended(Failed, id, transport.WSAECONNREFUSED, transport.WSAECONNREFUSED)
	})
}

func TestR172_R174_AnAcceptorThatReturnsTooMuchFailsTheJoin(t *testing.T) {
	t.Run("root", func(t *testing.T) {
		s := newScene(t, RootConfig{})
		id := s.asks(Join{Room: 3})
		s.deaf[id] = true
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
		s.settle()
		w := sampleWelcome(id)
		w.Epoch, w.Callee = 1, []byte("four")
		s.leaves[id].Handle(s.now, RootID, w.Append(nil))
		s.held = nil
		s.settle()
		s.ended(Failed, id, transport.WSAEFAULT, transport.WSAEFAULT)
		s.leafNone(id, Welcomed)
	})
	t.Run("invited leaf", func(t *testing.T) {
		s := newScene(t, RootConfig{})
		id := s.connect()
		s.must(s.root.Invite(s.now, id, Invite{Room: 3}))
		s.settle()
		s.root.Handle(s.now, id, Join{Room: -1, Data: []byte("four")}.Append(nil))
		s.settle()
		s.ended(Failed, id, transport.WSAEFAULT, transport.WSAEFAULT)
		s.none(Accepted, id)
	})
}

func TestR175_EmptyCalleeDataForOneWhoWantsNoneIsNone(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
	s.settle()
	s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Accept, Callee: []byte{}}, Join{}))
	s.settle()
	if e := s.one(Accepted, id); e.Join.Data != nil {
		t.Errorf("callee data %q", e.Join.Data)
	}
	l := leafAt(t, idle)
	s.must(l.Join(epochZero, Join{Room: -1}))
	w := sampleWelcome(7)
	w.Epoch, w.Callee = 1, []byte{}
	l.Handle(epochZero, RootID, w.Append(nil)) // another's root does send it
	if l.phase != over {
		t.Errorf("phase %d", l.phase)
	}
}
