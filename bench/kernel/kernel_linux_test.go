package kernel

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(Side.Do)
	os.Exit(m.Run())
}

func start(h *netlab.Host, limit time.Duration, s Side) (*stage.Side, error) {
	return stage.Start(h, limit, s)
}

func TestRun_EverythingThatIsSentSlowlyComes(t *testing.T) {
	netlab.Require(t)
	lab := netlab.New(t, netlab.Options{Hosts: []string{"a", "b", "c"}})
	leaves := []*netlab.Host{lab.Host("b"), lab.Host("c")}
	for _, s := range []Spec{{Packets: 640, Rate: 10e3}, {Packets: 46 * 40, Segments: 46, Rate: 20e3}, {For: 50 * time.Millisecond, Size: 64, Segments: 100, Rate: 50e3}} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			r, err := Run(lab.Host("a"), leaves, s, start)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Got) != 2 || r.Sent.Packets == 0 || s.Packets > 0 && r.Sent.Packets != s.Packets || r.Lost > 0 || r.Rate <= 0 {
				t.Fatalf("%+v", r)
			}
			// The rate bounds it; what is slower is the machine.
			if rate := float64(r.Sent.Packets) / r.Sent.Seconds; rate > 1.01*s.Rate {
				t.Errorf("sent at %.0f a second, not at most %.0f", rate, s.Rate)
			}
		})
	}
}

func TestRun_ASideThatFailsEndsIt(t *testing.T) {
	netlab.Require(t)
	lab := netlab.New(t, netlab.Options{Hosts: []string{"a", "b"}})
	// A message of 66,000 bytes is longer than UDP carries.
	if r, err := Run(lab.Host("a"), []*netlab.Host{lab.Host("b")}, Spec{Packets: 66, Segments: 66, Size: 1000}, start); err == nil {
		t.Fatalf("%+v", r)
	}
}

func TestResult_IsThatOfTheSlowestAndOfTheOneThatLacksMost(t *testing.T) {
	r := Result{Sent: Sent{Packets: 100}, Got: []Got{{Packets: 100, Later: 90, Seconds: 2}, {Packets: 80, Later: 79, Seconds: 1}}}
	if r.judge(); r.Rate != 45 || r.Lost < 0.199 || r.Lost > 0.201 {
		t.Errorf("%+v", r)
	}
	if (Got{Packets: 1}).Rate() != 0 {
		t.Error("one batch has no rate")
	}
}

func TestLossFree_FindsTheHighestStep(t *testing.T) {
	// A receiver that takes so many a second, loses what is more, and takes fewer
	// the more it loses.
	for name, c := range map[string]struct {
		takes, sends, drag float64
		runs               int
		low, high          float64
	}{
		"the sender is slower":         {1000, 900, 0, 1, 900, 900},
		"what came is what it takes":   {1000, 9000, 0, 4, 999, 1001},
		"losing makes it slower":       {1000, 9000, 0.3, 2, 860, 870},
		"nothing comes without a loss": {0, 9000, 0, steps, 0, 0},
	} {
		r, runs, err := LossFree(func(rate float64) (Result, error) {
			if rate == 0 || rate > c.sends {
				rate = c.sends
			}
			if rate <= c.takes*1.0001 {
				return Result{Rate: rate}, nil
			}
			return Result{Rate: c.takes * (1 - c.drag), Lost: 1 - c.takes/rate}, nil
		})
		if err != nil || len(runs) != c.runs || r.Rate < c.low || r.Rate > c.high {
			t.Errorf("%s: %+v after %d runs, %v", name, r, len(runs), err)
		}
	}
	if _, _, err := LossFree(func(float64) (Result, error) { return Result{}, os.ErrInvalid }); err == nil {
		t.Error("a run that failed was taken")
	}
}
