package session

import (
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// A joiner has what it is owed, and passes over the places of the rest.
func TestOrder_AJoinerSkipsWhatItIsNotOwed(t *testing.T) {
	inRing(t, 4, lan, nil, func(r *ring) {
		m := r.full(2)
		j := r.open(3)
		j.AdmitSender(2, m[1].LocalAddr(), nil) // it knows of member 2, who does not know of it
		r.meet(m[0], j)
		r.meet(j, m[0])
		for i := range 3 {
			m[1].say(r.ctx, i, 0)
		}
		time.Sleep(10 * time.Millisecond)
		m[0].say(r.ctx, 0, 0)
		r.nothing(j) // it cannot know whether it is owed member 2's
		r.meet(m[1], j)
		r.meet(j, m[1])
		if s, got := r.hear(j); s != "1/0" || got.Order != 4 || got.Missed != 0 {
			r.Errorf("the joiner's first is %s at place %d, missed %d", s, got.Order, got.Missed)
		}
		m[1].say(r.ctx, 3, 0)
		if s, got := r.hear(j); s != "2/3" || got.Order != 5 || got.Missed != 0 {
			r.Errorf("then %s at place %d, missed %d", s, got.Order, got.Missed)
		}
		for range 5 {
			r.hear(m[1])
		}
		if got := m[1].views; !reflect.DeepEqual(got, []string{"1 true 1", "3 true 1"}) {
			r.Errorf("member 2's views: %v", got)
		}
		if got := j.views; !reflect.DeepEqual(got, []string{"1 true 1", "2 true 1"}) {
			r.Errorf("the joiner's views: %v", got)
		}
	})
}

// News of a departure comes over another channel and may be first.
func TestOrder_WhoLeftIsHeardUpToItsLastPlace(t *testing.T) {
	inRing(t, 5, lan, nil, func(r *ring) {
		m := r.full(3)
		r.net.Partition([]string{"host1", "host2"}, []string{"host3"}) // 3 has the data later than the news
		for i := range 5 {
			m[1].say(r.ctx, i, 100)
		}
		time.Sleep(20 * time.Millisecond)
		r.net.Heal()
		time.Sleep(200 * time.Millisecond)
		m[2].RemoveMember(2)
		m[2].ExpelSender(2, nil)
		time.Sleep(10 * time.Millisecond)
		m[0].RemoveMember(2)
		m[0].ExpelSender(2, nil)
		m[0].say(r.ctx, 0, 0)
		for i, want := range []string{"2/0", "2/1", "2/2", "2/3", "2/4", "1/0"} {
			for _, who := range []*ringMember{m[0], m[2]} {
				if s, got := r.hear(who); s != want || got.Order != uint64(i+1) {
					r.Errorf("member %d: %s at place %d, want %s", who.id, s, got.Order, want)
				}
			}
		}
		if got := m[2].views[len(m[2].views)-1]; got != "2 false 6" {
			r.Errorf("member 3 was told %q", got)
		}
		if _, known := m[2].Heard(2); known {
			r.Error("member 3 still keeps what the order is done with")
		}
	})
}

// A member that is stamped before this one hears of it is waited for; one that
// never comes is not.
func TestOrder_WaitsForNewsOfAMember(t *testing.T) {
	inRing(t, 6, lan, nil, func(r *ring) {
		m := r.full(2)
		late, never := r.open(3), r.open(4)
		for _, x := range []*ringMember{late, never} {
			r.meet(m[0], x)
			r.meet(x, m[0])
		}
		edges := late.AddMember(2, m[1].LocalAddr(), flow.Admission{RTT: time.Millisecond})
		late.say(r.ctx, 0, 0)
		time.Sleep(10 * time.Millisecond)
		never.say(r.ctx, 0, 0)
		time.Sleep(10 * time.Millisecond)
		m[0].say(r.ctx, 0, 0)
		r.nothing(m[1])
		if err := m[1].AdmitSender(3, late.LocalAddr(), edges); err != nil {
			r.Fatal(err)
		}
		if s, got := r.hear(m[1]); s != "3/0" || got.Order != 1 {
			r.Errorf("%s at place %d", s, got.Order)
		}
		r.nothing(m[1])
		m[1].ExpelSender(4, nil) // it cannot be heard here
		if s, got := r.hear(m[1]); s != "1/0" || got.Order != 3 {
			r.Errorf("%s at place %d", s, got.Order)
		}
	})
}

// Who left before a joiner came may have places after it: the joiner does not
// wait for news of a member that it will never be told of.
func TestOrder_AJoinerDoesNotWaitForWhoLeftBefore(t *testing.T) {
	inRing(t, 11, lan, nil, func(r *ring) {
		m := r.full(2)
		j := r.open(3)
		r.meet(j, m[0])
		r.meet(m[0], j) // it is not told of member 2, whose last words are on the way
		m[1].say(r.ctx, 0, 0)
		time.Sleep(10 * time.Millisecond)
		m[0].RemoveMember(2)
		m[0].ExpelSender(2, nil)
		m[0].say(r.ctx, 0, 0)
		if s, got := r.hear(j); s != "1/0" || got.Order != 2 || got.Missed != 0 {
			r.Errorf("%s at place %d, missed %d", s, got.Order, got.Missed)
		}
		if got := j.views[len(j.views)-1]; got != "2 false 2" {
			r.Errorf("the joiner was told %q", got)
		}
	})
}

// What the sequencer lacks for good has no place, though others have it.
func TestOrder_WhatTheSequencerLacksIsDiscardedAlike(t *testing.T) {
	inRing(t, 12, lan, nil, func(r *ring) {
		m := r.full(3)
		r.net.PartitionOneWay([]string{"host1"}, []string{"host2"}) // it cannot ask
		for i := range 3 {
			r.net.SetLoss("host2", "host1", float64(i%2))
			m[1].say(r.ctx, i, 0)
			time.Sleep(10 * time.Millisecond)
		}
		for _, who := range []*ringMember{m[0], m[2]} {
			if s, got := r.hear(who); s != "2/0" || got.Order != 1 {
				r.Errorf("member %d: %s at place %d", who.id, s, got.Order)
			}
		}
		for _, who := range []*ringMember{m[0], m[2]} {
			who.RemoveMember(2)
			who.ExpelSender(2, nil)
		}
		for _, who := range []*ringMember{m[0], m[2]} {
			if s, got := r.hear(who); s != "2/2" || got.Order != 2 || got.Missed != 1 {
				r.Errorf("member %d: %s at place %d, missed %d", who.id, s, got.Order, got.Missed)
			}
		}
	})
}

// A sequencer behind a bad line is waited for: without it nothing has a place.
func TestOrder_TheSequencerIsNeverServedApart(t *testing.T) {
	inRing(t, 13, lan, func(c *Config) { c.Window, c.MaxMessage = 256<<10, 64<<10 }, func(r *ring) {
		m := r.full(4)
		r.net.SetDownlink("host1", simnet.Link{Loss: 0.4})
		const n = 4000
		go func() {
			for i := range n {
				if err := m[1].say(r.ctx, i, 1300); err != nil {
					r.Error(err)
					return
				}
			}
		}()
		done := make(chan bool)
		for _, who := range m {
			go func() {
				defer func() { done <- true }()
				for i := range n {
					if _, got := r.hear(who); got.Order != uint64(i+1) || got.Missed != 0 {
						r.Errorf("member %d: place %d after %d, missed %d", who.id, got.Order, i, got.Missed)
						return
					}
				}
			}()
		}
		for range m {
			<-done
		}
		if q := m[1].Stats().Sender.Quarantines; q != 0 {
			r.Errorf("%d members were served apart", q)
		}
	})
}

// News of who came and went may be later than their whole time in the order.
func TestOrder_LateNewsOfWhoIsOutAlreadyLeavesNothingBehind(t *testing.T) {
	inRing(t, 14, lan, nil, func(r *ring) {
		m := r.full(2)
		x := r.open(3)
		r.meet(x, m[0])
		r.meet(m[0], x)
		time.Sleep(10 * time.Millisecond)
		m[0].RemoveMember(3)
		m[0].ExpelSender(3, nil)
		m[0].say(r.ctx, 0, 0)
		r.hear(m[1])
		if want := []string{"1 true 1", "3 true 1", "3 false 1"}; !reflect.DeepEqual(m[1].views, want) {
			r.Errorf("views: %v", m[1].views)
		}
		if err := m[1].AdmitSender(3, x.LocalAddr(), nil); err != nil {
			r.Fatal(err)
		}
		if _, known := m[1].Heard(3); known {
			r.Error("it is listened to")
		}
		m[1].ExpelSender(3, nil)
		if n := len(m[1].ord.past) + len(m[1].ord.gone); n != 0 {
			r.Errorf("%d notes are left", n)
		}
	})
}

// Who had gone by the time of START, and was out of the order by then, is not
// kept for an end that does not come.
func TestOrder_WhoWasOutBeforeTheStartIsDropped(t *testing.T) {
	inRing(t, 15, lan, nil, func(r *ring) {
		m := r.full(2)
		m[0].RemoveMember(2)
		m[0].ExpelSender(2, nil)
		j := r.open(3)
		if err := j.AdmitSender(2, m[1].LocalAddr(), nil); err != nil {
			r.Fatal(err)
		}
		j.ExpelSender(2, nil)
		r.meet(j, m[0])
		r.meet(m[0], j)
		m[0].say(r.ctx, 0, 0)
		if s, got := r.hear(j); s != "1/0" || got.Missed != 0 {
			r.Errorf("%s, missed %d", s, got.Missed)
		}
		if _, known := j.Heard(2); known {
			r.Error("who left before is still kept")
		}
	})
}

// A sender that dies in the middle of a message has said nothing, to nobody,
// and what it said behind a hole has no place either.
func TestOrder_AMessageThatDeathCutShortIsPassedOverByAll(t *testing.T) {
	inRing(t, 23, lan, nil, func(r *ring) {
		m := r.full(3)
		m[1].say(r.ctx, 0, 0)
		time.Sleep(10 * time.Millisecond)
		r.net.PartitionOneWay([]string{"host1"}, []string{"host2"}) // the sequencer cannot ask
		r.net.SetLoss("host2", "host1", 0.5)
		m[1].say(r.ctx, 1, 60_000)
		time.Sleep(10 * time.Millisecond)
		r.net.SetLoss("host2", "host1", 0)
		m[1].say(r.ctx, 2, 0)
		time.Sleep(10 * time.Millisecond)
		r.net.Kill("host2")
		rest := []*ringMember{m[0], m[2]}
		for _, who := range rest {
			who.RemoveMember(2)
			who.ExpelSender(2, nil)
		}
		m[0].say(r.ctx, 0, 0)
		for i, want := range []string{"2/0", "1/0"} {
			for _, who := range rest {
				if s, got := r.hear(who); s != want || got.Order != uint64(i+1) {
					r.Errorf("member %d: %s at place %d, want %s", who.id, s, got.Order, want)
				}
			}
		}
		if got := m[2].views[len(m[2].views)-1]; got != "2 false 2" {
			r.Errorf("member 3 was told %q", got)
		}
		if st := m[2].Stats().Order; st.Passed != 2 {
			r.Errorf("member 3 passed over %d of the two messages without a place", st.Passed)
		}
	})
}

// Edges of streams that nobody has are of no use, and no harm.
func TestOrder_AStartOfAStreamThatIsNoneIsHarmless(t *testing.T) {
	inRing(t, 24, lan, nil, func(r *ring) {
		m := r.full(2)
		if err := m[1].AdmitSender(3, m[0].LocalAddr(), nil); err != nil {
			r.Fatal(err)
		}
		m[1].peerStarts(time.Now(), 3, []flow.Edge{{Stream: 16, Message: 5}, {Stream: 65535, Message: 5}})
		m[0].say(r.ctx, 0, 0)
		if s, _ := r.hear(m[1]); s != "1/0" {
			r.Error(s)
		}
	})
}

// Where the order has a hole that nothing more will explain it ends: who went
// on behind it could not tell what it misses.
func TestOrder_EndsAtAHoleOnceTheSequencerIsGone(t *testing.T) {
	inRing(t, 25, lan, nil, func(r *ring) {
		m := r.full(3)
		m[1].say(r.ctx, 0, 0)
		if s, _ := r.hear(m[2]); s != "2/0" {
			r.Error(s)
		}
		time.Sleep(50 * time.Millisecond)
		r.net.SetLoss("host1", "host3", 1)
		r.net.SetLoss("host2", "host3", 1)
		m[1].say(r.ctx, 1, 0) // member 3 hears neither it nor its place
		time.Sleep(time.Millisecond)
		r.net.SetLoss("host1", "host3", 0)
		m[2].say(r.ctx, 0, 0)
		time.Sleep(700 * time.Microsecond) // its place is here, behind the hole
		for _, id := range []uint32{1, 2} {
			m[2].ExpelSender(id, nil)
		}
		m[2].EndReceive(io.EOF)
		if got, err := m[2].Recv(r.ctx, make([]byte, 100)); err != io.EOF || got.Missed != 1 {
			r.Errorf("place %d, missed %d, %v", got.Order, got.Missed, err)
		}
	})
}
