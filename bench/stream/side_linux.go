package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
	"github.com/joinleaf/joinleaf/transport/session"
)

// between is how many messages pass between two looks at the clock.
const between = 64

// groupOf is the group of a run. Each has its own: a switch forgets a leaf that
// has left only after a second.
func groupOf(run int) transport.Group {
	a := netip.AddrFrom4([4]byte{239, 192, 112 + byte(run/256%8), byte(run)})
	return transport.Group{Addr: netip.AddrPortFrom(a, 7004), Interface: netlab.Device}
}

// Side is one process of a run.
type Side struct {
	Spec  Spec
	Label string // of its profile
	Run   int    // of this program's life
	Leaf  int    // from 1; 0 is the root
	Root  string // a leaf's: where the root is

	Code string // the join code; none at Clear
}

// Do is the side's whole life.
func (s Side) Do() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.Spec.limit())
	defer cancel()
	role := "root"
	if s.Leaf > 0 {
		role = fmt.Sprint("leaf", s.Leaf)
	}
	stop, err := stage.Profile(s.Label + "-" + role)
	if err != nil {
		return err
	}
	defer stop()
	var account any
	if s.Leaf == 0 {
		account, err = s.root(ctx)
	} else {
		account, err = s.leaf(ctx)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(account)
}

func (s Side) config() (c rooted.Config, err error) {
	c = rooted.Config{Interface: netlab.Device, Streams: []flow.Class{s.Spec.Class}, MTU: s.Spec.packet() + spared}
	if s.Spec.Level == Clear {
		// Symbols are as long as with a tag behind the packet: without it there is
		// room for more.
		c.Insecure, c.MTU = crypto.InsecurePlaintextForTesting, c.MTU+tagSize
		return c, nil
	}
	if s.Spec.Level == Group {
		c.Source = rooted.Group
	}
	c.Identity.Code, err = crypto.ParseCode(s.Code)
	return c, err
}

func (s Side) root(ctx context.Context) (sent Sent, err error) {
	c, err := s.config()
	if err != nil {
		return sent, err
	}
	r, err := rooted.Listen(ctx, groupOf(s.Run), c)
	if err != nil {
		return sent, err
	}
	defer r.Close()
	fmt.Println(r.Addr())
	for range s.Spec.Leaves {
		if _, err := r.Accept(ctx); err != nil {
			return sent, err
		}
	}
	looking := s.Spec.look()
	m := stage.NewMeter()
	sent.Messages, err = s.Spec.send(ctx, r.Send, r.Drain)
	if sent.Heap = looking.end(); err != nil {
		return sent, err
	}
	sent.Spent = m.Spent()
	sent.of(r.Stats().Data)
	return sent, r.Shutdown(ctx)
}

func (s *Sent) of(st session.Stats) {
	s.Packets, s.Again, s.Offload = st.PacketsSent, st.Sender.AgainGroup+st.Sender.AgainAlone, st.Unicast.SegmentOffload
}

// send sends one message over and over.
func (s Spec) send(ctx context.Context, send func(context.Context, []byte) error, drain func(context.Context) error) (n uint64, err error) {
	p := make([]byte, s.message())
	for end := time.Now().Add(s.For); time.Now().Before(end); {
		for range between {
			if err := send(ctx, p); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, drain(ctx)
}

func (s Side) leaf(ctx context.Context) (got Got, err error) {
	c, err := s.config()
	if err != nil {
		return got, err
	}
	root, err := netip.ParseAddrPort(s.Root)
	if err != nil {
		return got, err
	}
	l, err := rooted.Join(ctx, root, nil, c)
	if err != nil {
		return got, err
	}
	defer l.Close()
	looking := s.Spec.look()
	err = got.receive(ctx, l.Recv)
	if got.Heap = looking.end(); err != nil {
		return got, err
	}
	got.of(l.Stats().Data)
	return got, nil
}

func (g *Got) of(st session.Stats) { g.Heard, g.HostLost = st.PacketsHeard, st.Receivers.Host }

// receive reads until the end. The stretch is between two looks at the clock, so
// at the end it is short of fewer than between messages.
func (g *Got) receive(ctx context.Context, recv func(context.Context, []byte) (session.Message, error)) error {
	p := make([]byte, 64<<10)
	var m stage.Meter
	began, last := false, 0.0
	for n := uint64(0); ; {
		r, err := recv(ctx, p)
		g.Missed += r.Missed
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d messages: %w", n, err)
		}
		if n++; n%between != 0 {
			continue
		}
		if !began {
			m, began, g.Missed = stage.NewMeter(), true, 0
			continue
		}
		g.Messages += between
		last = m.Elapsed()
	}
	if began {
		g.Spent = m.Spent()
		g.Seconds = last
	}
	return nil
}
