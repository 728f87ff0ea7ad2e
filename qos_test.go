package joinleaf

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// rate is a guaranteed specification.
func rate(n uint32) FlowSpec {
	f := NoFlowSpec()
	f.ServiceType, f.TokenRate, f.TokenBucketSize = ServiceGuaranteed, n, n/10
	return f
}

// asking joins a leaf that states QoS, with a condition at the root.
func (s *stage) asking(root, k *Socket, q *QOS, f JoinFlags, cond Condition) (admitted, error) {
	s.Helper()
	got := accepting(root, cond)
	_, err := k.JoinLeaf(s.addr("root", 7001), nil, nil, q, nil, f)
	if err != nil && !again(transport.CodeOf(err)) && transport.CodeOf(err) != transport.WSAEOPNOTSUPP {
		s.Fatal(err)
	}
	return <-got, err
}

func qosOf(t testing.TB, k *Socket) QOS {
	t.Helper()
	b := make([]byte, 512)
	n, err := k.Ioctl(SIOGetQOS, nil, b)
	want(t, "get QoS", err, 0)
	q, ok := ReadQOS(b[:n])
	if !ok {
		t.Error("the QoS cannot be read")
	}
	return q
}

func setQOS(k *Socket, q QOS) error {
	_, err := k.Ioctl(SIOSetQOS, q.Append(nil), nil)
	return err
}

func TestR190_R197_R199_R200_R201_R202_R203_R204_R205_R51_WhatCanBeMet(t *testing.T) {
	with := func(change func(*FlowSpec)) FlowSpec {
		f := rate(1000)
		change(&f)
		return f
	}
	none := with(func(f *FlowSpec) { f.ServiceType = ServiceNoTraffic })
	for what, c := range map[string]struct {
		q    QOS
		f    JoinFlags
		code transport.Code
	}{
		"a rate":                           {QOS{Sending: rate(1000), Receiving: rate(1000)}, JoinBoth, 0},
		"nothing stated":                   {QOS{Sending: NoFlowSpec(), Receiving: NoFlowSpec()}, JoinBoth, 0},
		"no rate":                          {QOS{Sending: with(func(f *FlowSpec) { f.TokenRate = 0 }), Receiving: NoFlowSpec()}, JoinBoth, transport.WSAEOPNOTSUPP},
		"an unspecified rate":              {QOS{Sending: with(func(f *FlowSpec) { f.TokenRate = QOSNotSpecified }), Receiving: NoFlowSpec()}, JoinBoth, transport.WSAEOPNOTSUPP},
		"best effort, unspecified":         {QOS{Sending: with(func(f *FlowSpec) { f.TokenRate, f.ServiceType = QOSNotSpecified, ServiceBestEffort }), Receiving: NoFlowSpec()}, JoinBoth, 0},
		"qualitative, unspecified":         {QOS{Sending: with(func(f *FlowSpec) { f.TokenRate, f.ServiceType = QOSNotSpecified, ServiceQualitative }), Receiving: NoFlowSpec()}, JoinBoth, 0},
		"no such service":                  {QOS{Sending: with(func(f *FlowSpec) { f.ServiceType = 77 }), Receiving: NoFlowSpec()}, JoinBoth, transport.WSAEOPNOTSUPP},
		"a peak below the rate":            {QOS{Sending: with(func(f *FlowSpec) { f.PeakBandwidth = 999 }), Receiving: NoFlowSpec()}, JoinBoth, transport.WSAEOPNOTSUPP},
		"a peak above":                     {QOS{Sending: with(func(f *FlowSpec) { f.PeakBandwidth = 1001 }), Receiving: NoFlowSpec()}, JoinBoth, 0},
		"wrong where it is not used":       {QOS{Sending: with(func(f *FlowSpec) { f.TokenRate = 0 }), Receiving: NoFlowSpec()}, ReceiverOnly, 0},
		"wrong on the other side":          {QOS{Sending: NoFlowSpec(), Receiving: with(func(f *FlowSpec) { f.TokenRate = 0 })}, SenderOnly, 0},
		"beyond the capacity":              {QOS{Sending: rate(2_000_000), Receiving: NoFlowSpec()}, JoinBoth, transport.WSAEOPNOTSUPP},
		"beyond, both directions together": {QOS{Sending: rate(600_000), Receiving: rate(600_000)}, JoinBoth, transport.WSAEOPNOTSUPP},
		"no traffic at all":                {QOS{Sending: none, Receiving: none}, JoinBoth, transport.WSAEOPNOTSUPP},
	} {
		onStage(t, 170, func(s *stage) {
			s.root(s.provider("root", nil), "root")
			k := s.leaf(s.provider("leaf", func(c *Config) { c.Capacity = 1_000_000 }))
			s.must(k.EventSelect(NewEvent(), FDConnect))
			to := s.addr("root", 7001)
			_, err := k.JoinLeaf(to, nil, nil, &c.q, &QOS{}, c.f)
			want(t, what+", with a group's", err, transport.WSAEOPNOTSUPP)
			_, err = k.JoinLeaf(to, nil, nil, &c.q, nil, c.f)
			want(t, what, err, c.code)
		})
	}
}

