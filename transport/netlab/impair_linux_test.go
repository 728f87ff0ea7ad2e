package netlab

import (
	"errors"
	"math"
	"os"
	"testing"
	"time"
)

// settled waits until an ear hears nothing new for a while.
func settled(e *ear, first uint32) int {
	n := e.heard(first)
	for quiet := 0; quiet < 5; quiet++ {
		time.Sleep(20 * time.Millisecond)
		if now := e.heard(first); now != n {
			n, quiet = now, 0
		}
	}
	return n
}

func TestSetLoss_IsNearWhatWasAsked(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a", "b", "c"}})
	a, b, c := l.Host("a"), l.Host("b"), l.Host("c")
	const sent, percent = 10000, 50
	// Six standard deviations of a fair draw: odds of one in 500 million.
	slack := 6 * math.Sqrt(sent*percent/100.0*(1-percent/100.0))
	for _, f := range families {
		m := speaker(t, a, f.addr(a), 1)
		lossy, clean := member(t, b, f.group), member(t, c, f.group)
		if !reaches(t, m, f.group, lossy) || !reaches(t, m, f.group, clean) {
			t.Fatalf("%s: no stream to lose packets of", f.name)
		}
		must(t, b.SetLoss(In, percent))
		first := m.send(t, f.group, sent)
		got := settled(lossy, first)
		dropped, err := b.Lost(In)
		must(t, err)
		if math.Abs(float64(dropped)-sent*percent/100) > slack {
			t.Errorf("%s: %d of %d packets were dropped; asked for %d %%", f.name, dropped, sent, percent)
		}
		if got+int(dropped) != sent {
			t.Errorf("%s: %d arrived and %d were dropped of %d", f.name, got, dropped, sent)
		}
		if n := settled(clean, first); n != sent {
			t.Errorf("%s: the host beside it, without loss, has %d of %d", f.name, n, sent)
		}
		must(t, b.SetLoss(In, 0))
		if first := m.send(t, f.group, 200); settled(lossy, first) != 200 {
			t.Errorf("%s: loss goes on after it was switched off", f.name)
		}
	}
}

func TestSetLoss_OutIsNotSeenByTheSender(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b"}})
	a, b := l.Host("a"), l.Host("b")
	must(t, a.SetLoss(Out, 100))
	for _, f := range families {
		m, e := speaker(t, a, f.addr(a), 1), unicast(t, b, f.addr(b))
		before, err := a.Lost(Out)
		must(t, err)
		first := m.send(t, e.addr(), 50) // fails the test when a send fails
		n, dropped := settled(e, first), before
		for end := time.Now().Add(5 * time.Second); dropped-before < 50 && time.Now().Before(end); { // a busy machine takes its time
			dropped, err = a.Lost(Out)
			must(t, err)
		}
		if n != 0 || dropped-before != 50 {
			t.Errorf("%s: %d of 50 packets arrived and %d were dropped at 100 %% loss", f.name, n, dropped-before)
		}
	}
	if err := a.SetLoss(Out, 0); err != nil {
		t.Fatal(err)
	}
	e := unicast(t, b, b.Addr4())
	if !reaches(t, speaker(t, a, a.Addr4(), 1), e.addr(), e) {
		t.Error("loss goes on after it was switched off")
	}
}

func TestSetLoss_SparesWhatTheHostSaysToItself(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a"}})
	a := l.Host("a")
	must(t, a.SetLoss(In, 100))
	for _, f := range families {
		if e := member(t, a, f.group); !reaches(t, speaker(t, a, f.addr(a), 1), f.group, e) {
			t.Errorf("%s: a host's own packets, which no network carries, are lost", f.name)
		}
	}
}

func TestSetRate_DropsWhatAPortCannotCarry(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a", "b"}})
	a, b := l.Host("a"), l.Host("b")
	m, e := speaker(t, a, a.Addr4(), 1), member(t, b, group4)
	// 4000 packets of 442 bytes in some 50 ms are 280 Mbit/s: of 1 Mbit/s the
	// queue holds 256 KiB and the rest goes.
	must(t, b.SetRate(In, 1_000_000))
	first := m.send(t, group4, 4000)
	time.Sleep(100 * time.Millisecond)
	if n := e.heard(first); n == 0 || n > 3000 {
		t.Errorf("%d of 4000 packets passed 1 Mbit/s", n)
	}
	must(t, b.SetRate(In, 0))
	first = m.send(t, group4, 1000)
	if n := settled(e, first); n != 1000 {
		t.Errorf("%d of 1000 packets passed without a limit", n)
	}
}

