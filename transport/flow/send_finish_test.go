package flow

import (
	"testing"
	"time"
)

// TestFinish_TellsWhatWasWrittenAndDoesNotLeave lets the session end while the rate
// holds most of what was written back.
func TestFinish_TellsWhatWasWrittenAndDoesNotLeave(t *testing.T) {
	p := newPair(t, Reliable, BestEffort)
	p.s.Limit(p.now, 100_000, 0)
	const n = 40
	for i := range n {
		for _, st := range []Stream{0, 1} {
			if err := p.s.Write(p.now, st, message(i, 1000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.s.Finish(p.now)
	for till := p.now.Add(50 * time.Millisecond); p.now.Before(till); {
		p.step()
	}
	p.r.GiveUp(p.now)
	var buf [testSymbol]byte
	given, missed := 0, uint64(0)
	for {
		_, i, err := p.r.Read(p.now, 0, buf[:])
		if err == ErrEmpty {
			break
		}
		if missed += i.Missed; err == nil {
			given++
		}
	}
	if given == 0 || missed == 0 || given+int(missed) != n {
		t.Errorf("%d messages were given and %d told as missed; %d were written", given, missed, n)
	}
	for _, i, err := p.r.Read(p.now, 1, buf[:]); err != ErrEmpty; _, i, err = p.r.Read(p.now, 1, buf[:]) {
		if i.Missed > 0 { // there nobody would wait for what is told too early
			t.Errorf("%d messages of the best effort stream were told as missed", i.Missed)
		}
	}
}
