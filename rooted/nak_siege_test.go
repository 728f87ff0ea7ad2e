package rooted

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// nakOf is a NAK for n symbols from base on, as docs/wire.md has it.
func nakOf(base, n uint64) []byte {
	b := append(make([]byte, 0, 32), 5, 0, 0, 0) // type, no echo, stream 0
	b = append(b, make([]byte, 8)...)            // echo and held
	b = append(b, byte(base>>40), byte(base>>32), byte(base>>24), byte(base>>16), byte(base>>8), byte(base))
	return binary.AppendUvarint(binary.AppendUvarint(b, 0), n)
}

// A leaf that floods the root with NAKs for everything, sealed as they must be,
// gets 200 of them a second looked at and a quarter of the bytes; who asks for
// what was never sent gets nothing. The other leaves are served as if it were
// not there.
func TestM3_ALeafThatAsksForEverythingHoldsUpNobody(t *testing.T) {
	inRoom(t, 87, quick, func(r *room) {
		const rate, messages = 2 << 20, 3000
		root := r.listen(func(c *Config) { c.Rate, c.RateLaw = rate, flow.Fixed })
		eve, _ := r.join("eve", nil, nil)
		others := r.leaves(19) // with 20 counted each may ask 200 times a second
		time.Sleep(time.Second)

		begun, done := time.Now(), make(chan time.Duration, len(others))
		go func() {
			for i := range messages {
				if err := root.Send(r.ctx, numbered(i)); err != nil {
					r.Error(err)
					return
				}
			}
			if err := root.Drain(r.ctx); err != nil {
				r.Error(err)
			}
		}()
		for _, l := range append(others, eve) { // she reads as well, or she would be the one who is waited for
			go func() {
				r.hear(l, 0, messages)
				if l != eve {
					done <- time.Since(begun)
				}
			}()
		}
		asked := 0
		share, taken := 0.0, uint64(0)
		for at := begun; len(done) < len(others); asked++ {
			sent := root.s.Edges()[0].Seq
			n := min(sent, 400)
			nak := nakOf(sent-n, max(n, 1))
			if asked%10 == 9 {
				nak = nakOf(sent+1<<20, 100) // what does not exist
			}
			p, err := eve.ring.Seal(nil, control.RootID, crypto.KindData, 0, nak)
			if err != nil {
				r.Fatal(err)
			}
			r.net.Inject(eve.s.LocalAddr(), root.data.LocalAddr(), p)
			time.Sleep(100 * time.Microsecond)
			if st := root.Stats().Data.Sender; asked%100 == 99 && time.Since(at) > 200*time.Millisecond && len(done) == 0 {
				share, taken = max(share, float64(st.RepairBytes)/float64(st.WireBytes)), st.Naks
			}
		}
		took := <-done
		for range len(others) - 1 {
			took = max(took, <-done)
		}
		st := root.Stats().Data
		t.Logf("%d NAKs in %v, %d taken, drops %v; repairs took %.1f %%", asked, took, st.Sender.Naks, st.Sender.Drops, 100*share)
		bytes := 0
		for i := range messages {
			bytes += len(numbered(i))
		}
		if alone := time.Duration(float64(bytes) / rate * float64(time.Second)); took > alone*3/2 {
			r.Errorf("the others had all after %v; %v without her", took, alone)
		}
		if most := 200*took.Seconds() + 40; float64(taken) > most || taken == 0 {
			r.Errorf("%d NAKs taken in %v", taken, took)
		}
		if share > 0.26 || st.Sender.RepairBytes == 0 {
			r.Errorf("repairs took %.1f %% of the bytes", 100*share)
		}
		if d := st.Sender.Drops; d[flow.DropRate] < uint64(asked)*7/10 || d[flow.DropBeyond] != uint64(asked/10) ||
			st.Drops[session.FlowDrop(flow.DropRate)] != d[flow.DropRate] {
			r.Errorf("of %d NAKs %d were beyond all that was sent and %d too many; the session counts %d", asked,
				d[flow.DropBeyond], d[flow.DropRate], st.Drops[session.FlowDrop(flow.DropRate)])
		}
	})
}
