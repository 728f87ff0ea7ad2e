// Soak keeps one session alive under everything that happens to sessions in
// months, all in minutes, on the kernel's own network: a root and several
// leaves, each a host of its own on one switch, all in this process, so that
// its memory and goroutines can be watched.
//
//	go run ./bench/soak -for 30m          # as root, Linux
//	go run ./bench/soak -for 2m -rate 10MB/s -seed 7 -v -out soak.json
//
// The root sends numbered messages of 1 B to 256 KiB on a reliable stream and
// small ones on a best-effort one; every leaf answers with a few of its own.
// Meanwhile leaves join, by themselves and by invitation, are refused and give
// up in mid-join; they leave in good order, at once, by eviction, in a crash and
// in silence; lose up to 20 % of what they hear and say; stop reading for up to
// 3 s; are cut off; their links go down, lose the cable and are made anew; the
// root's link cuts batches itself or leaves it to the card. What happens when is
// drawn from one seed.
//
// # What must hold
//
//   - Every message comes exactly once, in order, with the right bytes, or is
//     told in Missed, exactly. What a leaf is owed begins between its Join and
//     the root's Accept (R58, R244) and ends where an eviction says.
//   - On the reliable stream nothing is missed before the end of a membership,
//     but by a leaf that was quarantined (U24).
//   - The reliable stream never stands still for 5 s, but while a leaf that
//     counts is stopped or cut off (U12).
//   - Who was cut off hears again. Nobody's membership ends but in the way that
//     was played, with the code for it, on both sides.
//   - Between rounds, once losses have ended, all that is owed arrives without
//     more being sent (I4, U26), and no buffer is held after Close.
//   - Memory, goroutines and descriptors stay flat (I5) and go back to where they
//     began.
//
// A record is taken every 10 s, one when a round has settled and one when all
// leaves are gone. Exit code 1 tells of a failure; it names the seed and the
// time, and the last events are printed. The same seed draws the same events,
// but a real kernel and real clocks do not repeat themselves: a failure may take
// several runs to come back.
//
// # Goroutines
//
//   - sender.run, one per stream: started by soak.start; ends with the run.
//   - soak.accept, two: started by soak.start; end with the root.
//   - soak.hear and soak.follow: started by soak.start; end with the root.
//   - soak.watch and soak.record: started by soak.start; end with the run.
//   - slot.run, one per leaf host: started by soak.start; ends with the run.
//   - life.read and life.speak: started by slot.begin; end with the membership.
//   - the one that waits for all others: started by soak.over; ends with them.
//   - the alarm of slot.obey, which finds nothing to do where an event ends.
//   - the one that invites: started by slot.invited; ends with the invitation.
//
// # Limitations
//
// Losses are even and independent: bursts, delay and reordering are the
// simulator's. The root's own link is never taken away, because a root does not
// survive that. All of a lab shares two or more processors with whatever else
// runs: pauses are this machine's.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// options are a run's. All are needed; defaults are the flags'.
type options struct {
	For     time.Duration // of churn, rests between rounds not counted
	Round   time.Duration // of churn between two calms
	Rest    time.Duration // with no leaf and no data, before that is recorded
	Every   time.Duration // between two records
	Pace    time.Duration // between two events, in the mean
	Silence time.Duration // after which the session takes a member for dead
	Leaves  int
	Seed    uint64
	Rate    int  // bytes of messages that the root offers a second
	Thin    bool // one event of each kind a deck, for short runs
	Verbose bool
}

func main() {
	o := options{Every: 10 * time.Second, Pace: 400 * time.Millisecond, Silence: 5 * time.Second, Rest: 7 * time.Second}
	rate := flag.String("rate", "50MB/s", "what the root offers, at most")
	out := flag.String("out", "", "a file for records and result, JSON")
	flag.DurationVar(&o.For, "for", 30*time.Minute, "how long there is churn")
	flag.IntVar(&o.Leaves, "leaves", 6, "leaf hosts, 1 to 32")
	flag.Uint64Var(&o.Seed, "seed", 0, "draws all events; 0: a new one")
	flag.BoolVar(&o.Verbose, "v", false, "tell every event")
	flag.Parse()
	var err error
	if o.Rate, err = parseRate(*rate); err != nil {
		die(err)
	}
	if o.Leaves < 1 || o.Leaves > 32 || o.For <= 0 {
		die(fmt.Errorf("want 1 to 32 leaves and some time"))
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	o.Round = min(max(o.For/10, 20*time.Second), 45*time.Second) // who is in quarantine for a minute is evicted
	if err := netlab.Missing(); err != nil {
		die(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("soak: seed %d, %v, %d leaves, %s\n", o.Seed, o.For, o.Leaves, *rate)
	r, err := run(ctx, o, os.Stdout)
	if err != nil {
		die(err)
	}
	r.show(os.Stdout)
	if *out != "" {
		text, err := json.MarshalIndent(r, "", "\t")
		if err == nil {
			err = os.WriteFile(*out, append(text, '\n'), 0o666)
		}
		if err != nil {
			die(err)
		}
	}
	if len(r.Failures) > 0 {
		os.Exit(1)
	}
}

func die(err error) {
	fmt.Fprintln(os.Stderr, "soak:", err)
	os.Exit(1)
}

// parseRate reads bytes a second: "50MB/s", "800kB/s", "2000000".
func parseRate(s string) (int, error) {
	n := strings.TrimSuffix(strings.TrimSuffix(s, "/s"), "B")
	unit := 1
	for suffix, u := range map[string]int{"k": 1e3, "M": 1e6, "G": 1e9} {
		if strings.HasSuffix(n, suffix) {
			n, unit = strings.TrimSuffix(n, suffix), u
		}
	}
	v, err := strconv.ParseFloat(n, 64)
	if err != nil || !(v*float64(unit) >= 1e4) || v*float64(unit) > 1e10 {
		return 0, fmt.Errorf("rate %q: want 10kB/s to 10GB/s", s)
	}
	return int(v * float64(unit)), nil
}
