package joinleaf

import (
	"bytes"
	"testing"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
)

// answering is a condition that returns callee data and notes the offer.
func answering(offer *int, text string) Condition {
	return func(_ Sockaddr, _ *WSABUF, _, _ *QOS, _ Sockaddr, callee *WSABUF, _ *uint32, _ any) int {
		*offer = int(callee.Len)
		callee.Len = uint32(copy(callee.Buf, text))
		return CFAccept
	}
}

func TestR167_R168_R169_R170_R173_R175_R183_CalleeData(t *testing.T) {
	text := "\x00callee\xff\x00data"
	for what, c := range map[string]struct {
		room  int // -1: no buffer
		limit int
		offer int
		back  string
	}{
		"room enough":              {100, 0, 100, text},
		"room for some":            {3, 0, 3, text[:3]}, // what the condition could write
		"the acceptor's limit":     {100, 8, 8, text[:8]},
		"nothing to come back":     {100, 0, 100, ""},
		"no buffer":                {-1, 0, 0, ""},
		"a buffer without length":  {0, 0, 0, ""},
		"more room than there may": {1 << 20, 0, control.MaxConnectData, text},
	} {
		onStage(t, 120, func(s *stage) {
			root := s.root(s.provider("root", func(p *Config) { p.ConnectData = c.limit }), "root")
			k := s.leaf(s.provider("leaf", nil))
			var b *WSABUF
			if c.room >= 0 {
				b = &WSABUF{uint32(c.room), bytes.Repeat([]byte{'-'}, c.room)}
			}
			offer := -1
			answer := text
			if c.back == "" {
				answer = ""
			}
			e := selecting(s, k, FDConnect)
			_, err := k.JoinLeaf(s.addr("root", 7001), nil, b, nil, nil, JoinBoth)
			want(t, what, err, 0)
			if b != nil && c.room < 1000 && !bytes.Equal(b.Buf, bytes.Repeat([]byte{'-'}, c.room)) {
				t.Errorf("%s: written before FD_CONNECT", what)
			}
			got := accepting(root, answering(&offer, answer))
			if code := next(s, k, e, FDConnect).Code(FDConnect); code != 0 {
				t.Errorf("%s: %v", what, code)
			}
			want(t, what, (<-got).err, 0)
			if offer != c.offer {
				t.Errorf("%s: the condition was offered %d, want %d", what, offer, c.offer)
			}
			if b != nil && string(b.Bytes()) != c.back {
				t.Errorf("%s: got %q, want %q", what, b.Bytes(), c.back)
			}
			if b != nil && b.Len < uint32(len(b.Buf)) && b.Buf[b.Len] != '-' {
				t.Errorf("%s: written beyond the length", what)
			}
		})
	}
}

func TestR166_R167_R183_AnInvitationCarriesDataBothWays(t *testing.T) {
	onStage(t, 121, func(s *stage) {
		root, k := s.inviter(nil), s.invitable("leaf")
		var seen []byte
		cond := func(_ Sockaddr, caller *WSABUF, _, _ *QOS, _ Sockaddr, callee *WSABUF, _ *uint32, _ any) int {
			seen = caller.Bytes()
			callee.Len = uint32(copy(callee.Buf, "from the leaf"))
			return CFAccept
		}
		got := accepting(k, cond)
		back := &WSABUF{64, make([]byte, 64)}
		_, err := root.JoinLeaf(s.addr("leaf", 7001), &WSABUF{3, []byte("abc")}, back, nil, nil, JoinBoth)
		want(t, "invite", err, 0)
		want(t, "accept", (<-got).err, 0)
		if string(seen) != "abc" || string(back.Bytes()) != "from the leaf" {
			t.Errorf("%q and %q", seen, back.Bytes())
		}
	})
}

func TestR181_R182_TheCallersMemory(t *testing.T) {
	onStage(t, 122, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		data := []byte("as it was")
		e := selecting(s, k, FDConnect)
		_, err := k.JoinLeaf(s.addr("root", 7001), &WSABUF{uint32(len(data)), data}, nil, nil, nil, JoinBoth)
		s.must(err)
		copy(data, "?????????") // the caller's again
		c := &saying{answers: []int{CFAccept}}
		_, _, err = root.WSAAccept(c.condition, nil)
		want(t, "accept", err, 0)
		if c.seen[0] != "as it was" {
			t.Errorf("the condition saw %q", c.seen[0])
		}
		next(s, k, e, FDConnect)

		cancelled := s.leaf(k.p)
		s.must(cancelled.EventSelect(NewEvent(), FDConnect))
		back := &WSABUF{8, []byte("--------")}
		_, err = cancelled.JoinLeaf(s.addr("root", 7001), nil, back, nil, nil, JoinBoth)
		s.must(err)
		s.settle()
		s.must(cancelled.Close())
		offer := 0
		s.must(root.EventSelect(NewEvent(), FDAccept))
		root.WSAAccept(answering(&offer, "too late"), nil)
		s.settle()
		if back.Len != 0 || string(back.Buf) != "--------" {
			t.Errorf("a cancelled join left %d, %q", back.Len, back.Buf)
		}
	})
}

func TestR177_R178_R198_R210_NoConnectDataWithoutARoot(t *testing.T) {
	onStage(t, 123, func(s *stage) {
		p := s.provider("leaf", nil)
		to := groupName()
		for _, proto := range []int{ProtoNonrooted, ProtoNonrootedRooted} {
			k := s.socket(p, proto, leafFlags)
			for _, b := range []*WSABUF{{}, {1, []byte("x")}} {
				_, err := k.JoinLeaf(to, b, nil, nil, nil, JoinBoth)
				want(t, "caller data", err, transport.WSAEPROTONOSUPPORT)
			}
			_, err := k.JoinLeaf(to, nil, nil, &QOS{}, nil, JoinBoth)
			want(t, "QoS", err, transport.WSAEOPNOTSUPP)
			_, err = k.JoinLeaf(to, nil, nil, nil, &QOS{}, JoinBoth)
			want(t, "group QoS", err, transport.WSAEOPNOTSUPP)
			_, err = k.Ioctl(SIOSetQOS, make([]byte, 256), nil)
			want(t, "set QoS", err, transport.WSAENOPROTOOPT)
			_, err = k.Ioctl(SIOGetQOS, nil, make([]byte, 256))
			want(t, "get QoS", err, transport.WSAENOPROTOOPT)
		}
	})
}
