package control

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/joinleaf/joinleaf/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _, _ Machine = (*Root)(nil), (*Leaf)(nil)

// Run drives a root through a leaf's whole life; the shell answers from within
// out and injects frames from outside.
func TestRunDrivesAMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := NewRoot(RootConfig{})
		in := make(chan func(time.Time, *Root))
		var kinds []EventKind
		var beats []time.Duration
		start := time.Now()
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() {
			ended <- Run(ctx, root, in, func(o Output) {
				if o.Event.Kind == 0 {
					if TypeOf(o.Frame) == TypeBeat {
						beats = append(beats, time.Since(start))
					}
					return
				}
				kinds = append(kinds, o.Event.Kind)
				answer(t, root, o.Event)
			})
		}()
		handle := func(frame []byte) {
			in <- func(now time.Time, r *Root) { r.Handle(now, 2, frame) }
		}
		in <- func(now time.Time, r *Root) {
			if err := r.Open(now, 2, leafAddr(2)); err != nil {
				t.Error(err)
			}
		}
		handle(Join{Room: -1}.Append(nil))
		time.Sleep(2500 * time.Millisecond)
		handle(Ready{1, leafAddr(2)}.Append(nil))
		time.Sleep(5 * time.Second) // silence
		synctest.Wait()
		want := []EventKind{Requested, EpochWanted, EpochReady, EpochReady, Joined, Left, Hangup, EpochWanted, EpochReady}
		if !slices.Equal(kinds, want) {
			t.Errorf("events %v, want %v", kinds, want)
		}
		// That after half a second is for who is late to answer the epoch.
		if !slices.Equal(beats, []time.Duration{5e8, 1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 7e9}) {
			t.Errorf("beats at %v", beats)
		}
		if gone := time.Since(start); gone != 7500*time.Millisecond {
			t.Errorf("left after %v", gone)
		}
		why := errors.New("closing")
		cancel(why)
		if err := <-ended; err != why {
			t.Errorf("Run returned %v", err)
		}
	})
}

// answer plays the shell.
func answer(t *testing.T, root *Root, e Event) {
	now := time.Now()
	var err error
	switch e.Kind {
	case Requested:
		err = root.Answer(now, e.ID, Answer{Verdict: Accept})
	case EpochWanted:
		var ws []Welcome
		for _, id := range e.Joining {
			ws = append(ws, sampleWelcome(id))
		}
		kind := Step
		if e.Fresh {
			kind = Fresh
		}
		err = root.SetEpoch(now, root.rekey.epoch+1, kind, ws)
	case EpochReady:
		for _, id := range e.Joining {
			err = root.Start(now, id, nil)
		}
	case Left:
		if e.Code != transport.WSAECONNABORTED {
			t.Errorf("left with %v", e.Code)
		}
	}
	if err != nil {
		t.Errorf("%v: %v", e, err)
	}
}
