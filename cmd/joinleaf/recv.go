package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/door"
	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
	"github.com/joinleaf/joinleaf/transport"
)

// recvFlags are what the user typed.
type recvFlags struct {
	root, out, iface, codeFile string
	from, source               string
	maxWait                    time.Duration
	json                       bool
}

func recvCommand(c *console, open opener) *cobra.Command {
	f := &recvFlags{}
	cmd := &cobra.Command{
		Use:   "recv ROOT:PORT --out FILE|-|udp://... [flags]",
		Short: "Receive what a sender gives",
		Long: `Recv joins the session of a joinleaf send and writes what comes.

--out is a file, a directory (the sender names the file), - for stdout, or where
datagrams go:
  udp://GROUP:PORT, udp://HOST:PORT, rtp://... with options after a ?:
  iface, ttl, dscp, pkt_size, buffer_size, pace=arrival|none.

A file appears under its name only when all of it is there and its checksum
agrees. A stream that is not whole stays beside it as FILE.partial. Datagrams
written to a file are a recording, kept however it ends. Who joins late gets
what is sent from then on: for a file that is an error at once, for a stream one
at the end, for datagrams none. With --from oldest, or --from last=100, it gets
what was sent before too, as far as the sender keeps it (send --replay): from the
first byte on, a file or stream is whole.

Exit codes: 0 everything came, 1 usage, 2 refused or timed out, 3 something is
missing or could not be written, 130 interrupted.`,
		Example: `  joinleaf recv 10.0.0.5:7654 --out . --code-file code
  joinleaf recv 10.0.0.5:7654 --out - --code-file code | ffplay -
  joinleaf recv 10.0.0.5:7654 --out udp://127.0.0.1:5000 --code-file code`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("recv takes one address: the sender's, as joinleaf send shows it, such as 10.0.0.5:%d", controlPort)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.json = f.json
			f.root = args[0]
			r, err := newReceiver(cmd.Context(), c, open, f)
			if err != nil {
				return err
			}
			return r.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "where to: FILE, DIRECTORY, - or udp://...")
	fl.StringVar(&f.iface, "iface", "auto", "interface: name, index, address or auto")
	fl.StringVar(&f.codeFile, "code-file", "", "file with the join code")
	fl.StringVar(&f.from, "from", "now", "where to begin when joining late: now, oldest, or last=N datagrams or pieces of a stream")
	sourceFlag(cmd, &f.source, "how data must be known to be the sender's, at least")
	fl.DurationVar(&f.maxWait, "max-wait", 0, "keep knocking this long while nobody answers; 0 knocks once")
	fl.BoolVar(&f.json, "json", false, "lines of JSON on stderr in place of text")
	return cmd
}

// receiver is one run of recv.
type receiver struct {
	c    *console
	open opener
	f    *recvFlags
	plan plan
	to   door.Endpoint

	house  door.House
	out    door.Output
	leaf   leafSession
	head   parcel.Head
	ledger *parcel.Ledger
	count  counter
	apart  atomic.Bool // the sender serves this leaf apart
}

// newReceiver checks what was typed, and touches no network but for names.
func newReceiver(ctx context.Context, c *console, open opener, f *recvFlags) (*receiver, error) {
	r := &receiver{c: c, open: open, f: f}
	var err error
	if f.out == "" {
		return nil, usage("nowhere to write: give --out FILE, --out - or --out udp://HOST:PORT")
	}
	if r.to, err = door.Parse(door.Out, f.out); err != nil {
		return nil, usage("--out: %w", err)
	}
	if f.maxWait < 0 {
		return nil, usage("--max-wait %v: it is a time to wait, 0 knocks once", f.maxWait)
	}
	begin, err := parseFrom(f.from)
	if err != nil {
		return nil, err
	}
	level, err := parseSource(f.source)
	if err != nil {
		return nil, err
	}
	root, err := hostPort(ctx, "the sender's address", f.root)
	switch {
	case err != nil:
		return nil, err
	case !root.Addr().IsValid() || root.Addr().IsUnspecified() || root.Port() == 0:
		return nil, usage("%q is no address to join; joinleaf send shows the right one", f.root)
	case root.Addr().IsMulticast():
		return nil, usage("%v is the group; recv joins at the sender's own address, which joinleaf send shows as control", root)
	}
	r.plan = plan{Interface: f.iface, Root: root, CallerData: parcel.Hello{}.Append(nil), From: begin, Source: level}
	return r, nil
}

