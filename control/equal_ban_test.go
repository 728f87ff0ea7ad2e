package control

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// trio is a session of three: the coordinator, and two others.
func trio(t *testing.T, seed uint64, change ...func(*MembershipConfig)) (w *town, lead, a, b *home) {
	w = newTown(t, seed)
	lead = w.join(change...)
	w.settle(time.Second, "founding", func() bool { return w.agree(lead) })
	a = w.join(change...)
	w.settle(time.Second, "joining", w.allAgree)
	b = w.join(change...)
	w.settle(time.Second, "joining", w.allAgree)
	return w, lead, a, b
}

// mouth is a proven member that says what it likes, over a link that it dialled.
type mouth struct {
	w    *town
	to   *home
	conn uint32
	pipe *Pipe
}

func (w *town) mouth(to *home, pin [32]byte) *mouth {
	conn := to.m.Accepted(w.now, pin, netip.MustParseAddrPort("10.9.9.9:9"))
	return &mouth{w, to, conn, NewPipe(w.now, 1000, time.Second)}
}

// say brings one frame across.
func (o *mouth) say(frame []byte) {
	o.pipe.Write(frame)
	for d, ok := o.pipe.Poll(o.w.now, nil); ok; d, ok = o.pipe.Poll(o.w.now, nil) {
		o.to.m.Datagram(o.w.now, o.conn, d)
		o.w.drain(o.to)
		o.pipe.acked(o.w.now, o.pipe.next) // what comes back is not read
	}
}

func enterWith(bans ...Ban) []byte {
	return Enter{Addr: netip.MustParseAddrPort("10.9.9.9:8"), Moved: true, Denied: bans}.Append(nil)
}

// lies are bans of out that nobody who may has given, as far as liar can make
// them.
func lies(session [16]byte, lead, liar, out [32]byte) map[string]Ban {
	own := banOf(session, 1, liar, out)
	own.Oath, _ = signAs(liar)(OathText(session, 1, liar))
	byLead, bare := banOf(session, 1, lead, out), banOf(session, 1, liar, out)
	byLead.By, _ = signAs(liar)(byLead.Text()) // an oath that was sworn, to somebody else
	bare.Oath = Signature{}
	moved, later, other := banOf([16]byte{9}, 1, lead, out), banOf(session, 1, lead, out), banOf(session, 1, lead, liar)
	moved.Session, later.Term, other.Pin = session, 2, out
	self := banOf(session, 1, out, out)
	lent := banOf(session, 1, lead, out) // all true but the signature, which is of another ban
	lent.By = banOf(session, 1, lead, liar).By
	return map[string]Ban{
		"unsigned": {Session: session, Term: 1, Pin: out}, "with the liar's oath": own, "with an oath to the coordinator": byLead,
		"without an oath": bare, "of another session": moved, "of another term": later, "of somebody else": other, "by who is out": self, "signed for somebody else": lent,
	}
}

func TestN3_ALyingMembersBansChangeNothing(t *testing.T) {
	w, lead, liar, honest := trio(t, 31)
	for what, lie := range lies(lead.m.charter.Session, lead.pin, liar.pin, honest.pin) {
		before := lead.m.Stats()
		w.mouth(lead, [32]byte{0xaa, 1}).say(enterWith(lie))
		ownWord := lie
		ownWord.Pin = lead.pin // and of the coordinator itself
		w.mouth(lead, [32]byte{0xaa, 2}).say(enterWith(ownWord))
		w.mouth(lead, [32]byte{0xaa, 3}).say(Greet{[16]byte{5}, [32]byte{6}, 1, 1, []Ban{lie, ownWord}}.Append(nil))
		w.run(time.Second)
		if st := lead.m.Stats(); len(lead.m.bans) != 0 || st.Undue-before.Undue != 4 || st.Bans != 0 {
			t.Errorf("%s: %d are out; %d dropped", what, len(lead.m.bans), st.Undue-before.Undue)
		}
		if lead.closed || honest.closed || !w.agree(lead, liar, honest) {
			t.Fatalf("%s: somebody is out\n%s", what, w)
		}
	}
}

