package joinleaf

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// TestModel_AnythingAtOnce calls everything from several goroutines without
// waiting for anything. Every answer has to be a code, everything has to end,
// and the bubble sees to it that nothing is left behind.
func TestModel_AnythingAtOnce(t *testing.T) {
	first, last := interleavings(t, 60)
	for seed := first; seed < last; seed++ {
		onStage(t, seed, func(s *stage) {
			p, rp, hp := s.provider("leaf", nil), s.provider("root", nil), s.provider("host", nil)
			root := s.root(rp, "root")
			host := s.listening(hp, "host", ProtoRootedRooted, leafFlags)
			shared := []*Socket{root, host, s.leaf(p), s.leaf(p), nil, {}, s.socket(p, ProtoNonrooted, leafFlags), s.socket(rp, ProtoNonrooted, leafFlags),
				s.socket(rp, ProtoRootedRooted, 0), s.socket(p, ProtoRootedRooted, dataRoot)}
			if seed%3 == 0 { // a root of data that has its root at a leaf
				want(t, "close", root.Close(), 0)
				time.Sleep(100 * time.Millisecond)
				root = s.listening(rp, "root", ProtoRootedRooted, plainRoot)
				shared[0] = root
			}
			if seed%2 == 0 {
				s.must(root.EventSelect(NewEvent(), FDAllEvents))
				s.must(host.EventSelect(NewEvent(), FDAllEvents))
			}
			done := make(chan struct{})
			const callers = 6
			for i := range uint64(callers) {
				go func() {
					defer func() { done <- struct{}{} }()
					anything(s, rand.New(rand.NewPCG(seed, i)), shared)
				}()
			}
			time.Sleep(time.Duration(seed%60) * 50 * time.Millisecond)
			for _, p := range s.all {
				want(t, "clean up", p.Cleanup(), 0)
			}
			for range callers {
				<-done
			}
			s.all = nil
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// anything makes random calls on sockets that others use as well.
func anything(s *stage, dice *rand.Rand, shared []*Socket) {
	mine := append([]*Socket(nil), shared...)
	for range 40 {
		k := mine[dice.IntN(len(mine))]
		var made *Socket
		var err error
		switch dice.IntN(21) {
		case 0, 1, 2:
			made, err = k.JoinLeaf(someName(s, dice), someBuffer(dice), someBuffer(dice), someQOS(dice), nil, JoinFlags(dice.IntN(6)))
		case 3, 4:
			inside := func(_ Sockaddr, _ *WSABUF, q, _ *QOS, _ Sockaddr, callee *WSABUF, group *uint32, _ any) int {
				if err := k.Close(); transport.CodeOf(err) != transport.WSAEINPROGRESS && transport.CodeOf(err) != transport.WSAENOTSOCK && transport.CodeOf(err) != transport.WSANOTINITIALISED {
					s.Errorf("close inside the condition: %v", err)
				}
				if q != nil && dice.IntN(2) == 0 {
					*q = *someQOS(dice)
				}
				callee.Len, callee.Buf = uint32(dice.IntN(9)), make([]byte, dice.IntN(9))
				*group = uint32(dice.IntN(9) / 8)
				return dice.IntN(5) - 1
			}
			made, _, err = k.WSAAccept(inside, nil)
		case 5:
			_, err = k.Send(make([]byte, dice.IntN(2000)))
		case 6:
			_, err = k.Recv(make([]byte, 2000))
		case 7:
			err = k.EventSelect(NewEvent(), uint32(dice.IntN(0x500)))
		case 8:
			_, err = k.EnumNetworkEvents(nil)
		case 9:
			_, err = k.Select()
		case 10:
			err = k.Shutdown(dice.IntN(4) - 1)
		case 11:
			_, err = k.Ioctl([]uint32{FIONBIO, SIOSetQOS, SIOGetQOS, SIOMultipointLoop, 7}[dice.IntN(5)], make([]byte, dice.IntN(100)), make([]byte, dice.IntN(100)))
		case 12:
			err = k.Listen(dice.IntN(5) - 1)
		case 13:
			if dice.IntN(3) == 0 {
				err = k.Close()
			}
		case 14:
			err = k.Bind(someName(s, dice))
		case 15:
			_, err = k.SendTo(make([]byte, dice.IntN(2000)), someName(s, dice))
		case 16:
			_, _, err = k.RecvFrom(make([]byte, dice.IntN(2)*2000))
		case 17:
			_, err = k.GetSockName()
		case 18:
			_, err = k.GetPeerName()
		case 19:
			err = k.SetSockOpt([]int{SOLSocket, 0}[dice.IntN(2)], []int{SOReuseAddr, SOLinger, SOConditionalAccept, 7}[dice.IntN(4)], []byte{byte(dice.IntN(2)), 0, byte(dice.IntN(2)), 0}[:dice.IntN(5)])
		case 20:
			_, err = k.GetSockOpt(SOLSocket, SOLinger, make([]byte, dice.IntN(5)))
		}
		if err != nil && transport.CodeOf(err) == 0 {
			s.Errorf("an error without a code: %v", err)
		}
		if made != nil {
			mine = append(mine, made)
		}
		time.Sleep(time.Duration(dice.Int64N(int64(300 * time.Millisecond))))
	}
}

// someName is a name that may be joined or bound, or may not.
func someName(s *stage, dice *rand.Rand) Sockaddr {
	all := []Sockaddr{s.addr("root", 7001), s.addr("root", 7001), s.addr("host", 7001), groupName(), nil, any4(0), {2}, make(Sockaddr, 40)}
	return all[dice.IntN(len(all))]
}

func someBuffer(dice *rand.Rand) *WSABUF {
	return []*WSABUF{nil, {}, {4, make([]byte, 4)}, {0xFFFFFFFF, nil}, {9, make([]byte, 4)}}[dice.IntN(5)]
}

// someQOS is one with any numbers in it, or none.
func someQOS(dice *rand.Rand) *QOS {
	q := &QOS{Sending: NoFlowSpec(), Receiving: NoFlowSpec()}
	numbers := []uint32{0, 1, 1000, 1 << 20, PositiveInfinity, QOSNotSpecified}
	for _, f := range []*FlowSpec{&q.Sending, &q.Receiving} {
		for _, v := range f.flows() {
			if dice.IntN(3) == 0 {
				*v = numbers[dice.IntN(len(numbers))]
			}
		}
		f.ServiceType = uint32(dice.IntN(8))
	}
	if dice.IntN(8) == 0 {
		q.Provider = *[]*WSABUF{{3, nil}, {2, []byte("ab")}, {0xFFFFFFFF, nil}}[dice.IntN(3)]
	}
	return q
}

// TestModel_CloseAtAnyPoint closes, or cleans up, from another goroutine while a call
// waits, at each of many points of it: the call ends, with a code, and nothing is left
// behind, which the bubble sees to.
func TestModel_CloseAtAnyPoint(t *testing.T) {
	delays := []time.Duration{0, 500 * time.Microsecond, 1500 * time.Microsecond}
	for d := 2 * time.Millisecond; d < 40*time.Millisecond; d += 2 * time.Millisecond {
		delays = append(delays, d)
	}
	delays = append(delays, 300*time.Millisecond, time.Second)
	for name, w := range waits {
		for i, delay := range delays {
			onStage(t, uint64(i), func(s *stage) {
				closed, call := w(s)
				done := make(chan error, 1)
				go func() { done <- call() }()
				time.Sleep(delay)
				if i%4 == 3 {
					want(t, "clean up", closed.p.Cleanup(), 0)
				} else if err := closed.Close(); err != nil {
					want(t, name+": close", err, transport.WSAENOTSOCK) // the call did it
				}
				select {
				case err := <-done:
					if err != nil && transport.CodeOf(err) == 0 {
						t.Errorf("%s, %v: no code: %v", name, delay, err)
					}
				case <-time.After(time.Minute):
					t.Fatalf("%s: still waiting a minute after the close at %v", name, delay)
				}
			})
		}
	}
}

// waits are the calls that wait, each with the socket that is closed meanwhile.
var waits = map[string]func(s *stage) (*Socket, func() error){
	"a leaf's join": func(s *stage) (*Socket, func() error) {
		accepting(s.root(s.provider("root", nil), "root"), nil)
		k := s.leaf(s.provider("leaf", nil))
		return k, func() error { _, err := joinTo(k, s.addr("root", 7001)); return err }
	},
	"a leaf's join, the root closed": func(s *stage) (*Socket, func() error) {
		root := s.root(s.provider("root", nil), "root")
		accepting(root, nil)
		k := s.leaf(s.provider("leaf", nil))
		return root, func() error { _, err := joinTo(k, s.addr("root", 7001)); return err }
	},
	"a root's join": func(s *stage) (*Socket, func() error) {
		accepting(s.invitable("leaf"), nil)
		root := s.inviter(nil)
		return root, func() error { _, err := joinTo(root, s.addr("leaf", 7001)); return err }
	},
	"a root's join, the listener closed": func(s *stage) (*Socket, func() error) {
		k := s.invitable("leaf")
		accepting(k, nil)
		root := s.inviter(nil)
		return k, func() error { _, err := joinTo(root, s.addr("leaf", 7001)); return err }
	},
	"a peer's join": func(s *stage) (*Socket, func() error) {
		k := s.socket(s.provider("leaf", nil), ProtoNonrooted, leafFlags)
		return k, func() error { _, err := joinTo(k, groupName()); return err }
	},
	"a root's accept": func(s *stage) (*Socket, func() error) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		s.must(k.EventSelect(NewEvent(), FDConnect))
		_, err := joinTo(k, s.addr("root", 7001))
		s.must(err)
		return root, func() error { _, _, err := root.Accept(); return err }
	},
	"a leaf's accept": func(s *stage) (*Socket, func() error) {
		root, k := s.inviter(nil), s.invitable("leaf")
		s.must(root.EventSelect(NewEvent(), FDConnect))
		_, err := joinTo(root, s.addr("leaf", 7001))
		s.must(err)
		return k, func() error { _, _, err := k.Accept(); return err }
	},
	"a receive": func(s *stage) (*Socket, func() error) {
		c := s.session()
		return c.leaf, func() error { _, err := c.leaf.Recv(make([]byte, 9)); return err }
	},
	"a side chat's receive": func(s *stage) (*Socket, func() error) {
		c := s.session()
		return c.member, func() error { _, err := c.member.Recv(make([]byte, 9)); return err }
	},
	"sends without room": func(s *stage) (*Socket, func() error) {
		c := s.session()
		return c.root, func() (err error) {
			for err == nil {
				_, err = c.root.Send(make([]byte, 500_000))
			}
			return err
		}
	},
	"sends without tokens": func(s *stage) (*Socket, func() error) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		_, err := s.asking(root, k, &QOS{Sending: rate(10_000), Receiving: NoFlowSpec()}, JoinBoth, nil)
		s.must(err)
		return k, func() (err error) {
			for err == nil {
				_, err = k.Send(make([]byte, 900))
			}
			return err
		}
	},
	"a close that lingers": func(s *stage) (*Socket, func() error) {
		c := s.session()
		s.net.Partition([]string{"leaf"})
		_, err := c.root.Send([]byte("lost"))
		s.must(err)
		s.must(lingering(c.root, 2))
		return c.root, c.root.Close
	},
}
