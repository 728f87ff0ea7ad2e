package nonrooted

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
)

func TestN3_AMemberThatLiesAboutWhoIsOutChangesNothing(t *testing.T) {
	inHostileRoom(t, 61, 3, func(r *room, h *hostile) {
		ps := r.in
		v := ps[0].View()
		for _, out := range []*Peer{ps[1], ps[0]} { // a member, then the coordinator itself
			bans := h.forged(v.Session, uint32(v.Number>>32), out.Pin())
			l := h.dial(ps[0])
			l.say(control.Greet{Session: [16]byte{5}, Charter: [32]byte{6}, Term: 1, Size: 1, Denied: bans}.Append(nil))
			h.dial(ps[0]).enter(ps[0], bans...)
			time.Sleep(time.Second)
		}
		st := ps[0].Stats().Membership
		if st.Undue != 12 || st.Bans != 0 {
			t.Errorf("%d dropped, %d believed", st.Undue, st.Bans)
		}
		for i, p := range ps {
			if p.Err() != nil {
				t.Errorf("member %d is out: %v", i, p.Err())
			}
		}
		h.close()
		r.settle(5*time.Second, ps...)
		exchangeNew(r, ps)
	})
}

func TestN3_WhoWasPutOutStaysOutThroughADeathAndAMerger(t *testing.T) {
	inRoom(t, 62, lan, func(r *room) {
		ca := newAuthority(t)
		with := func(i int) func(*Config) {
			id := ca.identity(name(i))
			return func(c *Config) { c.Identity, c.Authorize = id, AuthorizeAnyVerified }
		}
		var out func(*Config)
		for i := range 6 {
			change := with(i)
			if i == 4 {
				out = change
			}
			r.join(change)
		}
		ps := r.in
		r.settle(time.Second, ps...)
		// Two are cut off, and one of them is put out meanwhile.
		r.net.Partition([]string{"p4", "p5"})
		if err := ps[0].Evict(r.ctx, ps[4].ID()); err != nil {
			t.Fatal(err)
		}
		r.settle(6*time.Second, ps[:4]...)
		r.settle(6*time.Second, ps[4:]...)
		r.net.Heal()
		select {
		case <-ps[4].Done():
		case <-time.After(20 * time.Second):
			t.Fatal("it is in again")
		}
		if err := ps[4].Err(); !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("it was told %v", err)
		}
		rest := []*Peer{ps[0], ps[1], ps[2], ps[3], ps[5]}
		r.settle(8*time.Second, rest...)
		again := func(host string) {
			t.Helper()
			c := r.config(host)
			out(&c)
			if _, err := Join(r.ctx, testGroup, c); !errors.Is(err, transport.WSAEACCES) {
				t.Errorf("it comes again: %v", err)
			}
		}
		again("again0")
		dead := 0
		for i, p := range rest { // whoever gave the word, and whoever had it from there
			if p.View().Coordinator == p.ID() {
				dead = i
			}
		}
		r.net.Kill(string(rest[dead].c.Data))
		rest = append(rest[:dead:dead], rest[dead+1:]...)
		r.settle(5*time.Second, rest...)
		again("again1")
		r.settle(5*time.Second, rest...)
	})
}

func TestN3_FalseCoordinatorsAndStaleChartersMoveNobody(t *testing.T) {
	inHostileRoom(t, 63, 3, func(r *room, h *hostile) {
		ps := r.in
		v := ps[0].View()
		// The same session, with another charter and all the terms there are.
		h.dial(ps[0]).say(control.Greet{Session: v.Session, Charter: [32]byte{6}, Term: 99, Size: 200}.Append(nil))
		h.dial(ps[0]).say(control.Greet{Session: [16]byte{7}, Charter: [32]byte{6}, Term: 1<<32 - 1, Size: 200}.Append(nil))
		for _, p := range ps[1:] { // in a member's name, and in its own
			for _, id := range []uint32{ps[1].ID(), 77} {
				l := h.dial(p)
				l.say(control.Claim{Session: v.Session, Term: 9, ID: id}.Append(nil))
				if d, err := control.ParseDeny(l.hear(time.Second)); err != nil || d.Why != control.DenyUnknown {
					t.Errorf("claimed as %d: %+v, %v", id, d, err)
				}
			}
			l := h.dial(p) // and takes a membership up that is another's
			l.say(control.Resume{Session: v.Session, ID: ps[1].ID()}.Append(nil))
			if d, err := control.ParseDeny(l.hear(time.Second)); err != nil || d.Why != control.DenyElsewhere {
				t.Errorf("resumed as %d: %+v, %v", ps[1].ID(), d, err)
			}
		}
		l := h.dial(ps[0])
		l.say(control.Resume{Session: v.Session, ID: ps[1].ID()}.Append(nil))
		if d, err := control.ParseDeny(l.hear(time.Second)); err != nil || d.Why != control.DenyUnknown {
			t.Errorf("resumed another's membership: %+v, %v", d, err)
		}
		time.Sleep(2 * time.Second)
		if now := ps[0].View(); now.Number != v.Number || now.Session != v.Session || !agree(ps...) {
			t.Errorf("view %x of %v after %x of %v", now.Number, now.Session, v.Number, v.Session)
		}
	})
}

