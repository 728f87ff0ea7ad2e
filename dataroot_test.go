package joinleaf

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

const (
	plainRoot = FlagCRoot | FlagDLeaf // the c_root of data that has its root at a leaf
	dataRoot  = FlagCLeaf | FlagDRoot
)

// unsigned is a provider whose leaves take data that is not signed, as that of a leaf
// that is the data's root always is.
func (s *stage) unsigned(host string) *Provider {
	return s.provider(host, func(c *Config) { c.Session.Source = rooted.Group })
}

// apart is a session whose data has its root at the leaf d: a c_root that is a
// d_leaf, and the d_leafs a and b.
func (s *stage) apart() (root, d, a, b *Socket) {
	s.Helper()
	root = s.listening(s.unsigned("root"), "root", ProtoRootedRooted, plainRoot)
	a, b = s.leaf(s.unsigned("a")), s.leaf(s.unsigned("b"))
	d = s.socket(s.unsigned("d"), ProtoRootedRooted, dataRoot)
	s.pair(root, "root", a)
	return root, d, a, b
}

func TestR241_R233_R234_R235_R236_ADataRootThatIsALeaf(t *testing.T) {
	onStage(t, 204, func(s *stage) {
		root, d, a, b := s.apart()
		e, re := selecting(s, a, FDWrite), selecting(s, root, FDWrite)
		for what, k := range map[string]*Socket{"a leaf": a, "the c_root": root} {
			_, err := k.Send([]byte("too soon"))
			want(t, what+" sends before the data root has joined", err, transport.WSAENOTCONN)
			if r, _ := k.Select(); r.Write {
				t.Error(what + " is in the write set")
			}
		}
		s.settle()
		if e.IsSet() || re.IsSet() {
			t.Error("FD_WRITE before the data root has joined")
		}
		s.must(blocking(root))
		s.pair(root, "root", d)
		s.pair(root, "root", b) // after it
		s.settle()
		next(s, a, e, FDWrite)
		s.must(blocking(a))
		all := []*Socket{root, a, b}

		_, err := d.Send([]byte("from the data root"))
		want(t, "send", err, 0)
		for _, k := range all {
			if r := hears(s, k, "from the data root"); r.From.AddrPort().Addr() != s.net.Host("d").Addr() {
				t.Errorf("from %v", r.From.AddrPort())
			}
		}
		for _, k := range all {
			host := localOf(t, k).Addr()
			_, err := k.Send([]byte("up"))
			want(t, "send up", err, 0)
			if r := hears(s, d, "up"); r.From.AddrPort().Addr() != host {
				t.Errorf("from %v, sent by %v", r.From.AddrPort(), host)
			}
		}
		s.settle()
		for _, k := range append(all, d) { // nobody else has heard it
			silent(t, "somebody else", k)
		}
	})
}

// TestR241_R234_OnTheWire: what a d_leaf sends, the c_root too, goes to the data root's
// address alone.
func TestR241_R234_OnTheWire(t *testing.T) {
	onStage(t, 205, func(s *stage) {
		root, d, a, b := s.apart()
		s.pair(root, "root", d)
		s.pair(root, "root", b)
		for host, k := range map[string]*Socket{"a": a, "root": root} {
			s.settle()
			sizes := map[string]int{}
			s.net.Tap(func(p simnet.Packet) {
				if p.From == host && len(p.B) > 600 {
					sizes[p.To]++
				}
			})
			_, err := k.Send(make([]byte, 700))
			want(t, "send", err, 0)
			s.settle()
			s.net.Tap(nil)
			if len(sizes) != 1 || sizes["d"] == 0 {
				t.Errorf("the message of %s went to %v", host, sizes)
			}
		}
	})
}

func TestR241_TheDataRootComesAndGoes(t *testing.T) {
	onStage(t, 206, func(s *stage) {
		root, d, a, _ := s.apart()
		s.pair(root, "root", d)
		want(t, "loopback on it", loopback(d, 0), transport.WSAEINVAL) // R251
		e := selecting(s, a, FDWrite)
		next(s, a, e, FDWrite)
		s.must(d.Close())
		s.settle()
		for what, k := range map[string]*Socket{"a leaf": a, "the c_root": root} {
			_, err := k.Send([]byte("anybody?"))
			want(t, what+" without a data root", err, transport.WSAENOTCONN)
		}
		again := s.socket(d.p, ProtoRootedRooted, dataRoot)
		s.pair(root, "root", again)
		s.settle()
		next(s, a, e, FDWrite) // the send that failed has re-enabled it
		s.must(blocking(a))
		for _, k := range []*Socket{a, root} {
			_, err := k.Send([]byte("and again"))
			want(t, "send", err, 0)
			hears(s, again, "and again")
		}
		_, err := again.Send([]byte("to all"))
		want(t, "send", err, 0)
		hears(s, a, "to all")
		hears(s, root, "to all")
	})
}