func TestR205_NoTrafficAndNoChange(t *testing.T) {
	onStage(t, 171, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		s.must(setQOS(k, QOS{Sending: rate(5000), Receiving: rate(7000)}))
		none, same := rate(1), rate(1)
		none.ServiceType, same.ServiceType = ServiceNoTraffic, ServiceNoChange
		a, err := s.asking(root, k, &QOS{Sending: none, Receiving: same}, JoinBoth, nil)
		want(t, "join", err, 0)
		want(t, "accept", a.err, 0)
		_, err = k.Send([]byte("x"))
		want(t, "send where no traffic is", err, transport.WSAEOPNOTSUPP)
		if got := qosOf(t, k).Receiving.TokenRate; got != 7000 {
			t.Errorf("NoChange gave %d", got)
		}
		_, err = root.Send([]byte("down"))
		want(t, "the other way", err, 0)
		hears(s, k, "down")
	})
}

func TestR194_R195_R196_R206_WhatTheConditionIsTold(t *testing.T) {
	onStage(t, 172, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		p := s.provider("leaf", nil)
		var told *QOS
		cond := func(_ Sockaddr, _ *WSABUF, q, _ *QOS, _ Sockaddr, callee *WSABUF, _ *uint32, _ any) int {
			told = q
			callee.Len = 0
			return CFAccept
		}
		_, err := s.asking(root, s.leaf(p), nil, JoinBoth, cond)
		if want(t, "join", err, 0); told != nil {
			t.Errorf("told %+v though nothing was stated", told)
		}
		k := s.leaf(p)
		s.must(setQOS(k, QOS{Sending: rate(5000), Receiving: NoFlowSpec()}))
		_, err = s.asking(root, k, nil, JoinBoth, cond)
		if want(t, "join", err, 0); told == nil || told.Sending.TokenRate != 5000 {
			t.Errorf("told %+v, want what was set before", told)
		}
		k = s.leaf(p)
		s.must(setQOS(k, QOS{Sending: rate(5000), Receiving: NoFlowSpec()}))
		q := &QOS{Sending: rate(6000), Receiving: rate(9000), Provider: WSABUF{3, []byte("raw")}}
		_, err = s.asking(root, k, q, JoinBoth, cond)
		if want(t, "join", err, 0); told == nil || !told.equal(*q) {
			t.Errorf("told %+v, want %+v", told, q)
		}
	})
}

func TestR141_R206_R207_TheConditionLowersIt(t *testing.T) {
	onStage(t, 173, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		e := selecting(s, k, FDConnect|FDQOS)
		_, err := k.JoinLeaf(s.addr("root", 7001), nil, nil, &QOS{Sending: rate(6000), Receiving: rate(9000)}, nil, JoinBoth)
		s.must(err)
		m, _, err := root.WSAAccept(func(_ Sockaddr, _ *WSABUF, q, _ *QOS, _ Sockaddr, callee *WSABUF, _ *uint32, _ any) int {
			q.Sending.TokenRate, q.Receiving.TokenRate = 2000, 3000
			callee.Len = 0
			return CFAccept
		}, nil)
		want(t, "accept", err, 0)
		if got := next(s, k, e, FDQOS); got.Events&FDQOS == 0 || got.Code(FDQOS) != 0 {
			t.Errorf("%+v", got)
		}
		if q := qosOf(t, k); q.Sending.TokenRate != 2000 || q.Receiving.TokenRate != 3000 {
			t.Errorf("at the leaf %+v", q)
		}
		if q := qosOf(t, m); q.Sending.TokenRate != 3000 || q.Receiving.TokenRate != 2000 {
			t.Errorf("at the root %+v", q)
		}
		s.settle()
		if got := events(t, k); got.Events&FDQOS != 0 {
			t.Error("told twice")
		}
		same := s.leaf(k.p)
		e = selecting(s, same, FDConnect|FDQOS)
		_, err = same.JoinLeaf(s.addr("root", 7001), nil, nil, &QOS{Sending: rate(600), Receiving: rate(900)}, nil, JoinBoth)
		s.must(err)
		_, _, err = root.Accept()
		want(t, "accept", err, 0)
		if got := next(s, same, e, FDConnect); got.Events&FDQOS != 0 {
			t.Error("FD_QOS though nothing was changed")
		}
	})
}

