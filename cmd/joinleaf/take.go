package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/door"
	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
)

const (
	// maxMessage is room for any message that a send of ours makes.
	maxMessage = 1 << 20
	// tailWait is how long a receiver that may miss something waits, once the end
	// was announced and beyond the latency, for what may still be on its way.
	tailWait = 2 * time.Second
	// goodbyeWait is how long a receiver that has everything stays for the
	// sender to close first: the others usually finish about then.
	goodbyeWait = 2 * time.Second
)

// take writes what comes until the end, tells the sender what it has, and
// returns the exit code's reason. ctx lives until the end, stoppable until the
// first interrupt.
func (r *receiver) take(ctx, stoppable context.Context) error {
	begin := time.Now()
	endProgress := r.c.every(func() { r.c.progress(r.progress(begin)) })
	cause := r.receive(stoppable)
	endProgress()
	res := r.ledger.Close()
	var out *outputError
	switch {
	case errors.As(cause, &out):
		res.Verdict, res.Text = parcel.Failed, cause.Error()
	case errors.Is(cause, errTooLate):
		res.Verdict, res.Text = parcel.FromLater, r.ledger.Beginning()+"; "+cause.Error()
	case errors.Is(cause, errInterrupted):
		res.Verdict = parcel.Left
		res.Text = "stopped by its user"
	case cause != nil && res.Verdict != parcel.Complete && r.apart.Load():
		res.Text += "; it had served this receiver apart, and the session ended: " + words(cause)
	case cause != nil && res.Verdict != parcel.Complete:
		res.Text += " (" + cause.Error() + ")"
	}
	where, err := r.keep(res)
	if err != nil {
		res.Verdict, res.Text = parcel.Failed, err.Error()
	}
	f := r.leaf.Figures()
	res.Repairs = f.Repairs
	r.say(ctx, res)
	r.c.say(taken{
		Result: res.Verdict.String(), Bytes: res.Got, Missing: res.Missing, Text: res.Text, Where: where,
		Repairs: res.Repairs, Missed: f.Missed, service: serviceOf(r.head),
	})
	return r.verdict(res, where)
}

// receive takes messages until nothing more is to come. It returns nil at a
// good end, and otherwise what ended it.
func (r *receiver) receive(ctx context.Context) error {
	p := make([]byte, maxMessage)
	for {
		if r.ledger.Whole() {
			return nil
		}
		n, err := r.next(ctx, p)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTailWaited):
			return nil
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case n == 0: // only news of a loss, which the ledger sees by itself
			continue
		}
		if err := r.write(ctx, p[:n]); err != nil {
			return err
		}
		if r.head.Kind == parcel.File && r.ledger.Late() {
			return errTooLate
		}
	}
}

var (
	errTailWaited = errors.New("waited for the tail")
	errTooLate    = errors.New("a file is of no use without its beginning; ask for another pass")
)

// next waits for a message; after the end was announced, no longer than
// tailWait for what may still be under way.
func (r *receiver) next(ctx context.Context, p []byte) (int, error) {
	if r.ledger.Ended() {
		wait := tailWait + time.Duration(r.head.Latency)*time.Millisecond
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wait, errTailWaited)
		defer cancel()
	}
	n, _, err := r.leaf.Recv(ctx, p)
	if err != nil && errors.Is(context.Cause(ctx), errTailWaited) {
		err = errTailWaited
	}
	return n, err
}

// outputError tells that what came could not be written.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

func (r *receiver) write(ctx context.Context, m []byte) error {
	piece, ok, err := r.ledger.Take(m)
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	err = r.out.Write(ctx, door.Piece{B: piece.B, At: piece.At, Micros: piece.Micros, Whole: r.head.Kind == parcel.Datagrams})
	if err != nil && ctx.Err() == nil {
		return &outputError{err}
	}
	r.count.bytes.Store(r.ledger.Bytes())
	r.count.units.Store(r.ledger.Missing())
	return err
}

// keep settles what becomes of what was written: a whole parcel gets its name,
// a recording too, part of a stream is kept aside, part of a file is not kept.
func (r *receiver) keep(res parcel.Result) (where string, err error) {
	out := r.out
	r.out = nil
	switch {
	case res.Verdict == parcel.Complete, r.head.Kind == parcel.Datagrams && res.Verdict != parcel.Failed:
		return out.Commit()
	case r.head.Kind != parcel.File && r.ledger.Bytes() > 0:
		return out.Keep()
	}
	out.Abort()
	return "", nil
}

// say tells the sender the result, waits a moment for it to close, and leaves.
func (r *receiver) say(ctx context.Context, res parcel.Result) {
	brief, cancel := context.WithTimeout(ctx, goodbyeWait)
	defer cancel()
	if err := r.leaf.Say(brief, res.Append(nil)); err == nil && res.Verdict <= parcel.Incomplete {
		p := make([]byte, maxMessage)
		for err == nil {
			_, _, err = r.leaf.Recv(brief, p)
		}
	}
	goodbye(ctx, r.leaf)
}

// taken is recv's last word.
type taken struct {
	Result  string `json:"result"`
	Bytes   uint64 `json:"bytes"`
	Missing uint64 `json:"missing"`
	Text    string `json:"text,omitempty"`
	Where   string `json:"where,omitempty"`
	Repairs uint64 `json:"repairs"`
	Missed  uint64 `json:"missed"`
	service
}

func (taken) name() string   { return "done" }
func (taken) String() string { return "" } // the verdict says it in words

// verdict gives the exit code its reason.
func (r *receiver) verdict(res parcel.Result, where string) error {
	kept := "nothing is kept"
	if where != "" {
		kept = "what came is in " + where
	}
	switch v := res.Verdict; {
	case v == parcel.Complete:
		r.c.note("done: %s in %s, checksum agrees, %d repairs", size(res.Got), where, res.Repairs)
		return nil
	case v == parcel.FromLater && r.head.Kind == parcel.Datagrams:
		r.c.note("done: %s in %s; %s", size(res.Got), where, res.Text)
		return nil
	case v == parcel.Left:
		return failed(exitInterrupted, "interrupted after %s; %s", size(res.Got), kept)
	case v == parcel.Failed:
		return failed(exitLost, "%s", res.Text)
	}
	return failed(exitLost, "incomplete: %s; %s", res.Text, kept)
}

// progress is the line that is shown while receiving.
func (r *receiver) progress(begin time.Time) moving {
	f := r.leaf.Figures()
	return moving{
		Verb: "received", Bytes: r.count.bytes.Load(), Size: r.head.Size,
		Elapsed: time.Since(begin).Seconds(), Repairs: f.Repairs, Missed: f.Missed, service: serviceOf(r.head),
	}
}
