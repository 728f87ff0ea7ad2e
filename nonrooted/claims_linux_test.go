package nonrooted

import (
	"context"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

const messageSize = 8 << 10

func TestClaim_EightMembersExchangeEverythingAtOnePercentLoss(t *testing.T) {
	count := *labMiB << 20 / messageSize
	c := newCrowd(t, 8, 1, messageSize, count)
	for _, p := range c.procs {
		c.hear(p, "begun", 30*time.Second)
	}
	began := time.Now()
	var dones []word
	for _, p := range c.procs {
		dones = append(dones, c.hear(p, "done", 4*time.Minute))
	}
	t.Logf("8 members, %d MiB each, 1 %% loss: %v", *labMiB, time.Since(began).Round(time.Millisecond))
	for _, from := range c.procs {
		want, who := from.task.sum(count), strconv.Itoa(from.task.Who)
		for i, w := range dones {
			if i != from.task.Who && (w.Counts[who] != count || w.Sums[who] != want) {
				t.Errorf("member %d has %d of %d messages of %s, or others", i, w.Counts[who], count, who)
			}
		}
	}
	for _, p := range c.procs {
		c.hear(p, "sent", time.Minute)
	}
	for _, p := range c.procs {
		p.stdin.Close()
	}
}

const (
	// wedged is no pause that load explains.
	wedged = 15 * time.Second
	// starved is who waits so long for a processor that a claimant may leave it
	// behind, which waits for 0.7 s.
	starved = 300 * time.Millisecond
)

func TestClaim_TheCoordinatorIsKilledMidStream(t *testing.T) {
	count := 3 * *labMiB << 20 / messageSize // enough for the blow to fall into it
	c := newCrowd(t, 8, 1, messageSize, count)
	lead := 0
	for _, p := range c.procs {
		if w := c.hear(p, "joined", 30*time.Second); w.ID == 1 {
			lead = p.task.Who
		}
	}
	for _, p := range c.procs {
		c.hear(p, "begun", 30*time.Second)
	}
	time.Sleep(100 * time.Millisecond)
	if err := c.procs[lead].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dones := map[int]word{}
	var stalls []int64
	lag := int64(0)
	for _, p := range c.procs {
		if p.task.Who == lead {
			continue
		}
		w := c.hear(p, "done", 4*time.Minute)
		dones[p.task.Who], stalls, lag = w, append(stalls, w.Stall), max(lag, w.Lag)
	}
	t.Logf("longest pauses, ms: %v; waited for a processor for %d ms at most", stalls, lag)
	for heard, w := range dones {
		if w.Stall > wedged.Milliseconds() { // 3 s are claimed where there are processors for all: see the log
			t.Errorf("member %d heard nothing for %d ms", heard, w.Stall)
		}
		if w.View>>32 < 2 {
			t.Errorf("member %d ends in view %x: nobody took over while it received", heard, w.View)
		}
		if w.Apart && lag > starved.Milliseconds() {
			t.Logf("member %d was apart or saw who was: what it lacks is not judged", heard)
			continue
		}
		for _, from := range c.procs {
			who := strconv.Itoa(from.task.Who)
			if from.task.Who == lead || from.task.Who == heard {
				continue // what the first did not live to repair is told as missed
			}
			if w.Apart || w.Counts[who] != count || w.Missed[who] != 0 || w.Sums[who] != from.task.sum(count) {
				t.Errorf("member %d has %d of %d messages of %s, or others (apart: %v)", heard, w.Counts[who], count, who, w.Apart)
			}
		}
	}
	for _, p := range c.procs {
		p.stdin.Close()
	}
}

func TestClaim_ACoordinatorThatWasStoppedComesBackAsAMember(t *testing.T) {
	t.Parallel() // it sleeps for most of its time
	c := newCrowdOf(t, 4, 0, task{Size: 100, Count: 1, Linger: true})
	var lead *proc
	for _, p := range c.procs {
		if w := c.hear(p, "joined", 30*time.Second); w.ID == 1 {
			lead = p
		}
	}
	for _, p := range c.procs {
		c.hear(p, "sent", 30*time.Second)
	}
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := lead.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second) // Silence, a claim and a merger, each with room
	}
	for _, p := range c.procs {
		p.stdin.Close()
	}
	for _, p := range c.procs {
		w := c.hear(p, "ended", 30*time.Second)
		if w.Counts["members"] != 4 || w.View>>32 < 2 || p == lead && w.ID == 1 {
			t.Errorf("member %d ends as number %d of %d in view %x", p.task.Who, w.ID, w.Counts["members"], w.View)
		}
	}
}

