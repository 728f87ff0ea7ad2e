package flow

import (
	"testing"
	"time"
)

// Two of the first four batches are lost now and then where one in twenty is.
func TestLAN_ABurstDoesNotEndTheStart(t *testing.T) {
	const starts = 400
	held := 0
	rateSeeds(t, starts, func(t *testing.T, seed uint64) {
		s := newRateSim(t, seed)
		ms := lanMembers(2)
		ms[0].batch, ms[1].batch = 0.05, 0.05
		a := s.sender(LAN, 0, nil, ms...)
		s.run(200 * time.Millisecond)
		if a.law.lan.mode != lanFree {
			held++
		}
	})
	if t.Logf("%d of %d starts were held up", held, starts); held > 1 {
		t.Error("want one at most")
	}
}