func TestR208_TheBucketNeverOverflows(t *testing.T) {
	for seed := range uint64(50) {
		dice := rand.New(rand.NewPCG(seed, 2))
		spec := rate(1 + dice.Uint32N(1_000_000))
		b := newBucket(spec, bucket{})
		type pass struct {
			at time.Duration
			n  int
		}
		var all []pass
		start := time.Unix(0, 0)
		for now := time.Duration(0); len(all) < 100; now += time.Duration(dice.Int64N(1e9)) {
			n := dice.IntN(int(b.size) + 1)
			now += b.wait(start.Add(now), n)
			if b.wait(start.Add(now), n) != 0 {
				t.Fatalf("seed %d: a message that has waited has to wait", seed)
			}
			b.take(n)
			all = append(all, pass{now, n})
		}
		for i := range all {
			sum := 0.0
			for _, p := range all[i:] {
				sum += float64(p.n)
				if limit := float64(spec.TokenBucketSize) + float64(spec.TokenRate)*(p.at-all[i].at).Seconds(); sum > limit+1 {
					t.Fatalf("seed %d: %v bytes in %v, %v allowed", seed, sum, p.at-all[i].at, limit)
				}
			}
		}
	}
}

func TestR208_R212_R213_SendingIsHeldToIt(t *testing.T) {
	onStage(t, 174, func(s *stage) {
		root, k := s.root(s.provider("root", nil), "root"), s.leaf(s.provider("leaf", nil))
		spec := rate(10_000)
		spec.MaxSduSize = 900
		_, err := s.asking(root, k, &QOS{Sending: spec, Receiving: NoFlowSpec()}, JoinBoth, nil)
		want(t, "join", err, 0)
		_, err = k.Send(make([]byte, 901))
		want(t, "a message above MaxSduSize", err, transport.WSAEMSGSIZE)
		_, err = k.SendTo([]byte("x"), s.addr("leaf", 9999))
		want(t, "to somebody else", err, transport.WSAEISCONN) // R213: there is no other data
		began := time.Now()
		go func() {
			for range 50 {
				if _, err := k.Send(make([]byte, 900)); err != nil {
					t.Error(err)
				}
			}
		}()
		total := 0
		for range 50 {
			r, err := root.Recv(make([]byte, 1000))
			want(t, "receive", err, 0)
			total += r.N
			if limit := 1000 + 10_000*time.Since(began).Seconds(); float64(total) > limit {
				t.Fatalf("%d bytes after %v", total, time.Since(began))
			}
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("45,000 bytes at 10,000 a second took %v", d)
		}
		e := selecting(s, k, FDWrite)
		next(s, k, e, FDWrite)
		for err = nil; err == nil; {
			_, err = k.Send(make([]byte, 900))
		}
		want(t, "nonblocking", err, transport.WSAEWOULDBLOCK)
		next(s, k, e, FDWrite)
		_, err = k.Send(make([]byte, 900))
		want(t, "when told that there is room", err, 0)
	})
}

