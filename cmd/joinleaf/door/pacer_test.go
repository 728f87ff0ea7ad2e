package door

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// play lets datagrams made every step at the sender arrive at the given times
// and returns when they leave.
func play(p *Pacer, start time.Time, step time.Duration, arrivals ...time.Duration) []time.Duration {
	var out []time.Duration
	for i, a := range arrivals {
		now := start.Add(a)
		if i > 0 && out[i-1] > a { // the writer was still waiting
			now = start.Add(out[i-1])
		}
		out = append(out, p.Due(now, uint64(i)*uint64(step/time.Microsecond)).Sub(start))
	}
	return out
}

func TestPacer_BurstBehindARepairLeavesSpacedOut(t *testing.T) {
	// Four in time, then the fifth is repaired 60 ms late with three behind it.
	got := play(new(Pacer), time.Unix(100, 0), 20*ms, 0, 20*ms, 40*ms, 60*ms, 140*ms, 140*ms, 140*ms, 140*ms)
	for i := 5; i < len(got); i++ {
		if gap := got[i] - got[i-1]; gap < 19*ms || gap > 20*ms {
			t.Fatalf("gap before %d is %v, want 20 ms less a thousandth: %v", i, gap, got)
		}
	}
	if got[4] != 140*ms {
		t.Fatalf("the late one left at %v", got[4])
	}
}

func TestPacer_NeverBeforeNowNorLongAfter(t *testing.T) {
	var p Pacer
	start := time.Unix(100, 0)
	p.Due(start, 0)
	for i, c := range []struct {
		now    time.Duration
		micros uint64
	}{{0, 900_000}, {0, 5_000_000}, {time.Second, 1 << 60}, {2 * time.Second, 0}, {3 * time.Second, 1 << 62}} {
		now := start.Add(c.now)
		if due := p.Due(now, c.micros); due.Before(now) || due.Sub(now) > maxDelay {
			t.Fatalf("%d: due %v after now", i, due.Sub(now))
		}
	}
}

func TestPacer_FastSenderIsCaughtUpWith(t *testing.T) {
	// The sender's clock runs 200 parts in a million fast for ten minutes; the
	// delay must not pile up.
	var p Pacer
	start := time.Unix(100, 0)
	for i := range 30_000 {
		sender := time.Duration(i) * 20 * ms
		now := start.Add(sender - sender*200/1_000_000)
		if held := p.Due(now, uint64(sender/time.Microsecond)).Sub(now); held > 10*ms {
			t.Fatalf("after %v a datagram is held for %v", sender, held)
		}
	}
}