func TestSetRate_HoldsASenderBack(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a"}})
	a := l.Host("a")
	m := speaker(t, a, a.Addr4(), 1)
	sendFor := func(d time.Duration) (err error) {
		must(t, m.conn.SetWriteDeadline(time.Now().Add(d)))
		for range 4000 {
			if _, err := m.conn.WriteToUDPAddrPort(make([]byte, 400), group4); err != nil {
				return err
			}
		}
		return nil
	}
	must(t, a.SetRate(Out, 1_000_000)) // which takes 14 s for this
	if err := sendFor(200 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("1.7 MB passed 1 Mbit/s in 200 ms: %v", err)
	}
	must(t, a.SetRate(Out, 0))
	if err := sendFor(10 * time.Second); err != nil {
		t.Errorf("1.7 MB did not pass without a limit: %v", err)
	}
}

func TestRecreateLink_ChangesTheIndexAndForgetsMemberships(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b"}})
	a, b := l.Host("a"), l.Host("b")
	for _, f := range families {
		m, e := speaker(t, a, f.addr(a), 1), member(t, b, f.group)
		if !reaches(t, m, f.group, e) {
			t.Fatalf("%s: no stream to begin with", f.name)
		}
		before, err := b.Index()
		must(t, err)
		must(t, b.SetLoss(Out, 100))
		must(t, b.RecreateLink())
		after, err := b.Index()
		must(t, err)
		if after == before {
			t.Errorf("%s: the new interface has index %d, as the old one had", f.name, after)
		}
		// F-8: the old socket is a member of nothing and was told nothing.
		if !staysSilent(t, m, f.group, e) {
			t.Errorf("%s: the old membership survived its interface", f.name)
		}
		if again := member(t, b, f.group); !reaches(t, m, f.group, again) {
			t.Errorf("%s: a new membership hears nothing on the new interface", f.name)
		}
		back := unicast(t, a, f.addr(a))
		if !staysSilent(t, speaker(t, b, f.addr(b), 1), back.addr(), back) {
			t.Errorf("%s: the new link has lost its loss", f.name)
		}
		must(t, b.SetLoss(Out, 0))
		if !reaches(t, speaker(t, b, f.addr(b), 1), back.addr(), back) {
			t.Errorf("%s: nothing comes from the new link", f.name)
		}
		must(t, b.DeleteLink())
		if _, err := b.Index(); err == nil {
			t.Errorf("%s: the deleted interface has an index", f.name)
		}
		must(t, b.RecreateLink())
	}
}

// F-9: the kernel reports groups again by itself.
func TestLinkDown_StopsAStreamAndLinkUpResumesIt(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b"}})
	a, b := l.Host("a"), l.Host("b")
	for _, f := range families {
		m, e := speaker(t, a, f.addr(a), 1), member(t, b, f.group)
		for _, fall := range []struct {
			name     string
			down, up func() error
		}{{"the interface", b.LinkDown, b.LinkUp}, {"the cable", b.Unplug, b.Plug}} {
			if !reaches(t, m, f.group, e) {
				t.Fatalf("%s: no stream to begin with", f.name)
			}
			must(t, fall.down())
			if !staysSilent(t, m, f.group, e) {
				t.Errorf("%s: the stream goes on without %s", f.name, fall.name)
			}
			must(t, fall.up())
			if !reaches(t, m, f.group, e) {
				t.Errorf("%s: %s is back, the stream is not", f.name, fall.name)
			}
		}
		single := unicast(t, b, f.addr(b))
		if !reaches(t, m, single.addr(), single) {
			t.Errorf("%s: unicast is gone for good", f.name)
		}
	}
}

func TestSetOffload_LetsTheNetworkSeeSinglePackets(t *testing.T) {
	l := New(t, Options{Hosts: []string{"a", "b"}})
	a, b := l.Host("a"), l.Host("b")
	must(t, l.CountGroups())
	for _, f := range families {
		m, e := speaker(t, a, f.addr(a), 1), member(t, b, f.group)
		if !reaches(t, m, f.group, e) {
			t.Fatalf("%s: no stream", f.name)
		}
		crossed := func() uint64 {
			before, err := l.GroupPackets(a, Out, f.group.Addr())
			must(t, err)
			batchOf(t, m, f.group, 10)
			after, err := l.GroupPackets(a, Out, f.group.Addr())
			must(t, err)
			return after - before
		}
		must(t, a.SetOffload(false))
		if n := crossed(); n != 10 {
			t.Errorf("%s: a batch of 10 crosses the switch as %d packets without offload", f.name, n)
		}
		must(t, a.RecreateLink())
		m = speaker(t, a, f.addr(a), 1)
		if n := crossed(); n != 10 {
			t.Errorf("%s: a batch of 10 crosses the switch as %d packets after the link was made anew", f.name, n)
		}
		must(t, a.SetOffload(true))
		if n := crossed(); n != 1 {
			t.Errorf("%s: a batch of 10 crosses the switch as %d packets with offload; want it whole", f.name, n)
		}
	}
}