func TestClaim_SixteenProcessesJoinWithinASecond(t *testing.T) {
	c := newCrowd(t, 16, 0, 100, 1)
	var took []int64
	for _, p := range c.procs {
		took = append(took, c.hear(p, "joined", 30*time.Second).Millis)
	}
	slices.Sort(took)
	t.Logf("16 that begin at once have joined after, ms: %v", took)
	for _, p := range c.procs {
		c.hear(p, "done", time.Minute)
	}
	// One more, on a LAN that is idle otherwise.
	h, err := c.lab.AddHost("late", 0)
	if err != nil {
		t.Fatal(err)
	}
	last := c.procs[15].task
	last.Who, last.Of, last.Count = 16, 17, 0
	c.start(h, last)
	if w := c.hear(c.procs[16], "joined", 30*time.Second); w.Millis > wedged.Milliseconds() {
		t.Errorf("a late member took %d ms", w.Millis)
	} else {
		t.Logf("a late member took %d ms", w.Millis)
	}
	for _, p := range c.procs {
		p.stdin.Close()
	}
}

func TestClaim_PartitionOfThreeAndFiveMergesWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	netlab.Require(t)
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var names []string
	for i := range 8 {
		names = append(names, name(i))
	}
	lab := netlab.New(t, netlab.Options{Hosts: names})
	r := &room{T: t, ctx: ctx}
	for _, host := range names {
		p, err := Join(ctx, testGroup, Config{Network: lab.Host(host).Network(), Interface: netlab.Device, Identity: crypto.Identity{Code: code}, Data: []byte(host)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		r.in = append(r.in, p)
	}
	ps := r.in
	r.settle(2*time.Second, ps...)
	if err := lab.Partition(lab.Host("p0"), lab.Host("p1"), lab.Host("p2")); err != nil {
		t.Fatal(err)
	}
	r.settle(8*time.Second, ps[:3]...)
	r.settle(8*time.Second, ps[3:]...)
	exchange2(r, ps[:3], ps[3:])
	if err := lab.Heal(); err != nil {
		t.Fatal(err)
	}
	t.Logf("merged %v after healing", r.settle(5*time.Second, ps...).Round(time.Millisecond))
	for _, p := range ps {
		if !told(r, p, Merged) {
			t.Errorf("member %s was told of no merger", p.c.Data)
		}
	}
	exchangeNew(r, ps)
}

func TestClaim_IPv6GroupsCarryASessionToo(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, group := range []string{"[ff15::7:1]:7000", "[ff02::7:1]:7100"} {
		g, err := transport.ParseGroup(group)
		if err != nil {
			t.Fatal(err)
		}
		code, err := crypto.NewCode()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		lab := netlab.New(t, netlab.Options{Hosts: []string{"p0", "p1", "p2"}})
		r := &room{T: t, ctx: ctx}
		for i := range 3 {
			p, err := Join(ctx, g, Config{Network: lab.Host(name(i)).Network(), Interface: netlab.Device, Identity: crypto.Identity{Code: code}, Data: []byte(name(i))})
			if err != nil {
				t.Fatal(group, err)
			}
			t.Cleanup(func() { p.Close() })
			r.in = append(r.in, p)
		}
		r.settle(5*time.Second, r.in...)
		exchangeNew(r, r.in)
		r.in[0].Close()
		r.settle(5*time.Second, r.in[1:]...)
		exchangeNew(r, r.in[1:])
	}
}
