package joinleaf

import (
	"context"
	"crypto/fips140"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// quick is a network without loss.
var quick = simnet.Link{Delay: time.Millisecond}

const (
	rootFlags = FlagCRoot | FlagDRoot
	leafFlags = FlagCLeaf | FlagDLeaf
)

// stage is a network in memory with one provider a host.
type stage struct {
	*testing.T
	net  *simnet.Net
	ctx  context.Context
	code crypto.JoinCode
	all  []*Provider
}

// onStage runs a story in a synctest bubble, with its own clock.
func onStage(t *testing.T, seed uint64, story func(s *stage)) {
	t.Helper()
	if fips140.Enabled() { // randomness may come from the jitter of the clock, and a fake one has none
		t.Skip("time cannot be faked in FIPS mode; TestZ2 in package rooted shows a session in real time")
	}
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(seed, quick)
		defer n.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		code, err := crypto.NewCode()
		if err != nil {
			t.Fatal(err)
		}
		s := &stage{T: t, net: n, ctx: ctx, code: code}
		defer func() {
			for _, p := range s.all {
				p.Cleanup()
			}
		}()
		story(s)
	})
}

// provider starts one up on a host.
func (s *stage) provider(host string, change func(*Config)) *Provider {
	s.Helper()
	c := Config{Network: s.net.Host(host), Identity: crypto.Identity{Code: s.code}, JoinWait: 20 * time.Second}
	if change != nil {
		change(&c)
	}
	p, err := Startup(Version, c)
	if err != nil {
		s.Fatal(err)
	}
	s.all = append(s.all, p)
	return p
}

// addr is a name on a host.
func (s *stage) addr(host string, port uint16) Sockaddr {
	return NewSockaddr(netip.AddrPortFrom(s.net.Host(host).Addr(), port))
}

// socket makes an IPv4 socket.
func (s *stage) socket(p *Provider, proto int, f Flags) *Socket {
	s.Helper()
	k, err := p.Socket(AFInet, SockRDM, proto, nil, 0, f)
	if err != nil {
		s.Fatal(err)
	}
	return k
}

// root is a c_root, d_root of rooted/rooted that listens at port 7001 of its
// host.
func (s *stage) root(p *Provider, host string) *Socket {
	s.Helper()
	return s.listening(p, host, ProtoRootedRooted, rootFlags)
}

func (s *stage) listening(p *Provider, host string, proto int, f Flags) *Socket {
	s.Helper()
	k := s.socket(p, proto, f)
	s.must(k.Bind(s.addr(host, 7001)))
	s.must(k.Listen(8))
	return k
}

// leaf is a c_leaf, d_leaf of rooted/rooted.
func (s *stage) leaf(p *Provider) *Socket {
	s.Helper()
	return s.socket(p, ProtoRootedRooted, leafFlags)
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// want fails unless err carries the code.
func want(t testing.TB, what string, err error, code transport.Code) {
	t.Helper()
	if got := transport.CodeOf(err); got != code || code != 0 && !errors.Is(err, code) || code == 0 && err != nil {
		t.Errorf("%s: got %v, want %s", what, err, name0(code))
	}
}

func name0(c transport.Code) string {
	if c == 0 {
		return "success"
	}
	return c.Name()
}

// joinTo is JoinLeaf with nothing but a name.
func joinTo(k *Socket, to Sockaddr) (*Socket, error) {
	return k.JoinLeaf(to, nil, nil, nil, nil, JoinBoth)
}

// admitted is what an accept call gave.
type admitted struct {
	k    *Socket
	from Sockaddr
	err  error
}

// accepting accepts in a goroutine of its own.
func accepting(k *Socket, cond Condition) <-chan admitted {
	got := make(chan admitted, 1)
	go func() {
		m, from, err := k.WSAAccept(cond, nil)
		got <- admitted{m, from, err}
	}()
	return got
}

// couple is a root with one leaf in it.
type couple struct {
	root, leaf, member *Socket
}

// pair joins a leaf to a listening root, both blocking.
func (s *stage) pair(root *Socket, rootHost string, leaf *Socket) *Socket {
	s.Helper()
	got := accepting(root, nil)
	if k, err := joinTo(leaf, s.addr(rootHost, 7001)); err != nil || k != leaf {
		s.Fatalf("join: %v %v", k, err)
	}
	a := <-got
	s.must(a.err)
	return a.k
}

// session is a root on host root and a leaf on host leaf, joined.
func (s *stage) session() couple {
	s.Helper()
	c := couple{root: s.root(s.provider("root", nil), "root"), leaf: s.leaf(s.provider("leaf", nil))}
	c.member = s.pair(c.root, "root", c.leaf)
	return c
}

// hears receives one message and compares it.
func hears(t testing.TB, k *Socket, text string) Received {
	t.Helper()
	p := make([]byte, 2048)
	r, err := k.Recv(p)
	if err != nil || string(p[:r.N]) != text {
		t.Errorf("received %q (%v), want %q", p[:r.N], err, text)
	}
	return r
}

// events enumerates.
func events(t testing.TB, k *Socket) NetworkEvents {
	t.Helper()
	e, err := k.EnumNetworkEvents(nil)
	if err != nil {
		t.Error(err)
	}
	return e
}

// selecting makes an event object for a socket.
func selecting(t testing.TB, k *Socket, mask uint32) *Event {
	t.Helper()
	e := NewEvent()
	want(t, "select events", k.EventSelect(e, mask), 0)
	return e
}

// next waits for an event of mask on k, and returns the record.
func next(t testing.TB, k *Socket, e *Event, mask uint32) NetworkEvents {
	t.Helper()
	var all NetworkEvents
	limit := time.After(2 * time.Minute)
	for all.Events&mask == 0 {
		select {
		case <-e.Wait():
		case <-limit:
			t.Fatalf("no event of %#x within two minutes; recorded %#x", mask, all.Events)
		}
		got, err := k.EnumNetworkEvents(e)
		if err != nil {
			t.Fatal(err)
		}
		all.Events |= got.Events
		for i := range got.Codes {
			if got.Events&(1<<i) != 0 {
				all.Codes[i] = got.Codes[i]
			}
		}
	}
	return all
}

// settle lets time pass: everything that is under way arrives.
func (s *stage) settle() { time.Sleep(2 * time.Second) }

// blocking takes a socket's selection away and makes it blocking again (R123).
func blocking(k *Socket) error {
	if err := k.EventSelect(nil, 0); err != nil {
		return err
	}
	_, err := k.Ioctl(FIONBIO, []byte{0, 0, 0, 0}, nil)
	return err
}

// groupName is the address of a session without a root.
func groupName() Sockaddr { return NewSockaddr(netip.MustParseAddrPort("239.192.7.7:7700")) }

func addrPort6(s *stage, host string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(s.net.Host(host).Addr6(), port)
}
