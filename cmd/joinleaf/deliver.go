package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/door"
	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
)

// counter is what the progress line shows, written by the one who streams.
type counter struct {
	bytes, units atomic.Uint64
}

// deliver waits for leaves, streams, and waits for their last words. ctx lives
// until the end, stoppable until the first interrupt.
func (s *sender) deliver(ctx, stoppable context.Context) error {
	waiting := s.gather(stoppable)
	if waiting != nil && !errors.Is(waiting, errInterrupted) {
		goodbye(ctx, s.root)
		return waiting
	}
	s.in.Start()
	n := s.roster.start()
	if waiting == nil {
		s.c.note("sending to %s", count(n, "leaf", "leaves"))
	}
	begin := time.Now()
	endProgress := s.c.every(func() { s.c.progress(s.progress(begin)) })
	end, lost := s.stream(ctx, stoppable)
	if err := s.finish(ctx, end); err != nil && lost == nil {
		lost = err
	}
	endProgress()
	if d := s.in.Dropped(); d > 0 {
		s.c.warn("%s of the input were lost before the session: the input came faster than it was sent on; raise buffer_size and fifo_size, or look at --rate", count(d, "datagram", "datagrams"))
	}
	return s.verdict(end, lost)
}

// gather waits for the leaves.
func (s *sender) gather(stoppable context.Context) error {
	var err error
	if s.f.waitFor > 0 {
		ctx := stoppable
		if s.f.maxWait > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, s.f.maxWait, errWaited)
			defer cancel()
		}
		err = s.roster.wait(ctx, func() bool { return s.roster.present() >= s.f.waitFor })
	}
	if !errors.Is(err, errWaited) {
		return err
	}
	present := 0
	_ = s.roster.wait(stoppable, func() bool { present = s.roster.present(); return true })
	if present == 0 {
		return failed(exitRefused, "nobody joined within %v; start the receivers with the command above, and check that TCP reaches %v", s.f.maxWait, s.root.Facts().Control)
	}
	s.c.warn("%d of %d leaves joined within %v: starting with those", present, s.f.waitFor, s.f.maxWait)
	return nil
}

var errWaited = errors.New("waited long enough")

// stream sends the input until it ends or somebody stops it, and says how it
// ended. The error is about data lost.
func (s *sender) stream(ctx, stoppable context.Context) (parcel.End, error) {
	sum := sha256.New()
	head := parcel.DataHead
	if s.head.Kind == parcel.Datagrams {
		head = parcel.GramHead
	}
	b := make([]byte, head+1<<16)
	begin := time.Now()
	for {
		n, cut, err := s.in.Next(stoppable, b[head:])
		if err != nil {
			how, err := inputEnded(err)
			return s.end(how, sum), err
		}
		sum.Write(b[head : head+n])
		if s.head.Kind == parcel.Datagrams {
			micros := max(0, cut.At.Sub(begin).Microseconds())
			parcel.Gram{Number: s.count.units.Load(), Micros: uint64(micros)}.Append(b[:0])
		} else {
			parcel.Data{Offset: s.count.bytes.Load()}.Append(b[:0])
		}
		s.busy.Store(true)
		err = s.root.Send(ctx, b[:head+n])
		s.busy.Store(false)
		if err != nil {
			return s.end(parcel.InputFailed, sum), failed(exitLost, "sending failed: %w", err)
		}
		s.count.bytes.Add(uint64(n))
		s.count.units.Add(1)
		if !cut.More {
			_ = s.root.Flush(ctx)
		}
		if s.head.Kind == parcel.File && s.deserted() {
			return s.end(parcel.Interrupted, sum), failed(exitLost, "every leaf is gone; nobody has the whole file")
		}
	}
}

// inputEnded tells how by the input's error.
func inputEnded(err error) (parcel.How, error) {
	switch {
	case errors.Is(err, io.EOF):
		return parcel.Finished, nil
	case errors.Is(err, errInterrupted):
		return parcel.Interrupted, errInterrupted
	}
	return parcel.InputFailed, failed(exitLost, "the input failed: %w", err)
}

