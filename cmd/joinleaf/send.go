package main

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/door"
	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
)

// sendFlags are what the user typed.
type sendFlags struct {
	in, group, listen, iface, codeFile string
	rate, source                       string
	terms                              termFlags
	waitFor                            int
	maxWait                            time.Duration
	ttl, dscp                          int
	json                               bool
}

func sendCommand(c *console, open opener) *cobra.Command {
	f := &sendFlags{}
	cmd := &cobra.Command{
		Use:   "send --in FILE|-|udp://... [flags]",
		Short: "Send a file, a stream or datagrams to every receiver that joins",
		Long: `Send opens a session, waits for receivers, and gives all of them the same.

--in is a file, - for stdin, or where datagrams come in:
  udp://[SRC@]GROUP:PORT, udp://HOST:PORT, rtp://... with options after a ?:
  iface, buffer_size, fifo_size, sources, block, timeout; ffmpeg's, GStreamer's
  and VLC's other names for them are understood.

A leaf that is there when the sending starts is counted: send exits 0 when every
counted leaf has said that it has everything. A leaf that joins later gets what
is sent from then on, and with --replay what is kept if it asks (recv --from).

--class reliable repairs whatever is lost. --class deadline is for live streams
and datagrams: what does not come within --latency is passed over, and told as
missed. --slow quarantine goes on without a leaf that drags the others: it may
miss data, and is evicted if it does not keep up for a minute. --slow wait keeps
to its pace: that is what files do, unless told otherwise.

Ctrl-C stops reading and delivers what was read; the receivers of a file or
stream then know that it is not all. For datagrams it is the normal end.

Exit codes: 0 done, 1 usage, 2 nobody came in time, 3 a counted leaf does not
have everything, 130 interrupted.`,
		Example: `  joinleaf send --in lab.iso --wait-for 20 --code-file code
  ffmpeg -re -i film.mkv -f mpegts - | joinleaf send --in - --code-file code
  joinleaf send --in udp://@239.192.1.1:5000 --iface eth0 --code-file code --class deadline`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.json = f.json
			s, err := newSender(cmd.Context(), c, open, f)
			if err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.in, "in", "", "what to send: FILE, - or udp://...")
	fl.StringVar(&f.group, "group", "", "multicast group [SRC@]GROUP:PORT; left out, one of 239.192.0.0/14 is drawn")
	fl.StringVar(&f.listen, "listen", fmt.Sprintf(":%d", controlPort), "where receivers knock: HOST:PORT (TCP)")
	fl.StringVar(&f.iface, "iface", "auto", "interface: name, index, address or auto")
	fl.StringVar(&f.codeFile, "code-file", "", "file with the join code; created if missing")
	fl.IntVar(&f.waitFor, "wait-for", 1, "start when this many leaves have joined")
	fl.DurationVar(&f.maxWait, "max-wait", 0, "start with those present after this time; 0 waits for as long as it takes")
	f.terms.add(cmd)
	sourceFlag(cmd, &f.source, "how leaves know that data is from here")
	fl.StringVar(&f.rate, "rate", "", "at most this much, such as 20MB/s or 100Mbit/s; left out, as fast as the slowest leaf takes it")
	fl.IntVar(&f.ttl, "ttl", 1, "multicast TTL or hop limit")
	fl.IntVar(&f.dscp, "dscp", 0, "DSCP mark of the packets, 0 to 63")
	fl.BoolVar(&f.json, "json", false, "lines of JSON on stderr in place of text")
	return cmd
}

// sender is one run of send.
type sender struct {
	c    *console
	open opener
	f    *sendFlags
	plan plan
	from door.Endpoint

	in     door.Input
	head   parcel.Head
	root   rootSession
	roster *roster
	count  counter
	busy   atomic.Bool // sending, or waiting until all was taken
	still  standstill  // the progress line's
}

