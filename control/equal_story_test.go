package control

import (
	"errors"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

func sampleCharter() Charter {
	p := sampleWelcome(7).Params
	return Charter{Session: [16]byte{1, 2, 3}, Limit: 256, Admins: [][32]byte{{9}}, Params: p}
}

func TestFirstFoundsTheSessionAndOthersFindIt(t *testing.T) {
	w := newTown(t, 1)
	a := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(a) })
	if a.id != 1 {
		t.Errorf("the founder is member %d", a.id)
	}
	b := w.join()
	began := w.now
	w.settle(time.Second, "joining", w.allAgree)
	if took := w.now.Sub(began); took > 100*time.Millisecond {
		t.Errorf("a join took %v", took)
	}
	if string(b.roster[0].Data) != "home 0" {
		t.Errorf("the founder's data is %q", b.roster[0].Data)
	}
}

func TestManyWhoBeginAtOnceEndInOneSession(t *testing.T) {
	for seed := range uint64(5) {
		w := newTown(t, seed)
		for range 64 {
			w.join()
		}
		w.settle(5*time.Second, "64 at once", w.allAgree)
	}
}

func TestCoordinatorDies_TheOldestTakesOver(t *testing.T) {
	w := newTown(t, 1)
	for range 8 {
		w.join()
		w.run(700 * time.Millisecond)
	}
	w.settle(time.Second, "joining", w.allAgree)
	before := w.homes[1].number
	w.crash(w.homes[0])
	began := w.now
	w.settle(5*time.Second, "taking over", w.allAgree)
	if took := w.now.Sub(began); took > 3*time.Second {
		t.Errorf("taking over took %v", took)
	}
	if n := w.homes[1].number; n.Term() != before.Term()+1 || w.homes[1].m.standing != leading {
		t.Errorf("view %x after %x", uint64(n), uint64(before))
	}
	for _, h := range w.alive() {
		if h.moved != 0 {
			t.Errorf("home %d had to enter anew", h.n)
		}
	}
}

func TestCoordinatorLeaves_NobodyWaits(t *testing.T) {
	w := newTown(t, 1)
	for range 5 {
		w.join()
		w.run(700 * time.Millisecond)
	}
	w.homes[0].m.Leave(w.now)
	w.drain(w.homes[0])
	w.settle(500*time.Millisecond, "taking over", w.allAgree)
	w.run(time.Second)
	if !w.homes[0].m.Over() {
		t.Error("who left is not done")
	}
}

func TestPartition_BothSidesGoOnAndMerge(t *testing.T) {
	for seed := range uint64(20) {
		w := newTown(t, seed)
		for range 8 {
			w.join()
			w.run(100 * time.Millisecond)
		}
		w.settle(5*time.Second, "joining", w.allAgree)
		hs := w.alive()
		for i := range 3 {
			w.side[hs[i].n] = 1
		}
		w.settle(6*time.Second, "two sides", func() bool { return w.agree(hs[:3]...) && w.agree(hs[3:]...) })
		clear(w.side)
		w.settle(5*time.Second, "merging", w.allAgree)
		moved := 0
		for _, h := range hs {
			moved += h.moved
			if h.moved == 0 && h.merged == 0 {
				t.Errorf("home %d was told of no merger", h.n)
			}
		}
		if moved != 3 && moved != 5 {
			t.Errorf("%d moved", moved)
		}
	}
}

func TestMemberLeaves_TheOthersGetFreshKeys(t *testing.T) {
	w := newTown(t, 3)
	for range 4 {
		w.join()
		w.run(100 * time.Millisecond)
	}
	w.settle(3*time.Second, "joining", w.allAgree)
	h := w.homes[2]
	h.m.Leave(w.now)
	w.drain(h)
	w.settle(500*time.Millisecond, "leaving", w.allAgree)
}

func TestSleeperComesBackAsANewMember(t *testing.T) {
	w := newTown(t, 4)
	for range 4 {
		w.join()
		w.run(100 * time.Millisecond)
	}
	w.settle(3*time.Second, "joining", w.allAgree)
	for _, n := range []int{2, 0} { // a member, then the first coordinator there was
		h := w.homes[n]
		old := h.id
		w.sleep(h, 6*time.Second)
		w.run(5 * time.Second)
		if w.agree(w.alive()...) {
			t.Fatal("the sleeper is still in")
		}
		w.settle(12*time.Second, "coming back", w.allAgree)
		if h.id == old {
			t.Errorf("it came back as member %d, whose packet numbers others have seen", old)
		}
	}
}