func TestR241_ALeafDataRootIsInvited(t *testing.T) {
	onStage(t, 207, func(s *stage) {
		root := s.socket(s.unsigned("root"), ProtoRootedRooted, plainRoot)
		s.must(root.Bind(s.addr("root", 7001)))
		k := s.listening(s.unsigned("d"), "d", ProtoRootedRooted, dataRoot)
		got := accepting(s.listening(s.unsigned("a"), "a", ProtoRootedRooted, leafFlags), nil)
		_, err := joinTo(root, s.addr("a", 7001))
		want(t, "invite a d_leaf", err, 0)
		a := <-got
		want(t, "accept", a.err, 0)
		e := selecting(s, a.k, FDWrite)
		if e.IsSet() {
			t.Error("FD_WRITE without a data root")
		}
		got = accepting(k, nil)
		_, err = joinTo(root, s.addr("d", 7001))
		want(t, "invite", err, 0)
		d := <-got
		want(t, "accept", d.err, 0)
		next(s, a.k, e, FDWrite)
		s.must(blocking(a.k))
		s.settle() // the data root hears of a from the c_root
		_, err = d.k.Send([]byte("to both"))
		want(t, "send", err, 0)
		hears(s, a.k, "to both")
		hears(s, root, "to both")
		_, err = a.k.Send([]byte("up"))
		want(t, "send", err, 0)
		hears(s, d.k, "up")
	})
}

func TestR240_R241_OneDataRootAtATime(t *testing.T) {
	second := func(s *stage, root *Socket, host string) { // both ways in
		k := s.socket(s.unsigned(host), ProtoRootedRooted, dataRoot)
		got := accepting(root, nil)
		_, err := joinTo(k, s.addr("root", 7001))
		want(t, "a second one joins", err, transport.WSAECONNREFUSED)
		want(t, "its accept", (<-got).err, transport.WSAECONNREFUSED)
		k = s.socket(k.p, ProtoRootedRooted, dataRoot)
		s.must(k.Bind(s.addr(host, 7002)))
		s.must(k.Listen(1))
		got = accepting(k, nil)
		_, err = joinTo(root, s.addr(host, 7002))
		want(t, "a second one is invited", err, transport.WSAECONNREFUSED)
		want(t, "its accept", (<-got).err, transport.WSAECONNREFUSED)
	}
	onStage(t, 208, func(s *stage) {
		root, d, _, _ := s.apart()
		s.pair(root, "root", d)
		second(s, root, "second")
	})
	onStage(t, 209, func(s *stage) { second(s, s.root(s.unsigned("root"), "root"), "second") })
	onStage(t, 210, func(s *stage) { // two at once: one gets in
		root, d, _, _ := s.apart()
		other := s.socket(s.unsigned("other"), ProtoRootedRooted, dataRoot)
		for range 2 {
			accepting(root, nil)
		}
		results := make(chan error, 2)
		for _, k := range []*Socket{d, other} {
			go func() { _, err := joinTo(k, s.addr("root", 7001)); results <- err }()
		}
		a, b := <-results, <-results
		if (a == nil) == (b == nil) {
			t.Errorf("%v and %v", a, b)
		}
		for _, err := range []error{a, b} {
			if err != nil {
				want(t, "the other", err, transport.WSAECONNREFUSED)
			}
		}
	})
}

func TestR241_R187_ADataRootThatOnlySends(t *testing.T) {
	onStage(t, 211, func(s *stage) {
		root, d, a, _ := s.apart()
		got := accepting(root, nil)
		_, err := d.JoinLeaf(s.addr("root", 7001), nil, nil, nil, nil, SenderOnly)
		want(t, "join", err, 0)
		want(t, "accept", (<-got).err, 0)
		for range 3000 { // nobody's feedback is missing
			if _, err := d.Send(make([]byte, 4000)); err != nil {
				t.Fatal(err)
			}
			for _, k := range []*Socket{a, root} {
				if r, err := k.Recv(make([]byte, 4000)); err != nil || r.N != 4000 {
					t.Fatal(r, err)
				}
			}
		}
		_, err = a.Send([]byte("up"))
		want(t, "send to who only sends", err, transport.WSAEOPNOTSUPP)
		began := time.Now()
		s.must(lingering(d, 3))
		s.must(d.Close())
		if time.Since(began) > time.Second {
			t.Errorf("its closing waited %v", time.Since(began))
		}
	})
}

// TestNonrootedRooted_IsNotOffered: the fourth kind of session, which nobody
// knows an example of, is in the catalogue and joins nothing.
func TestNonrootedRooted_IsNotOffered(t *testing.T) {
	onStage(t, 212, func(s *stage) {
		_, err := joinTo(s.socket(s.unsigned("a"), ProtoNonrootedRooted, leafFlags), groupName())
		want(t, "join", err, transport.WSAEOPNOTSUPP)
	})
}
