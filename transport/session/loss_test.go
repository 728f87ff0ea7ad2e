package session

import (
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/simnet"
)

// TestLoss_FeedbackForOthersIsNone has equals send a message a millisecond each, over
// a network that loses nothing. Feedback for one member is sealed with the group's
// key like what goes to all: its packet numbers must not look lost to the others, or
// a rate law finds a bottleneck where there is none.
func TestLoss_FeedbackForOthersIsNone(t *testing.T) {
	for name, sequencer := range map[string]uint32{"each sender's order": 0, "one order": 1} {
		t.Run(name, func(t *testing.T) {
			inRing(t, 7, simnet.Link{Delay: 300 * time.Microsecond}, func(c *Config) { c.Sequencer = sequencer }, func(r *ring) {
				const n, each = 6, 1000
				members := r.full(n)
				var wg sync.WaitGroup
				for _, m := range members {
					wg.Go(func() {
						for i := range each {
							if err := m.say(r.ctx, i, 0); err != nil {
								r.Error(err)
								return
							}
							time.Sleep(time.Millisecond)
						}
					})
					wg.Go(func() {
						wanted := (n - 1) * each
						if sequencer != 0 {
							wanted = n * each
						}
						buf := make([]byte, 100)
						for range wanted {
							if got, err := m.Recv(r.ctx, buf); err != nil || got.Missed > 0 {
								r.Errorf("member %d missed %d messages of %d: %v", m.id, got.Missed, got.From, err)
								return
							}
						}
					})
				}
				wg.Wait()
				for _, m := range members {
					s := m.Stats()
					if s.Receivers.Expected != s.Receivers.Heard || s.Receivers.Heard < each {
						r.Errorf("member %d counts %d packets and heard %d", m.id, s.Receivers.Expected, s.Receivers.Heard)
					}
					if s.Sender.Rate > 0 && s.Sender.Rate < 12_500_000 {
						r.Errorf("member %d sends at %d bytes a second", m.id, s.Sender.Rate)
					}
				}
			})
		})
	}
}
