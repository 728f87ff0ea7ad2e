package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/load"
)

func benchRecvCommand(c *console, open opener) *cobra.Command {
	f := &recvFlags{}
	cmd := &cobra.Command{
		Use:   "recv ROOT:PORT [flags]",
		Short: "Take the load of a bench send, and answer its pings",
		Long:  benchLong,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("bench recv takes one address: the root's, as joinleaf bench send shows it, such as 10.0.0.5:%d", controlPort)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.json = f.json
			f.root, f.out, f.from = args[0], "-", "now"
			r, err := newReceiver(cmd.Context(), c, open, f)
			if err != nil {
				return err
			}
			return r.bench(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.iface, "iface", "auto", "interface: name, index, address or auto")
	fl.StringVar(&f.codeFile, "code-file", "", "file with the join code")
	sourceFlag(cmd, &f.source, "how data must be known to be the root's, at least")
	fl.DurationVar(&f.maxWait, "max-wait", 0, "keep knocking this long while nobody answers; 0 knocks once")
	fl.BoolVar(&f.json, "json", false, "lines of JSON in place of text")
	return cmd
}

// bench is bench recv: a leaf, until the root ends the session.
func (r *receiver) bench(ctx context.Context) (err error) {
	if r.plan.Code, err = r.c.receiverCode(r.f.codeFile); err != nil {
		return err
	}
	r.plan.Network = kernel()
	r.plan.CallerData = load.Hello{}.Append(nil)
	stoppable, release := r.c.untilStopped(ctx)
	defer release()
	if r.leaf, err = r.join(stoppable); err != nil {
		return cannotJoin(r.plan.Root.String(), err)
	}
	defer r.leaf.Close()
	b, err := newBenchLeaf(r.leaf)
	if err != nil {
		goodbye(ctx, r.leaf)
		return failed(exitRefused, "%v is no joinleaf bench that this version understands: %w", r.plan.Root, err)
	}
	r.c.say(benchJoined{r.leaf.Facts(), r.plan.Root, b.head, r.leaf.ID()})
	err = b.run(stoppable)
	if err != nil && r.c.interrupted() {
		goodbye(ctx, r.leaf)
		return failed(exitInterrupted, "interrupted: left after %s", count(b.report.Messages, "message", "messages"))
	}
	r.c.report(benchLeafResult{Leaf: r.leaf.ID(), benchFigures: figuresOf(b.report), own: true})
	switch {
	case err != nil:
		return failed(exitLost, "the session ended before the root said so: %w", err)
	case !b.told:
		return failed(exitLost, "the root ended the session before its load was through")
	case b.head.Reliable && b.report.Missed > 0:
		return failed(exitLost, "%s of a reliable stream did not come", count(b.report.Missed, "message", "messages"))
	}
	return nil
}

// benchLeaf counts what comes to a leaf, reports it, and answers pings.
type benchLeaf struct {
	leaf   leafSession
	head   load.Head
	report load.Report
	first  time.Time
	last   time.Time
	told   bool // the report was given
}

func newBenchLeaf(leaf leafSession) (*benchLeaf, error) {
	h, err := load.ParseHead(leaf.CalleeData())
	return &benchLeaf{leaf: leaf, head: h}, err
}

// late is how long what is not repaired is waited for after the tally, which
// may have come another way.
const late = 300 * time.Millisecond

// run reads until the root ends the session.
func (b *benchLeaf) run(ctx context.Context) error {
	p := make([]byte, largestLoad)
	for {
		tally, err := b.read(ctx, p)
		if err == nil && tally != nil {
			err = b.tell(ctx, p, tally.Number)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// read takes one message. It returns the tally.
func (b *benchLeaf) read(ctx context.Context, p []byte) (*load.Mark, error) {
	n, missed, err := b.leaf.Recv(ctx, p)
	if !b.told {
		b.report.Missed += missed // pings that are lost show in the root's figures
	}
	if err != nil || n == 0 {
		return nil, err
	}
	m, err := load.ParseMark(p[:n])
	if err != nil {
		return nil, err
	}
	switch m.Kind {
	case load.Load:
		b.last = time.Now()
		if b.report.Messages == 0 {
			b.first = b.last
		}
		b.report.Messages++
		b.report.Bytes += uint64(n)
	case load.Ping:
		return nil, b.leaf.Answer(ctx, load.Mark{Kind: load.Pong, Number: m.Number}.Append(nil))
	case load.Tally:
		return &m, nil
	}
	return nil, nil
}

// tell reports what came, after a look at what may still be on its way.
func (b *benchLeaf) tell(ctx context.Context, p []byte, sent uint64) error {
	waiting, cancel := context.WithTimeoutCause(ctx, late, errWaited)
	defer cancel()
	for b.report.Messages+b.report.Missed < sent {
		if _, err := b.read(waiting, p); err != nil {
			if ctx.Err() != nil || errors.Is(err, io.EOF) || waiting.Err() == nil {
				return err
			}
			break
		}
	}
	// What is lost at the end nothing that follows has shown.
	if b.report.Messages < sent {
		b.report.Missed = sent - b.report.Messages
	}
	b.report.Nanos = uint64(b.last.Sub(b.first))
	b.told = true
	return b.leaf.Say(ctx, b.report.Append(nil))
}
