package control

import (
	"net/netip"
	"testing"
	"time"
)

// stage makes a member of each standing, with a link that a stranger holds.
func stage(t testing.TB) (ms []*Membership, conns []uint32, now time.Time) {
	w := newTown(t, 1)
	for range 3 {
		w.join()
		w.run(time.Second)
	}
	if !w.allAgree() {
		t.Fatal("no session")
	}
	lead, follower := w.homes[0], w.homes[1]
	late := w.join() // arriving or seeking
	var claimant *home = w.homes[2]
	claimant.m.suspect(w.now)
	claimant.m.claimChair(w.now)
	for _, h := range []*home{lead, follower, claimant, late} {
		ms = append(ms, h.m)
		conns = append(conns, h.m.Accepted(w.now, [32]byte{0xbb}, netip.MustParseAddrPort("10.9.9.9:9")))
	}
	return ms, conns, w.now
}

// FuzzMembership: whatever a proven member says, in whatever standing, nobody
// panics, and nobody but the coordinator's word moves a member out.
func FuzzMembership(f *testing.F) {
	var all []byte
	for _, c := range equalCodecs {
		if c.name != "hello" && c.name != "here" && c.name != "charter" {
			f.Add(c.append(c.sample))
			all = c.append(c.sample)
			f.Add(append(Enter{Role: Both, Addr: netip.MustParseAddrPort("10.9.9.9:8")}.Append(nil), all...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, conns, now := stage(t)
		for i, m := range ms {
			number := m.number
			p := NewPipe(now, 1000, time.Second)
			if len(b) == 0 || !p.Write(b) {
				return
			}
			for d, ok := p.Poll(now, nil); ok; d, ok = p.Poll(now, nil) {
				m.Datagram(now, conns[i], d)
			}
			m.Plain(now, netip.MustParseAddrPort("10.9.9.9:9"), b)
			m.Advance(now)
			if m.standing == departed {
				t.Fatalf("member %d ended", i)
			}
			if i == 1 && (m.standing != following || m.number != number) {
				t.Fatalf("a stranger moved a member to standing %d, view %x", m.standing, uint64(m.number))
			}
		}
	})
}

// capped counts what a coordinator sends while strangers ask.
func TestN2_AFloodOfHellosCostsNoStateAndFewAnswers(t *testing.T) {
	w := newTown(t, 1)
	h := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(h) })
	h.m.NextTimeout()
	before := h.m.Stats()
	answers := 0
	for i := range 100_000 {
		now := w.now.Add(time.Duration(i) * 10 * time.Microsecond)
		h.m.Plain(now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5), Hello{uint64(i)}.Append(nil))
		for a, ok := h.m.Poll(); ok; a, ok = h.m.Poll() {
			if a.Kind == Unicast {
				answers += len(a.Bytes)
			}
		}
	}
	if len(h.m.links) != 0 || len(h.m.greets) != 0 {
		t.Errorf("%d links and %d encounters are remembered", len(h.m.links), len(h.m.greets))
	}
	if most := 2 * hereRate * HereSize; answers == 0 || answers > most {
		t.Errorf("%d bytes of answers in a second, at most %d", answers, most)
	}
	if st := h.m.Stats(); st.Hellos-before.Hellos != 100_000 || st.Answered+st.Unanswered != st.Hellos {
		t.Errorf("the books: %+v", st)
	}
}

func TestN1_NoSpoofedPacketIsAnsweredWithMoreThanAThird(t *testing.T) {
	w := newTown(t, 1)
	for range 100 {
		w.join()
		w.run(20 * time.Millisecond)
	}
	w.settle(5*time.Second, "joining", w.allAgree)
	answered := false
	from := netip.MustParseAddrPort("10.200.0.1:5")
	for size := 20; size <= 1500; size += 10 {
		b := Hello{uint64(size)}.Append(nil)
		if size <= len(b) {
			b = b[:size]
		} else {
			b = append(b, make([]byte, size-len(b))...)
		}
		out := 0
		w.run(60 * time.Millisecond) // a limit by the second, which is 20, must not hide one by the packet
		for _, h := range w.homes {  // the group carries it to all of them
			h.m.Plain(w.now, from, b)
			for a, ok := h.m.Poll(); ok; a, ok = h.m.Poll() {
				if a.Addr == from {
					out += len(a.Bytes)
				}
			}
		}
		answered = answered || out > 0
		if 3*out > len(b) {
			t.Errorf("%d bytes in, %d out", len(b), out)
		}
	}
	if !answered {
		t.Error("nothing was answered: the test shows nothing")
	}
}

func TestN3_FalseCoordinatorsAreNotFollowed(t *testing.T) {
	ms, conns, now := stage(t)
	follower, lead := ms[1], ms[0]
	say := func(m *Membership, conn uint32, frame []byte) {
		p := NewPipe(now, 1000, time.Second)
		p.Write(frame)
		for d, ok := p.Poll(now, nil); ok; d, ok = p.Poll(now, nil) {
			m.Datagram(now, conn, d)
		}
	}
	fresh := func(m *Membership, pin [32]byte) uint32 {
		return m.Accepted(now, pin, netip.MustParseAddrPort("10.9.9.9:9"))
	}
	// A proven stranger, who is in no roster, claims in another's name.
	say(follower, conns[1], Claim{follower.charter.Session, 9, 1}.Append(nil))
	// A member claims while the coordinator is heard.
	other := ms[2]
	say(follower, fresh(follower, other.c.Self.Pin), Claim{follower.charter.Session, 9, other.id}.Append(nil))
	// The coordinator claims its own term again.
	say(follower, fresh(follower, lead.c.Self.Pin), Claim{follower.charter.Session, 1, lead.id}.Append(nil))
	if follower.standing != following || follower.up.promise != 0 || follower.lead != lead.id {
		t.Errorf("standing %d, promised %d, led by %d", follower.standing, follower.up.promise, follower.lead)
	}
	// The same, once the coordinator has been silent for long.
	now = now.Add(3 * time.Second)
	follower.up.suspect, follower.due = now, time.Time{}
	say(follower, fresh(follower, [32]byte{0xbb}), Claim{follower.charter.Session, 9, other.id}.Append(nil))
	if follower.up.promise != 0 {
		t.Error("a stranger claims in a member's name, and is followed")
	}
	// A stale charter: the same session with other parameters.
	say(lead, conns[0], Greet{lead.charter.Session, [32]byte{6}, 99, 99, nil}.Append(nil))
	if lead.standing != leading {
		t.Errorf("the coordinator moved to a session with a false charter: standing %d", lead.standing)
	}
	// A term that leaves no room for another.
	say(lead, fresh(lead, [32]byte{0xcc}), Greet{[16]byte{5}, [32]byte{6}, 1<<32 - 1, 99, nil}.Append(nil))
	if lead.standing != leading {
		t.Errorf("the coordinator moved to the last term there is: standing %d", lead.standing)
	}
}