// end makes the last message.
func (s *sender) end(how parcel.How, sum hash.Hash) parcel.End {
	total := s.count.bytes.Load()
	if s.head.Kind == parcel.Datagrams {
		total = s.count.units.Load()
	}
	return parcel.End{How: how, Total: total, Sum: [32]byte(sum.Sum(nil))}
}

// deserted tells that all who were counted are gone, and nobody else is there.
func (s *sender) deserted() bool {
	s.roster.mu.Lock()
	defer s.roster.mu.Unlock()
	return len(s.roster.entries) > 0 && s.roster.present() == 0
}

// finish sends the end, and waits until every counted leaf has said what it has.
func (s *sender) finish(ctx context.Context, end parcel.End) error {
	if s.deserted() {
		return nil
	}
	s.busy.Store(true)
	defer s.busy.Store(false)
	err := s.root.SendLast(ctx, end.Append(nil))
	if err == nil {
		err = s.root.Drain(ctx)
	}
	if err != nil && !s.deserted() {
		return failed(exitLost, "not everything could be delivered: %w", err)
	}
	err = s.roster.wait(ctx, s.roster.settled)
	goodbye(ctx, s.root)
	return err
}

// goodbye closes s politely, within bounds.
func goodbye(ctx context.Context, s interface{ Shutdown(context.Context) error }) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = s.Shutdown(ctx) // what Close does not mend is told by the leaves' last words
}

// verdict reports, and gives the exit code its reason.
func (s *sender) verdict(end parcel.End, lost error) error {
	all := s.roster.outcomes(s.head.Kind)
	counted, whole := 0, 0
	for _, o := range all {
		if o.Counted {
			counted++
			if o.OK {
				whole++
			}
		}
	}
	s.c.say(finished{
		OK: lost == nil && counted == whole, How: end.How.String(), Total: end.Total, Sum: hex.EncodeToString(end.Sum[:]),
		service: serviceOf(s.head), Leaves: all,
	})
	switch {
	case errors.Is(lost, errInterrupted):
		return failed(exitInterrupted, "interrupted after %s: what was read was delivered to %d of %s", size(s.count.bytes.Load()), whole, count(counted, "leaf", "leaves"))
	case lost != nil:
		return lost
	case whole < counted:
		return failed(exitLost, "%d of %s without everything: the table says what each lacks", counted-whole, count(counted, "leaf", "leaves"))
	}
	s.c.note("done: %s to %s", size(s.count.bytes.Load()), count(counted, "leaf", "leaves"))
	return nil
}

func count[T int | uint64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// progress is the line that is shown while streaming.
func (s *sender) progress(begin time.Time) moving {
	s.roster.mu.Lock()
	leaves := s.roster.present()
	s.roster.mu.Unlock()
	f := s.root.Figures()
	s.holdup(time.Now(), f.Moved)
	return moving{
		Verb: "sent", Bytes: s.count.bytes.Load(), Size: s.head.Size, Elapsed: time.Since(begin).Seconds(),
		Leaves: leaves, Repairs: f.Repairs, Missed: f.Missed, service: serviceOf(s.head),
	}
}

// moving is the progress line of send and recv.
type moving struct {
	Verb    string  `json:"-"`
	Bytes   uint64  `json:"bytes"`
	Size    uint64  `json:"-"`
	Elapsed float64 `json:"seconds"`
	Leaves  int     `json:"leaves,omitempty"` // at the root
	Repairs uint64  `json:"repairs"`
	Missed  uint64  `json:"missed"`
	service
}

func (moving) name() string { return "progress" }

func (m moving) String() string {
	s := size(m.Bytes) + " " + m.Verb
	if m.Size > 0 && m.Size != parcel.UnknownSize {
		s += fmt.Sprintf(" (%.0f %%)", 100*float64(m.Bytes)/float64(m.Size))
	}
	if m.Elapsed > 0 {
		s += fmt.Sprintf(", %s/s", size(float64(m.Bytes)/m.Elapsed))
	}
	if m.Verb == "sent" {
		s += ", " + count(m.Leaves, "leaf", "leaves")
	}
	return s + fmt.Sprintf(", %v: %d repairs, %d missed", m.service, m.Repairs, m.Missed)
}

// house is what the doors open on.
func house(c *console, iface string) door.House {
	return door.House{Network: kernel(), Interface: iface, Stdin: c.stdin, Stdout: c.stdout}
}