// newSender checks what was typed, and touches no network.
func newSender(ctx context.Context, c *console, open opener, f *sendFlags) (*sender, error) {
	s := &sender{c: c, open: open, f: f, roster: newRoster(c)}
	var err error
	if f.in == "" {
		return nil, usage("nothing to send: give --in FILE, --in - or --in udp://HOST:PORT")
	}
	if s.from, err = door.Parse(door.In, f.in); err != nil {
		return nil, usage("--in: %w", err)
	}
	switch {
	case f.waitFor < 0:
		return nil, usage("--wait-for %d: it counts leaves, 0 starts at once", f.waitFor)
	case f.maxWait < 0:
		return nil, usage("--max-wait %v: it is a time to wait, 0 waits for as long as it takes", f.maxWait)
	case f.ttl < 1 || f.ttl > 255:
		return nil, usage("--ttl %d: it is a number from 1, this network, to 255", f.ttl)
	case f.dscp < 0 || f.dscp > 63:
		return nil, usage("--dscp %d: it is a number from 0 to 63", f.dscp)
	}
	p := plan{Interface: f.iface, TTL: f.ttl, DSCP: f.dscp}
	if p.Terms, err = f.terms.read(); err != nil {
		return nil, err
	}
	if p.Source, err = parseSource(f.source); err != nil {
		return nil, err
	}
	if p.Rate, err = parseRate(f.rate); err != nil {
		return nil, err
	}
	if p.Group, err = parseGroup(f.group); err != nil {
		return nil, err
	}
	if s.from.Kind == door.Socket && s.from.Addr == p.Group.Addr {
		return nil, usage("--in and --group are both %v: the session would eat its own packets; choose another --group", p.Group.Addr)
	}
	if p.Listen, err = hostPort(ctx, "--listen", f.listen); err != nil {
		return nil, err
	}
	p.Admit = s.admit
	s.roster.history = p.Terms.Replay > 0
	s.plan = p
	return s, nil
}

// admit answers a leaf that knocks: with what it will get, if it speaks our
// framing.
func (s *sender) admit(callerData []byte, from netip.AddrPort) (calleeData []byte, refusal string) {
	if _, err := parcel.ParseHello(callerData); err != nil {
		s.c.warn("refused %v: %v", from, err)
		return nil, "this is a joinleaf send, version " + fmt.Sprint(parcel.Version) + ": join it with joinleaf recv of the same version"
	}
	return s.head.Append(nil), ""
}

// run sends. Whatever happens, it leaves nothing open.
func (s *sender) run(ctx context.Context) (err error) {
	if s.plan.Code, err = s.c.senderCode(s.f.codeFile); err != nil {
		return err
	}
	house := house(s.c, s.f.iface)
	s.plan.Network = house.Network
	for _, n := range s.from.Notes {
		s.c.warn("%s", n)
	}
	if s.in, err = house.OpenInput(ctx, &s.from); err != nil {
		return cannotOpen("the input", err)
	}
	defer s.in.Close()
	s.describe()
	if err := s.f.terms.settle(&s.plan.Terms, s.head.Kind); err != nil {
		return err
	}
	s.plan.Name = s.head.Name
	if s.plan.Name == "" {
		s.plan.Name = s.head.Kind.String()
	}
	stoppable, release := s.c.untilStopped(ctx)
	defer release()
	context.AfterFunc(stoppable, func() {
		if s.c.interrupted() {
			s.c.note("stopping: what was read is delivered; interrupt again to quit at once")
		}
	})
	if s.root, err = s.open.Open(stoppable, s.plan); err != nil {
		return cannotOpen("the session", err)
	}
	s.c.say(opened{facts: s.root.Facts(), f: s.f, source: s.plan.Source, terms: s.plan.Terms, head: s.head, in: s.from.String()})

	admitting, stopAdmitting := context.WithCancel(ctx)
	var busy sync.WaitGroup
	for range admitters {
		busy.Go(func() { s.accept(admitting, &busy) })
	}
	busy.Go(func() { s.heed(admitting) })
	defer busy.Wait()
	defer s.root.Close()
	defer stopAdmitting()
	return s.deliver(ctx, stoppable)
}

// describe makes the head of what is in the input.
func (s *sender) describe() {
	a := s.in.About()
	t := s.plan.Terms
	s.head = parcel.Head{Kind: parcel.Stream, Class: t.Class, Latency: uint16(t.Latency / time.Millisecond), Size: parcel.UnknownSize}
	switch {
	case a.Datagrams:
		s.head.Kind = parcel.Datagrams
	case a.Size >= 0:
		s.head.Kind, s.head.Size = parcel.File, uint64(a.Size)
		if len(a.Name) <= 255 && parcel.PlainName([]byte(a.Name)) {
			s.head.Name = a.Name
		}
	}
}

// admitters is how many leaves may be on their way in at once: one that hangs
// must not keep the others out.
const admitters = 4

// accept admits leaves until the session is closed.
func (s *sender) accept(ctx context.Context, busy *sync.WaitGroup) {
	for {
		m, err := s.root.Accept(ctx)
		if err != nil {
			return
		}
		s.roster.add(m, busy)
	}
}