// run receives. Whatever happens, it leaves nothing open, and nothing behind
// that looks whole and is not.
func (r *receiver) run(ctx context.Context) (err error) {
	if r.plan.Code, err = r.c.receiverCode(r.f.codeFile); err != nil {
		return err
	}
	r.house = house(r.c, r.f.iface)
	r.plan.Network = r.house.Network
	for _, n := range r.to.Notes {
		r.c.warn("%s", n)
	}
	if !r.intoDirectory() { // before joining: the sender need not hear of a typing mistake
		if err := r.openOutput(ctx); err != nil {
			return err
		}
		defer r.abort()
	}
	stoppable, release := r.c.untilStopped(ctx)
	defer release()
	if r.leaf, err = r.join(stoppable); err != nil {
		return cannotJoin(r.plan.Root.String(), err)
	}
	var heeding sync.WaitGroup
	defer heeding.Wait()
	defer r.leaf.Close()
	heeding.Go(func() { r.heed(ctx) })
	if r.head, err = parcel.ParseHead(r.leaf.CalleeData()); err != nil {
		goodbye(ctx, r.leaf)
		return failed(exitRefused, "%v is no joinleaf send that this version understands: %w", r.plan.Root, err)
	}
	r.ledger = parcel.NewLedger(r.head)
	known := r.leaf.Facts()
	r.c.say(joined{known, r.plan.Root, r.head, r.to.String(), r.leaf.ID()})
	if r.to.Kind == door.Socket && r.to.Addr == known.Group.Addr {
		goodbye(ctx, r.leaf)
		return usage("--out %s is the session's own group; choose another", r.to.String())
	}
	if r.out == nil {
		if err := r.openOutput(ctx); err != nil {
			r.say(ctx, parcel.Result{Verdict: parcel.Failed, Text: err.Error()})
			return err
		}
		defer r.abort()
	}
	return r.take(ctx, stoppable)
}

func (r *receiver) intoDirectory() bool {
	if r.to.Kind != door.Path {
		return false
	}
	info, err := os.Stat(r.to.Path)
	return err == nil && info.IsDir()
}

func (r *receiver) openOutput(ctx context.Context) error {
	var err error
	if r.out, err = r.house.OpenOutput(ctx, &r.to, r.head.Name); err != nil {
		return cannotOpen("the output", err)
	}
	r.c.last.add(r.out.Abort) // no half-written file stays behind, come what may
	return nil
}

// abort takes back what was not kept.
func (r *receiver) abort() {
	if r.out != nil {
		r.out.Abort()
	}
}

// join knocks, again and again while --max-wait lasts and nobody is there.
func (r *receiver) join(ctx context.Context) (leafSession, error) {
	deadline := time.Now().Add(r.f.maxWait)
	for {
		l, err := r.open.Join(ctx, r.plan)
		if err == nil || !nobodyThere(err) || ctx.Err() != nil || !time.Now().Before(deadline) {
			if ctx.Err() != nil && err != nil {
				err = context.Cause(ctx)
			}
			return l, err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// joined is recv's start-up block.
type joined struct {
	facts facts
	root  netip.AddrPort
	head  parcel.Head
	out   string
	id    uint32
}

func (joined) name() string { return "joined" }

func (j joined) MarshalJSON() ([]byte, error) {
	return j.facts.json(map[string]any{
		"root": j.root, "leaf": j.id, "kind": j.head.Kind.String(), "name": j.head.Name, "out": j.out,
		"class": j.head.Class.String(), "latency_ms": j.head.Latency,
	})
}

func (j joined) String() string {
	what := j.head.Kind.String()
	if j.head.Name != "" {
		what += " " + j.head.Name
	}
	if j.head.Size != parcel.UnknownSize {
		what += ", " + size(j.head.Size)
	}
	what += " (" + serviceOf(j.head).String() + ")"
	j.facts.Control = j.root
	return j.facts.block([2]string{"receives", what + ", into " + j.out})
}

// nobodyThere tells a root that is not up yet from one that says no.
func nobodyThere(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || transport.CodeOf(err) == transport.WSATRY_AGAIN || timedOut(err)
}