func TestN3_ALiarsWordInACountOfAgreementAndInAViewPutsNobodyOut(t *testing.T) {
	w, lead, next, liar := trio(t, 32)
	honest := w.join()
	w.settle(time.Second, "joining", w.allAgree)
	all := lies(lead.m.charter.Session, lead.pin, liar.pin, honest.pin)
	for _, lie := range all {
		liar.m.bans = append(liar.m.bans, lie) // it says so in AGREE, and in ENTER should it have to
	}
	w.crash(lead)
	w.settle(5*time.Second, "taking over", func() bool { return w.agree(next, liar, honest) })
	if n := next.m.Stats().Undue; n != uint64(len(all)) || next.m.isDenied(honest.pin) {
		t.Errorf("%d dropped of %d", n, len(all))
	}
	// A coordinator of today passes on what nobody gave.
	v := View{Number: next.m.number + 1, Coordinator: next.id, State: Secret{1}, Denied: []Ban{all["without an oath"], all["with the liar's oath"]}}
	before := honest.m.Stats().Undue
	if err := honest.m.onView(w.now, honest.m.up.link, v); err != nil {
		t.Fatal(err)
	}
	if n := honest.m.Stats().Undue - before; n != 2 || len(honest.m.bans) != 0 {
		t.Errorf("%d dropped, %d believed", n, len(honest.m.bans))
	}
}

func TestN3_ABanThatAJoinerBringsHolds(t *testing.T) {
	w := newTown(t, 12)
	lead := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(lead) })
	out := w.join()
	teller := w.join()
	// From a session whose coordinator is no more.
	teller.m.bans = append(teller.m.bans, banOf([16]byte{7}, 3, [32]byte{0xcc}, out.pin))
	w.settle(5*time.Second, "turning it away", func() bool { return out.closed && w.allAgree() })
	if !lead.m.isDenied(out.pin) || lead.m.Stats().Bans != 1 {
		t.Error("the coordinator does not know of it")
	}
}

func TestN3_WhoHasNotSwornIsInNoView(t *testing.T) {
	w, lead, a, b := trio(t, 33)
	o := w.mouth(lead, [32]byte{0xaa})
	o.say(enterWith())
	w.run(time.Second)
	if len(lead.roster) != 3 {
		t.Fatal("it is in")
	}
	wrong, _ := signAs([32]byte{0xaa})(OathText(lead.m.charter.Session, lead.number.Term(), a.pin)) // to another one
	o.say(Swear{wrong}.Append(nil))
	if lead.m.links[o.conn] != nil || lead.m.Stats().Faults[FaultValue] != 1 {
		t.Error("a false oath was taken")
	}
	o = w.mouth(lead, [32]byte{0xab})
	o.say(enterWith())
	w.run(wordWait + time.Second)
	if lead.m.links[o.conn] != nil || !w.agree(lead, a, b) {
		t.Error("who swears nothing is waited for")
	}
	o = w.mouth(lead, [32]byte{0xac})
	o.say(enterWith())
	o.say(enterWith())
	if lead.m.links[o.conn] != nil {
		t.Error("who asks twice in place of an oath is heard")
	}
}

func TestN3_AnAdminsBanOutlivesTheCoordinatorWhomItPutsOut(t *testing.T) {
	admin := [32]byte{9} // as the town's charters say
	w := newTown(t, 34)
	lead := w.join()
	w.settle(time.Second, "founding", func() bool { return w.agree(lead) })
	c := w.join(func(c *MembershipConfig) { c.Self.Pin = admin })
	c.pin = admin
	w.settle(time.Second, "joining", w.allAgree)
	b := w.join()
	w.settle(time.Second, "joining", w.allAgree)
	if err := c.m.Evict(w.now, lead.id); err != nil {
		t.Fatal(err)
	}
	w.drain(c)
	w.settle(5*time.Second, "going on without it", func() bool { return lead.closed && w.agree(b, c) })
	again := w.join(func(c *MembershipConfig) { c.Self.Pin = lead.pin })
	again.pin = lead.pin
	w.settle(5*time.Second, "turning it away", func() bool { return again.closed && w.agree(b, c) })
	// Another member's word is no admin's, whatever it calls itself.
	lie := Ban{Session: b.m.charter.Session, Term: b.number.Term(), Pin: c.pin}
	lie.By, _ = signAs(b.pin)(lie.Text())
	leader, other := b, c
	if c.m.standing == leading {
		leader, other = c, b
	}
	before := leader.m.Stats()
	lie.Pin = other.pin
	if err := leader.m.onEvict(w.now, leader.m.chair.member[other.id], Evict{lie}); err != FaultState || leader.m.Stats().Undue != before.Undue+1 {
		t.Errorf("%v, %d dropped", err, leader.m.Stats().Undue-before.Undue)
	}
}

