package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// groupOf is the group of a run. Each has its own: a switch forgets a leaf that
// has left only after a second, and until then carries the group to it for
// nothing.
func groupOf(run int) transport.Group {
	a := netip.AddrFrom4([4]byte{239, 192, 80 + byte(run/256%32), byte(run)})
	return transport.Group{Addr: netip.AddrPortFrom(a, 7002), Interface: netlab.Device}
}

// headers is what IPv4 and UDP add to a packet.
const headers = 28

// Side is what one process of a run does.
type Side struct {
	Spec Spec
	Code string // join code
	Root string // a leaf's: the root's address; "" for the root
	Leaf int    // a leaf's: its place, from 1
	Run  int    // of this program's life
}

// Do is the side's whole life.
func (s Side) Do() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.Spec.Limit())
	defer cancel()
	config := rooted.Config{Source: s.Spec.Source, Interface: netlab.Device, NoParity: s.Spec.NoParity}
	if s.Spec.Clear {
		config.Insecure = crypto.InsecurePlaintextForTesting
	} else {
		code, err := crypto.ParseCode(s.Code)
		if err != nil {
			return err
		}
		config.Identity.Code = code
	}
	content, err := NewContent(s.Spec.Message)
	if err != nil {
		return err
	}
	var account any
	if s.Root == "" {
		account, err = s.send(ctx, config, content)
	} else {
		account, err = s.receive(ctx, config, content)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(account)
}

// send is the root: it tells its address, waits for all leaves, sends, and
// ends the session when everybody has everything.
func (s Side) send(ctx context.Context, config rooted.Config, content *Content) (sent Sent, err error) {
	r, err := rooted.Listen(ctx, groupOf(s.Run), config)
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
	began := time.Now()
	standings := make(chan []Standing, 1)
	go func() { standings <- watch(ctx, r, began) }()
	if err := content.Each(s.Spec.Messages(), func(p []byte) error { return r.Send(ctx, p) }); err != nil {
		return sent, err
	}
	if err := r.Drain(ctx); err != nil {
		return sent, err
	}
	sent.Seconds = time.Since(began).Seconds()
	data := r.Stats().Data
	sent.Packets, sent.WireBytes = data.PacketsSent, data.BytesSent+headers*data.PacketsSent
	sent.Data, sent.Naks = data.Sender.Data, data.Sender.Naks
	sent.RepairGroup, sent.RepairAlone = data.Sender.AgainGroup, data.Sender.AgainAlone
	sent.Rate, sent.Memory = data.Sender.Rate, data.Sender.Memory
	err = r.Shutdown(ctx)
	sent.Standings = <-standings
	return sent, err
}

// watch notes whose standing changed until the session is over.
func watch(ctx context.Context, r *rooted.Root, began time.Time) (all []Standing) {
	for {
		e, err := r.NextEvent(ctx)
		if err != nil {
			return all
		}
		if e.Kind == rooted.Quarantined || e.Kind == rooted.Returned || e.Kind == rooted.Left && e.Code != 0 {
			all = append(all, Standing{Seconds: time.Since(began).Seconds(), Member: e.Member, What: e.Kind.String(), Why: e.Text})
		}
	}
}

func (s Side) receive(ctx context.Context, config rooted.Config, content *Content) (got Got, err error) {
	root, err := netip.ParseAddrPort(s.Root)
	if err != nil {
		return got, err
	}
	l, err := rooted.Join(ctx, root, nil, config)
	if err != nil {
		return got, err
	}
	defer l.Close()
	got.Member = l.ID()
	mayMiss, all := s.Leaf == s.Spec.MayMiss, s.Spec.Messages()
	var first, last time.Time
	p := make([]byte, Longest)
	for {
		m, err := l.Recv(ctx, p)
		got.Missed += m.Missed
		content.Skip(m.Missed)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && mayMiss && ctx.Err() == nil {
			got.Ended = err.Error()
			break
		}
		if err == nil {
			err = content.Check(p[:m.N])
		}
		if err != nil {
			return got, fmt.Errorf("after %d of %d messages: %w", content.Checked(), all, err)
		}
		switch n := content.Checked(); {
		case n == 1:
			first = time.Now()
		case n == all || mayMiss:
			last = time.Now()
		}
	}
	got.Messages = content.Checked()
	if got.Messages+got.Missed != all || got.Missed > 0 && !mayMiss {
		return got, fmt.Errorf("%d of %d messages came, %d missed; %s", got.Messages, all, got.Missed, got.Ended)
	}
	if got.Messages > 1 {
		got.Bytes = (got.Messages - 1) * uint64(s.Spec.Message)
		got.Seconds = last.Sub(first).Seconds()
	}
	data := l.Stats().Data
	got.Heard, got.Repaired, got.HostLost = data.PacketsHeard, data.Receivers.Repaired, data.Receivers.Host
	return got, nil
}
