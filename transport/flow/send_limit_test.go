package flow

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestLimit_HoldsDataAndRepairsToBurstAndRate asks a limited sender in random steps,
// with feedback that makes it repair, and adds up what it hands out but for BEATs.
func TestLimit_HoldsDataAndRepairsToBurstAndRate(t *testing.T) {
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 5))
		p := newPair(t, Reliable)
		p.lose = func([]byte) bool { return dice.IntN(3) == 0 }
		rate, burst := int64(20_000+dice.IntN(2_000_000)), 3000+dice.IntN(40_000)
		p.s.Limit(p.now, rate, burst)
		type sent struct {
			at    time.Time
			bytes float64
		}
		var all []sent
		for range 3000 {
			for p.s.Write(p.now, 0, make([]byte, 1000)) == nil {
				p.s.Flush(p.now)
				if p.s.Due(p.now) > MaxSegments {
					break
				}
			}
			for p.s.Poll(p.now, &p.b) {
				if p.b.kind != batchBeat && p.b.kind != batchNote {
					all = append(all, sent{p.now, float64(p.b.wire)})
				}
				p.deliver(p.b.Frames)
			}
			for {
				f, ok := p.r.Poll(p.now, p.buf[:0])
				if !ok {
					break
				}
				p.s.Handle(p.now, 2, f)
			}
			p.now = p.now.Add(time.Duration(dice.IntN(int(5 * time.Millisecond))))
			p.s.Advance(p.now)
		}
		total := 0.0
		for _, x := range all {
			total += x.bytes
		}
		if st := p.s.Stats(); st.RepairBytes == 0 || total < 0.5*float64(rate)*p.now.Sub(epoch0).Seconds() {
			t.Fatalf("seed %d: %.0f bytes in %v at %d a second, %d of them repairs", seed, total, p.now.Sub(epoch0), rate, st.RepairBytes)
		}
		for i := range all {
			sum := 0.0
			for _, x := range all[i:min(len(all), i+400)] {
				sum += x.bytes
				if most := float64(burst) + float64(rate)*x.at.Sub(all[i].at).Seconds(); sum > most+2 {
					t.Fatalf("seed %d: %.0f bytes in %v, %.0f are allowed", seed, sum, x.at.Sub(all[i].at), most)
				}
			}
		}
		p.s.Limit(p.now, 0, 0)
		if n := p.s.Due(p.now); n > 0 && !p.s.Poll(p.now, &p.b) {
			t.Errorf("seed %d: without the limit %d packets are due and none goes", seed, n)
		}
	}
}
