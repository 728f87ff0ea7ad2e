package stream

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(Side.Do)
	os.Exit(m.Run())
}

func start(h *netlab.Host, limit time.Duration, s Side) (*stage.Side, error) {
	return stage.Start(h, limit, s)
}

// So short says nothing of speed: all must come, and the accounts must agree.
func TestRun_ReliableLosesNothingAndTheAccountsAgree(t *testing.T) {
	netlab.Require(t)
	lab := netlab.New(t, netlab.Options{Hosts: []string{"a", "b", "c"}})
	leaves := []*netlab.Host{lab.Host("b"), lab.Host("c")}
	for _, s := range []Spec{
		{Level: Clear, Class: flow.Reliable, Offload: true},
		{Level: Clear, Class: flow.BestEffort, Offload: true},
		{Level: Group, Class: flow.Reliable, Message: 64},
		{Level: Group, Class: flow.BestEffort},
		{Level: Signed, Class: flow.Reliable},
	} {
		t.Run(fmt.Sprint(s.Level, s.Class, s.Message), func(t *testing.T) {
			s.For, s.Leaves = 100*time.Millisecond, 2
			r, err := Run(lab.Host("a"), leaves, s, "", start)
			if err != nil {
				t.Fatal(err)
			}
			if r.Rate <= 0 || len(r.Got) != 2 || !r.Sent.Offload || r.RootUsage.CPU() <= 0 || len(r.LeafUsage) != 2 {
				t.Fatalf("%+v", r)
			}
			for _, g := range r.Got {
				// The stretch begins after the first 64 and may end up to 63 short.
				short := r.Sent.Messages - 64 - g.Messages
				if s.Class == flow.Reliable && (g.Missed > 0 || short >= 64) || g.Messages+g.Missed > r.Sent.Messages {
					t.Errorf("%d were sent; %+v", r.Sent.Messages, g)
				}
				if least := r.Sent.Messages * uint64(s.message()) / uint64(s.packet()); g.Missed == 0 && g.Heard < least {
					t.Errorf("%d packets were heard, %d are the least", g.Heard, least)
				}
			}
		})
	}
}

// What the figures rest on: a message a packet, and packets of the size that is
// claimed.
func TestSpec_AFullMessageIsAPacket(t *testing.T) {
	netlab.Require(t)
	lab := netlab.New(t, netlab.Options{Hosts: []string{"a", "b"}})
	for _, level := range []Level{Clear, Group, Signed} {
		s := Spec{Level: level, Class: flow.BestEffort, For: 50 * time.Millisecond, Leaves: 1, Offload: true}
		if size := flow.SymbolSize(s.packet()+spared, s.overhead(), false) + flow.HeadSize + s.overhead(); size != 1400 {
			t.Errorf("%s: packets of %d bytes", level, size)
		}
		r, err := Run(lab.Host("a"), []*netlab.Host{lab.Host("b")}, s, "", start)
		if err != nil {
			t.Fatal(err)
		}
		if n := r.Sent.Packets; n < r.Sent.Messages || n > r.Sent.Messages+r.Sent.Messages/20+50 { // beats, and the end's
			t.Errorf("%s: %d messages in %d packets", level, r.Sent.Messages, n)
		}
	}
}

func TestResult_IsTheSlowestLeafs(t *testing.T) {
	of := func(n, missed uint64, seconds, cpu float64, objects uint64) Got {
		return Got{Spent: stage.Spent{Seconds: seconds, CPU: cpu, Objects: objects}, Messages: n, Missed: missed}
	}
	r := Result{Sent: Sent{Spent: stage.Spent{CPU: 2, Objects: 30}, Messages: 100}, Got: []Got{of(90, 10, 1, 1, 9), of(100, 0, 4, 3, 50)}}
	r.judge()
	if r.Rate != 25 || r.MissShare != 0.1 || r.RootCPU() != 0.02 || r.LeafCPU() != 0.03 || r.RootObjects() != 0.3 || r.LeafObjects() != 0.5 {
		t.Errorf("%+v; %v %v %v %v", r, r.RootCPU(), r.LeafCPU(), r.RootObjects(), r.LeafObjects())
	}
}
