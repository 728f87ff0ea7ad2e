package control

import (
	"net/netip"
	"testing"
	"time"
)

func TestOneKeyHoldsOneLink_HoweverOftenItEnters(t *testing.T) {
	w := newTown(t, 21)
	lead := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(lead) })
	from := netip.MustParseAddrPort("10.9.9.9:9")
	pin := [32]byte{0xaa}
	for range 40 {
		conn := lead.m.Accepted(w.now, pin, from)
		p := NewPipe(w.now, 1000, time.Second)
		p.Write(Enter{Role: Both, Addr: netip.MustParseAddrPort("10.9.9.9:8")}.Append(nil))
		d, _ := p.Poll(w.now, nil)
		lead.m.Datagram(w.now, conn, d)
	}
	if n := len(lead.m.links); n != 1 {
		t.Errorf("%d links of one key", n)
	}
}

func TestTwoProcessesWithOneKey_TheLaterStaysAndTheOtherHearsWhy(t *testing.T) {
	w := newTown(t, 22)
	w.join()
	w.run(time.Second)
	first := w.join()
	w.settle(time.Second, "joining", w.allAgree)
	second := w.join(func(c *MembershipConfig) { c.Self.Pin = first.pin })
	second.pin = first.pin
	w.settle(3*time.Second, "coming in", func() bool { return first.closed && w.allAgree() })
	if second.closed || first.code != "another process came in with the same key; each needs one of its own" {
		t.Errorf("the second is out: %v; the first heard %q", second.closed, first.code)
	}
}

func TestViewsThatNoCoordinatorMakesAreRefused(t *testing.T) {
	w := newTown(t, 23)
	for range 2 {
		w.join()
		w.run(time.Second)
	}
	w.settle(time.Second, "joining", w.allAgree)
	m := w.homes[1].m
	more := View{Number: m.number + 1, Coordinator: 1, State: Secret{1}}
	for i := range MaxEquals {
		e := m.roster[0].clone()
		e.ID, e.Pin = uint32(100+i), [32]byte{1, byte(i), byte(i >> 8)}
		more.Add = append(more.Add, e)
	}
	if err := m.onView(w.now, m.up.link, more); err != FaultLimit {
		t.Errorf("a roster of %d: %v", MaxEquals+2, err)
	}
	for _, n := range []ViewNumber{firstView(m.number.Term() + 1), firstView(1<<32 - 1)} {
		v := View{Number: n, Coordinator: 1, Full: true, State: Secret{1}, Add: m.roster}
		if err := m.onView(w.now, m.up.link, v); err != FaultValue {
			t.Errorf("view %x in term %d: %v", uint64(n), m.number.Term(), err)
		}
	}
	late := w.join()
	w.until(time.Second, func() bool { return late.m.standing == arriving && late.m.seek.link.pipe != nil })
	late.m.seek.entered = &Entered{ID: 3, Charter: m.charter}
	add := append(m.roster[:2:2], late.m.c.Self)
	add[2].ID = 3
	v := View{Number: firstView(1<<32 - 1), Coordinator: 1, Full: true, State: Secret{1}, Add: add}
	if err := late.m.onView(w.now, late.m.seek.link, v); err != FaultValue {
		t.Errorf("a first view in the last term: %v", err)
	}
}

func TestWhoDialsSaysShortThings(t *testing.T) {
	w := newTown(t, 24)
	lead := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(lead) })
	conn := lead.m.Accepted(w.now, [32]byte{0xaa}, netip.MustParseAddrPort("10.9.9.9:9"))
	head := append([]byte{0, 15, 0, 0}, byte(TypeEnter)) // the first bytes of 960 KiB
	lead.m.Datagram(w.now, conn, segment{kind: 1, bytes: head}.append(nil))
	if lead.m.links[conn] != nil || lead.m.Stats().Faults[FaultLength] != 1 {
		t.Error("a member waits for 960 KiB from somebody who has said nothing yet")
	}
}

func TestALiarWhoUsesUpTheTermsSplitsNobodyForEver(t *testing.T) {
	w := newTown(t, 25)
	liar := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(liar) })
	liar.m.number = firstView(lastTerm - 1)
	liar.m.using = liar.m.number
	for range 4 {
		w.join()
		w.run(200 * time.Millisecond)
	}
	w.settle(3*time.Second, "joining", func() bool { return w.agree(w.homes[1:]...) || w.allAgree() })
	w.crash(liar)
	w.settle(10*time.Second, "beginning again", w.allAgree)
	if n := w.homes[1].number.Term(); n >= lastTerm/2 {
		t.Errorf("they are in term %d again", n)
	}
}

func TestAJoinerIsTakenAlongByACoordinatorThatGoesOver(t *testing.T) {
	w := newTown(t, 26)
	lead := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(lead) })
	other := w.join()
	w.settle(time.Second, "joining", w.allAgree)
	w.side[other.n] = 1
	w.settle(6*time.Second, "two sessions", func() bool { return w.agree(lead) && w.agree(other) })
	late := w.join()
	w.until(2*time.Second, func() bool { return len(lead.m.chair.joiners) == 1 }) // it has sworn, and has no view
	clear(w.side)
	lead.m.yield(w.now, Move{other.addr, other.pin})
	w.drain(lead)
	w.settle(5*time.Second, "coming in there", w.allAgree)
	if late.closed || late.session != other.session {
		t.Errorf("it is in another session, or in none: %q", late.code)
	}
	if n := late.m.Stats().Faults[FaultState]; n != 0 {
		t.Errorf("it held %d frames against who took it along", n)
	}
}
