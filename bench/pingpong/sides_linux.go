package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// The roles.
const (
	pings   = "pings"
	answers = "answers"
)

// way is how the messages go.
type way struct {
	Name   string
	Class  flow.Class
	Source rooted.SourceLevel
	Poll   bool `json:",omitempty"` // Recv does not sleep: BusyPoll
	Judged bool // by -check; of the others the state is shown
	Peer   bool `json:",omitempty"` // somebody else's; Name says whose
}

// plain is package net's sockets.
const plain = "plain"

// ours is plain, which all others are compared with, and joinleaf's.
var ours = []way{
	{Name: plain},
	{Name: "best effort, polling", Class: flow.BestEffort, Source: rooted.Group, Poll: true, Judged: true},
	{Name: "reliable, polling", Class: flow.Reliable, Source: rooted.Group, Poll: true, Judged: true},
	{Name: "best effort, group", Class: flow.BestEffort, Source: rooted.Group},
	{Name: "reliable, group", Class: flow.Reliable, Source: rooted.Group},
	{Name: "reliable, eager", Class: flow.Reliable, Source: rooted.SignedEager},
	{Name: waits, Class: flow.Reliable, Source: rooted.Signed},
}

// number is what a message begins with: its number.
const number = 8

const (
	patience = 200 * time.Millisecond // for an answer; then it is lost
	warm     = 100 * time.Millisecond // of a run, that is not measured
)

// work is what one process of a run does.
type work struct {
	Role string
	Way  way
	Size int
	Rate float64
	For  time.Duration
	Peer string // the root's address, for a leaf that joins
	Code string // join code
}

func (w work) limit() time.Duration { return w.For + 30*time.Second }

// times is what the root saw, in microseconds.
type times struct {
	Failed               string `json:",omitempty"` // then there is nothing else
	P50, P99, P999, Most float64
	Samples, Late, Lost  int
	Rate                 float64 // that was reached
	CPU                  float64 // seconds of processor a second, of the root
}

// end is one side's way to the other. receive fills p, waits until patience is over
// at the latest, and then fails with os.ErrDeadlineExceeded.
type end interface {
	send(p []byte) error
	receive(p []byte) (int, error)
	io.Closer
}

func (w work) do() error {
	ctx, cancel := context.WithTimeout(context.Background(), w.limit())
	defer cancel()
	stop, err := stage.Profile(fmt.Sprintf("pingpong-%s-%.0f-%s", w.Way.Name, w.Rate, w.Role))
	if err != nil {
		return err
	}
	defer stop()
	e, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	if w.Role == answers {
		return w.answer(e)
	}
	x, err := w.ping(e)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(x)
}

func (w work) open(ctx context.Context) (end, error) {
	switch {
	case w.Way.Name == plain:
		return w.plainEnd()
	case w.Role == pings:
		return w.rootEnd(ctx)
	}
	return w.leafEnd(ctx)
}

// answer sends back what comes, until nothing does for a while.
func (w work) answer(e end) error {
	p := make([]byte, 2048)
	for began, idle := false, 0; ; {
		n, err := e.receive(p)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if idle++; began && idle > 5 || idle > int(w.limit()/patience) {
				return nil
			}
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		began, idle = true, 0
		if err := e.send(p[:n]); err != nil {
			return err
		}
	}
}

// ping sends and waits, one at a time.
func (w work) ping(e end) (x times, err error) {
	p, back := make([]byte, w.Size), make([]byte, 2048)
	interval := time.Duration(float64(time.Second) / w.Rate)
	trips := make([]time.Duration, 0, int(w.For/interval)+1)
	began := time.Now()
	from := began.Add(warm)
	var m stage.Meter
	next := began
	for i := uint64(0); ; i++ {
		now := sleepUntil(next)
		if now.Sub(from) >= w.For {
			break
		}
		measured := !now.Before(from)
		if measured && len(trips)+x.Lost == 0 {
			m = stage.NewMeter()
			now = time.Now()
		}
		binary.BigEndian.PutUint64(p, i)
		if err := e.send(p); err != nil {
			return x, err
		}
		came, err := w.await(e, i, back)
		if err != nil {
			return x, err
		}
		got := time.Now()
		switch {
		case !measured:
		case came:
			trips = append(trips, got.Sub(now))
		default:
			x.Lost++
		}
		for next = next.Add(interval); next.Before(got); next = next.Add(interval) {
			if measured {
				x.Late++
			}
		}
	}
	if len(trips) == 0 {
		return x, fmt.Errorf("no answer to %d", x.Lost)
	}
	s := m.Spent()
	x.Rate, x.CPU = float64(len(trips))/s.Seconds, s.CPU/s.Seconds
	x.of(trips)
	return x, nil
}

// await reads until the answer to ping i, which is lost when it takes too long.
func (w work) await(e end, i uint64, p []byte) (came bool, err error) {
	for {
		n, err := e.receive(p)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if n != w.Size {
			return false, fmt.Errorf("an answer of %d bytes to %d", n, w.Size)
		}
		if binary.BigEndian.Uint64(p) == i {
			return true, nil
		}
	}
}

// of fills in the percentiles: the least time that so many are not above.
func (x *times) of(trips []time.Duration) {
	slices.Sort(trips)
	at := func(permille int) float64 {
		i := (len(trips)*permille + 999) / 1000
		return float64(trips[max(i, 1)-1]) / 1e3
	}
	x.Samples, x.P50, x.P99, x.P999, x.Most = len(trips), at(500), at(990), at(999), at(1000)
}

// sleepUntil returns the time when it is over. The timer's slack is a thread's, and the
// goroutine may be on any.
func sleepUntil(t time.Time) time.Time {
	for {
		now := time.Now()
		d := t.Sub(now)
		if d <= 0 {
			return now
		}
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it the sleep is longer
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil) // whatever ended it, the clock decides
	}
}

func address(s string) (netip.AddrPort, error) { return netip.ParseAddrPort(s) }