func TestN3_EvictedStaysOutThroughTakeoverAndMerge(t *testing.T) {
	for seed := range uint64(10) {
		w := newTown(t, seed)
		for range 6 {
			w.join()
			w.run(100 * time.Millisecond)
		}
		w.settle(3*time.Second, "joining", w.allAgree)
		var lead, victim *home
		for _, h := range w.homes {
			if h.m.standing == leading {
				lead = h
			}
		}
		victim = w.homes[(lead.n+1)%6]
		// The victim is on the other side when it is evicted.
		w.side[victim.n], w.side[(victim.n+1)%6] = 1, 1
		if err := lead.m.Evict(w.now, victim.id); err != nil {
			t.Fatal(err)
		}
		w.evicted[victim.pin] = true
		w.drain(lead)
		w.run(6 * time.Second)
		clear(w.side)
		w.settle(8*time.Second, "merging without it", func() bool { return victim.closed && w.allAgree() })
		// It comes again, with the same key.
		again := w.join(func(c *MembershipConfig) { c.Self.Pin = victim.pin })
		again.pin = victim.pin
		w.settle(5*time.Second, "turning it away", func() bool { return again.closed })
		w.crash(lead)
		w.settle(6*time.Second, "taking over", w.allAgree)
		last := w.join(func(c *MembershipConfig) { c.Self.Pin = victim.pin })
		last.pin = victim.pin
		w.settle(5*time.Second, "turning it away again", func() bool { return last.closed && w.allAgree() })
	}
}

func TestOnlyCoordinatorAndAdminsEvict(t *testing.T) {
	w := newTown(t, 9)
	admin := [32]byte{9}
	a, b := w.join(), (*home)(nil)
	w.run(time.Second)
	b = w.join()
	w.run(time.Second)
	c := w.join(func(c *MembershipConfig) { c.Self.Pin = admin })
	c.pin = admin
	d := w.join()
	w.settle(time.Second, "joining", w.allAgree)
	if err := b.m.Evict(w.now, d.id); !errors.Is(err, transport.WSAEACCES) {
		t.Errorf("a plain member evicts: %v", err)
	}
	if err := c.m.Evict(w.now, d.id); err != nil {
		t.Fatal(err)
	}
	w.drain(c)
	w.settle(time.Second, "evicting", func() bool { return d.closed && w.agree(a, b, c) })
}

func TestMembershipTrafficOf64IsBounded(t *testing.T) {
	w := newTown(t, 1)
	for range 64 {
		w.join()
		w.run(30 * time.Millisecond)
	}
	w.settle(5*time.Second, "joining", w.allAgree)
	type books struct{ datagrams, bytes uint64 }
	before := make(map[*home]books)
	for _, h := range w.homes {
		before[h] = books{h.m.Stats().Datagrams, h.m.Stats().Bytes}
	}
	const seconds = 10
	w.run(seconds * time.Second)
	for _, h := range w.homes {
		st := h.m.Stats()
		n, size := (st.Datagrams-before[h].datagrams)/seconds, (st.Bytes-before[h].bytes)/seconds
		links := uint64(1)
		if h.m.standing == leading {
			links = 63
		}
		// Eight beats in each Silence of two seconds, of a segment's head each.
		if n > 5*links || size > 5*segmentHead*links || n == 0 {
			t.Errorf("home %d with %d links: %d datagrams and %d bytes a second", h.n, links, n, size)
		}
	}
}

func TestRootedData_AnotherCoordinatorIsAnotherSession(t *testing.T) {
	for _, gently := range []bool{false, true} {
		w := newTown(t, 1)
		w.rooted = true
		for range 5 {
			w.join()
			w.run(700 * time.Millisecond)
		}
		w.settle(time.Second, "joining", w.allAgree)
		session := w.homes[1].session
		if gently {
			w.homes[0].m.Leave(w.now)
			w.drain(w.homes[0])
		} else {
			w.crash(w.homes[0])
		}
		w.settle(4*time.Second, "succeeding", w.allAgree)
		for _, h := range w.alive() {
			if h.session == session || h.moved != 1 {
				t.Errorf("home %d: session %x after %x, moved %d times", h.n, h.session, session, h.moved)
			}
		}
	}
}

func TestALostLinkIsTakenUpAgainAndNothingChanges(t *testing.T) {
	w := newTown(t, 13)
	for range 3 {
		w.join()
		w.run(700 * time.Millisecond)
	}
	w.settle(time.Second, "joining", w.allAgree)
	h := w.homes[2]
	id, number, old := h.id, h.number, h.m.up.link
	w.hang(h, old.conn) // as a DTLS association ends after an hour
	h.m.Closed(w.now, old.conn, false)
	w.drain(h)
	w.settle(time.Second, "resuming", func() bool { return h.m.up.link != nil && h.m.up.link != old && h.m.up.link.pipe != nil })
	w.run(5 * time.Second)
	if !w.allAgree() || h.id != id || h.number != number || h.moved != 0 {
		t.Errorf("member %d in view %x, moved %d times; was member %d in view %x", h.id, uint64(h.number), h.moved, id, uint64(number))
	}
}
