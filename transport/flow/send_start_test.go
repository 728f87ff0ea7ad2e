package flow

import (
	"testing"
	"time"
)

// Few members are asked often while the rate looks for its first value, and no
// more often than else when it has found it, or when they are many.
func TestSender_AsksOftenWhileTheRateStarts(t *testing.T) {
	for _, c := range []struct {
		members int
		found   bool
		trip    moment
		want    moment
	}{
		{1, false, time.Millisecond, beatStart},
		{fewLeaves, false, time.Millisecond, beatStart},
		{1, false, 30 * time.Millisecond, 15 * time.Millisecond},
		{1, true, time.Millisecond, beatLoad},
		{fewLeaves + 1, false, time.Millisecond, beatLoad},
		{fewLeaves + 1, false, 30 * time.Millisecond, 30 * time.Millisecond},
	} {
		s, err := NewSender(SenderConfig{Self: 1, Symbol: testSymbol, Streams: []Class{Reliable}, Start: epoch0})
		if err != nil {
			t.Fatal(err)
		}
		for m := range c.members {
			s.Admit(epoch0, Member(m+2), Admission{})
		}
		s.grtt = c.trip
		if c.found {
			s.law.lan.goFree(0)
		}
		if got := s.beatEvery(); got != c.want {
			t.Errorf("%d members %v away, rate found %v: a BEAT every %v, want %v", c.members, c.trip, c.found, got, c.want)
		}
	}
}
