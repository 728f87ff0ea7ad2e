package joinleaf

import (
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR253_ScopeZeroReachesThisHost(t *testing.T) {
	onStage(t, 190, func(s *stage) {
		p := s.provider("root", nil)
		root := s.socket(p, ProtoRootedRooted, rootFlags)
		_, err := root.Ioctl(SIOMulticastScope, []byte{0, 0, 0, 0}, nil)
		want(t, "scope", err, 0)
		s.must(root.Bind(s.addr("root", 7001)))
		s.must(root.Listen(2))
		leaf := s.leaf(s.provider("root", nil)) // another program on that host
		s.pair(root, "root", leaf)
		_, err = root.Send([]byte("in here"))
		want(t, "send", err, 0)
		hears(s, leaf, "in here")
	})
}

func TestR247_ASlowLeafStopsNobodyForLong(t *testing.T) {
	onStage(t, 191, func(s *stage) {
		small := func(c *Config) { c.Session.MaxMessage, c.Session.Window = 64<<10, 256<<10 }
		root := s.root(s.provider("root", small), "root")
		a, b := s.leaf(s.provider("a", small)), s.leaf(s.provider("b", small))
		s.pair(root, "root", a)
		s.pair(root, "root", b) // which never reads
		const count = 100
		var wg sync.WaitGroup
		began := time.Now()
		wg.Go(func() {
			for range count {
				r, err := a.Recv(make([]byte, 64<<10))
				if err != nil || r.N != 60<<10 || r.Missed != 0 {
					t.Errorf("%+v, %v", r, err)
					return
				}
			}
		})
		for range count {
			if _, err := root.Send(make([]byte, 60<<10)); err != nil {
				t.Error(err)
				break
			}
		}
		wg.Wait()
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("the others were held up for %v", d)
		}
	})
}

// TestR65_R233_IPv6 is a session of the other family.
func TestR65_R233_IPv6(t *testing.T) {
	onStage(t, 193, func(s *stage) {
		make6 := func(host string, f Flags) *Socket {
			k, err := s.provider(host, nil).Socket(AFInet6, SockRDM, ProtoRootedRooted, nil, 0, f)
			s.must(err)
			return k
		}
		root, leaf := make6("root", rootFlags), make6("leaf", leafFlags)
		name := NewSockaddr(addrPort6(s, "root", 7001))
		s.must(root.Bind(name))
		s.must(root.Listen(2))
		got := accepting(root, nil)
		_, err := joinTo(leaf, name)
		want(t, "join", err, 0)
		want(t, "accept", (<-got).err, 0)
		_, err = root.Send([]byte("six"))
		want(t, "send", err, 0)
		hears(s, leaf, "six")
		_, err = joinTo(make6("third", leafFlags), s.addr("root", 7001))
		want(t, "an IPv4 name", err, transport.WSAEAFNOSUPPORT)
	})
}

// TestCleanup_EndsWhatWaits ends every kind of call that waits.
func TestCleanup_EndsWhatWaits(t *testing.T) {
	onStage(t, 194, func(s *stage) {
		c := s.session()
		listening := s.listening(s.provider("third", nil), "third", ProtoRootedRooted, leafFlags)
		asking := s.leaf(s.provider("fourth", nil))
		codes := make(chan error, 3)
		go func() { _, err := c.leaf.Recv(make([]byte, 9)); codes <- err }()
		go func() { _, _, err := listening.Accept(); codes <- err }()
		go func() { _, err := joinTo(asking, s.addr("root", 7001)); codes <- err }()
		s.settle()
		for len(s.all) > 0 { // the root last, which would end the others' calls
			last := len(s.all) - 1
			s.must(s.all[last].Cleanup())
			s.all = s.all[:last]
		}
		for range 3 {
			want(t, "a call that waited", <-codes, transport.WSA_OPERATION_ABORTED)
		}
	})
}