func TestHostile_WhatIsOutOfTurnEndsItsLinkAndNothingElse(t *testing.T) {
	inHostileRoom(t, 64, 2, func(r *room, h *hostile) {
		ps := r.in
		v := ps[0].View()
		before := ps[0].Stats().Membership.Faults
		frames := [][]byte{
			control.View{Number: control.ViewNumber(v.Number + 1), Coordinator: 1, Full: true, State: control.Secret("x")}.Append(nil),
			control.Use{Number: control.ViewNumber(v.Number)}.Append(nil),
			control.Taken{Number: control.ViewNumber(v.Number + 9)}.Append(nil),
			control.Swear{}.Append(nil),
			control.Evict{Ban: h.forged(v.Session, 1, ps[1].Pin())[1]}.Append(nil),
			control.Move{Control: h.wire.LocalAddr(), Pin: h.channels.Pin()}.Append(nil),
			control.Agree{Term: 2}.Append(nil),
			control.Part{}.Append(nil),
			control.Deny{Why: control.DenyRefused, Code: transport.WSAEACCES, Text: "out"}.Append(nil),
			{0, 0, 0, 1, 200}, {0xff, 0xff, 0xff, 0xff, 32}, bytes.Repeat([]byte{0}, 64),
		}
		for _, p := range ps { // the coordinator, and a member
			for i, frame := range frames {
				l := h.dial(p)
				l.say(frame)
				if answer := l.hear(time.Second); answer != nil {
					t.Errorf("frame %d was answered with %x", i, answer)
				}
			}
		}
		sum := func(fs control.Faults) (n uint64) {
			for _, f := range fs {
				n += f
			}
			return n
		}
		if n := sum(ps[0].Stats().Membership.Faults) - sum(before); n != uint64(len(frames)) {
			t.Errorf("%d of %d faults were counted", n, len(frames))
		}
		if now := ps[0].View(); now.Number != v.Number || !agree(ps...) {
			t.Error("something has changed")
		}
	})
}

func TestHostile_WhoSaysNothingHoldsUpNobody(t *testing.T) {
	inHostileRoom(t, 65, 2, func(r *room, h *hostile) {
		for range 60 { // links that do not say what they are for
			h.dial(r.in[0])
		}
		for range 5 { // and some that ask, and do not swear
			l := h.dial(r.in[0])
			l.say(control.Enter{Addr: h.wire.LocalAddr()}.Append(nil))
		}
		began := time.Now()
		r.join(nil)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a join took %v", took)
		}
		r.settle(time.Second, r.in...)
		time.Sleep(5 * time.Second)
		if n := r.in[0].Stats().Channels.Associations; n > 4 {
			t.Errorf("%d channels are kept", n)
		}
	})
}

func TestHostile_WhoComesInAndTakesNoViewCostsOthersLittle(t *testing.T) {
	inHostileRoom(t, 66, 2, func(r *room, h *hostile) {
		h.dial(r.in[0]).enter(r.in[0])
		time.Sleep(50 * time.Millisecond) // it is in a view that it does not take
		began := time.Now()
		r.join(nil)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a join took %v", took)
		}
		h.close() // silent from now on
		r.settle(5*time.Second, r.in...)
		exchangeNew(r, r.in)
	})
}

func TestHostile_ComingInAgainAndAgainLosesTheOthersNothing(t *testing.T) {
	inHostileRoom(t, 67, 3, func(r *room, h *hostile) {
		ps := r.in
		before := ps[0].View().Number
		done := make(chan struct{})
		go func() {
			exchange(r, ps, 500) // whole, in order, nothing missed
			close(done)
		}()
		n := 0
		for began := time.Now(); time.Since(began) < 2*time.Second; n++ { // with one key: each supersedes the one before, and is a change of keys
			h.dial(ps[0]).enter(ps[0])
		}
		<-done
		views := ps[0].View().Number - before
		if n < 10 || views < 2 || views > 20*4 {
			t.Errorf("it came %d times, which made %d views", n, views)
		}
		h.close()
		r.settle(5*time.Second, ps...)
		exchange(r, ps, 10)
	})
}

func TestHostile_AFloodOfGreetingsAndAnnouncementsWedgesNoCoordinator(t *testing.T) {
	inHostileRoom(t, 68, 2, func(r *room, h *hostile) {
		here := control.Here{Session: [8]byte{9}, Charter: [16]byte{9}}.Append(nil)
		for range 40 { // "I am a coordinator, come and meet me": nobody is there
			from := victim(r.in[0])
			if err := r.net.Inject(from, r.in[0].wires.to, here); err != nil {
				t.Fatal(err)
			}
			l := h.dial(r.in[0])
			l.say(control.Greet{Session: [16]byte{3}, Charter: [32]byte{4}, Term: 1, Size: 1}.Append(nil))
			time.Sleep(50 * time.Millisecond)
		}
		began := time.Now()
		r.join(nil)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a join took %v", took)
		}
		r.settle(2*time.Second, r.in...)
		exchangeNew(r, r.in)
	})
}