func TestR208_R212_TheRootKeepsToTheStrictest(t *testing.T) {
	onStage(t, 175, func(s *stage) {
		root := s.root(s.provider("root", nil), "root")
		a, b := s.leaf(s.provider("a", nil)), s.leaf(s.provider("b", nil))
		_, err := s.asking(root, a, &QOS{Sending: NoFlowSpec(), Receiving: rate(100_000)}, JoinBoth, nil)
		want(t, "join", err, 0)
		got, err := s.asking(root, b, &QOS{Sending: NoFlowSpec(), Receiving: rate(10_000)}, JoinBoth, nil)
		want(t, "join", err, 0)
		timed := func(n int) time.Duration {
			began := time.Now()
			for range n {
				if _, err := root.Send(make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(began)
		}
		if d := timed(21); d < 1900*time.Millisecond {
			t.Errorf("with both: 21,000 bytes in %v", d)
		}
		s.must(got.k.Close())
		s.settle()
		if d := timed(21); d > 500*time.Millisecond {
			t.Errorf("when the strict one has left: %v", d)
		}
	})
}

func TestR209_R197_CapacityAtBothEnds(t *testing.T) {
	onStage(t, 176, func(s *stage) {
		root := s.root(s.provider("root", func(c *Config) { c.Capacity = 10_000 }), "root")
		p := s.provider("leaf", nil)
		q := func(n uint32) *QOS { return &QOS{Sending: rate(n), Receiving: NoFlowSpec()} }
		first, second := s.leaf(p), s.leaf(p)
		_, err := s.asking(root, first, q(8000), JoinBoth, nil)
		want(t, "the first", err, 0)
		a, err := s.asking(root, second, q(8000), JoinBoth, nil)
		want(t, "the second", err, transport.WSAEOPNOTSUPP)
		want(t, "its accept", a.err, transport.WSAEOPNOTSUPP)
		_, err = joinTo(second, s.addr("root", 7001))
		want(t, "that socket again", err, transport.WSAEINVAL) // R157: not one of the three
		third := s.leaf(p)
		_, err = s.asking(root, third, q(2000), JoinBoth, nil)
		want(t, "what still fits", err, 0)
		s.must(first.Close())
		s.settle()
		_, err = s.asking(root, s.leaf(p), q(8000), JoinBoth, nil)
		want(t, "after the first has left", err, 0)
	})
}

func TestR210_R211_TheQOSIoctls(t *testing.T) {
	onStage(t, 177, func(s *stage) {
		p := s.provider("leaf", func(c *Config) { c.Capacity = 1000 })
		k := s.leaf(p)
		_, err := k.Ioctl(SIOGetQOS, nil, make([]byte, 512))
		want(t, "get before bind and join", err, transport.WSAEINVAL)
		want(t, "unmeetable", setQOS(k, QOS{Sending: rate(0), Receiving: NoFlowSpec()}), transport.WSAEOPNOTSUPP)
		want(t, "beyond capacity", setQOS(k, QOS{Sending: rate(2000), Receiving: NoFlowSpec()}), transport.WSAEOPNOTSUPP)
		_, err = k.Ioctl(SIOSetQOS, make([]byte, 63), nil)
		want(t, "short input", err, transport.WSAEFAULT)
		s.must(k.Bind(s.addr("leaf", 0)))
		s.must(setQOS(k, QOS{Sending: rate(900), Receiving: NoFlowSpec()}))
		_, err = k.Ioctl(SIOGetQOS, nil, make([]byte, 60))
		want(t, "short output", err, transport.WSAEFAULT)
		if q := qosOf(t, k); q.Sending.TokenRate != 900 {
			t.Errorf("%+v", q)
		}
		plain, err := p.Socket(AFInet, SockDgram, ProtoUDP, nil, 0, 0)
		s.must(err)
		want(t, "set on UDP", setQOS(plain, QOS{}), transport.WSAENOPROTOOPT)
	})
}

func FuzzTerms(f *testing.F) {
	f.Add([]byte{1, 0})
	f.Add(terms{droot: true, nonrooted: true, port: 7001}.append(nil))
	f.Add(terms{qos: &QOS{Sending: rate(5), Provider: WSABUF{2, []byte("ab")}}}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, fine := parseTerms(b)
		if fine && b != nil && string(got.append(nil)) != string(b) {
			t.Errorf("%x became %x", b, got.append(nil))
		}
		if q, ok := ReadQOS(b); ok && len(b) == sizeQOS+4+int(q.Provider.Len) && string(q.Append(nil)) != string(b) {
			t.Errorf("%x became %x", b, q.Append(nil))
		}
		Sockaddr(b).read()
	})
}

func FuzzSockaddr(f *testing.F) {
	f.Add([]byte(NewSockaddr(groupName().AddrPort())))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, code := Sockaddr(b).read()
		if (code == 0) != a.IsValid() {
			t.Errorf("%x: %v, %v", b, a, code)
		}
		if code == 0 && !a.Addr().Is4In6() && NewSockaddr(a).AddrPort() != a {
			t.Errorf("%v became %v", a, NewSockaddr(a).AddrPort())
		}
	})
}