func TestN3_FalseBansCostFewChecks(t *testing.T) {
	checks := 0
	w, lead, _, honest := trio(t, 35, func(c *MembershipConfig) {
		c.Verify = func(text []byte, s Signature) ([32]byte, bool) { checks++; return verifyInTown(text, s) }
	})
	var bans []Ban
	for i := range MaxDenied {
		lie := lies([16]byte{byte(i)}, lead.pin, [32]byte{1, byte(i)}, [32]byte{2, byte(i)})["with the liar's oath"]
		bans = append(bans, lie)
	}
	checks = 0
	w.mouth(lead, [32]byte{0xaa}).say(enterWith(bans...))
	if checks > 2*mostUndue || lead.m.Stats().Undue != MaxDenied {
		t.Errorf("%d signatures were checked; %d dropped", checks, lead.m.Stats().Undue)
	}
	if honest.closed {
		t.Error("somebody is out")
	}
}

func TestN3_KeysThatOneMemberDrewFillNoList(t *testing.T) {
	w, lead, a, out := trio(t, 36)
	for k := range 4 {
		var bans []Ban
		for i := range MaxDenied {
			bans = append(bans, banOf([16]byte{8}, 1, [32]byte{0xaa}, [32]byte{3, byte(i), byte(k)}))
		}
		w.mouth(lead, [32]byte{0xaa, byte(k)}).say(enterWith(bans...))
	}
	if len(lead.m.bans) != MaxDenied-ownBans {
		t.Errorf("%d are remembered", len(lead.m.bans))
	}
	if err := lead.m.Evict(w.now, out.id); err != nil {
		t.Errorf("the coordinator's own word has no room: %v", err)
	}
	w.drain(lead)
	w.settle(5*time.Second, "putting out", func() bool { return out.closed && w.agree(lead, a) })
	if !slices.ContainsFunc(a.m.bans, func(b Ban) bool { return b.Pin == out.pin }) {
		t.Error("the others do not know of it")
	}
	for i := range 2 * ownBans {
		lead.m.ban([32]byte{4, byte(i)}, Signature{})
	}
	if err := lead.m.Evict(w.now, a.id); !errors.Is(err, transport.WSAENOBUFS) || a.closed {
		t.Errorf("an eviction that cannot be remembered: %v", err)
	}
}

func TestN3_WhatAdminsOfAnotherCharterSaidHoldsNoMore(t *testing.T) {
	w, lead, a, b := trio(t, 37)
	said := Ban{Session: lead.m.charter.Session, Term: 1, Pin: [32]byte{0xee}}
	said.By, _ = signAs([32]byte{9})(said.Text())
	for _, h := range []*home{lead, a, b} {
		if h.m.believe([]Ban{said}, MaxDenied); !h.m.isDenied(said.Pin) {
			t.Fatal("an admin is not heard")
		}
	}
	c := w.charter()
	c.Admins = nil
	a.m.under(c)
	if a.m.isDenied(said.Pin) {
		t.Error("it is out of a session that names no admins")
	}
}

func TestN3_WhoAgreesWithAFalseOathIsNotFollowedByAView(t *testing.T) {
	w, lead, next, false_ := trio(t, 38)
	honest := w.join()
	w.settle(time.Second, "joining", w.allAgree)
	false_.m.c.Sign = signAs([32]byte{0xee}) // with a key that is not in the roster
	w.crash(lead)
	w.settle(5*time.Second, "taking over", func() bool { return w.agree(next, honest) })
	if next.m.Stats().Faults[FaultValue] == 0 {
		t.Error("nothing was held against it")
	}
}

func TestN3_WhoCameAfterAnEvictionKnowsOfItWhenAllOthersAreGone(t *testing.T) {
	w, lead, a, out := trio(t, 39)
	if err := lead.m.Evict(w.now, out.id); err != nil {
		t.Fatal(err)
	}
	w.drain(lead)
	w.settle(2*time.Second, "putting out", func() bool { return out.closed && w.agree(lead, a) })
	late := w.join()
	w.settle(2*time.Second, "joining", w.allAgree)
	for _, h := range []*home{a, late} {
		if !h.m.isDenied(out.pin) {
			t.Errorf("home %d does not know of it", h.n)
		}
	}
	w.crash(lead)
	w.crash(a)
	w.settle(8*time.Second, "going on alone", w.allAgree)
	again := w.join(func(c *MembershipConfig) { c.Self.Pin = out.pin })
	again.pin = out.pin
	w.settle(5*time.Second, "turning it away", func() bool { return again.closed && w.agree(late) })
}
