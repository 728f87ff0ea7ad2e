package main

import (
	"context"
	"errors"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// library opens sessions of package rooted. All that the commands use of it is
// in this file.
type library struct{}

func kernel() transport.Network { return transport.Kernel{} }

// The streams of a session whose class may lose: what may be lost, and what may
// not.
const (
	mainStream flow.Stream = 0
	sureStream flow.Stream = 1
)

// levels are the library's names for sources.
var levels = [...]rooted.SourceLevel{sourceSigned: rooted.Signed, sourceEager: rooted.SignedEager, sourceGroup: rooted.Group}

func (library) config(p plan) rooted.Config {
	t := p.Terms
	c := rooted.Config{
		Network: p.Network, Interface: p.Interface, Name: p.Name,
		Identity: crypto.Identity{Code: p.Code}, Source: levels[p.Source],
		TTL: p.TTL, DSCP: p.DSCP, Rate: p.Rate,
		Latency: t.Latency, NoQuarantine: t.Wait, NoParity: t.NoParity,
	}
	switch t.Class {
	case parcel.BestEffort:
		c.Streams = []flow.Class{flow.BestEffort, flow.Reliable}
	case parcel.Deadline:
		c.Streams = []flow.Class{flow.Deadline, flow.Reliable}
	}
	if t.Replay > 0 {
		// What is kept counts by packets, heads and all, and by blocks of them.
		c.Replay = t.Replay + t.Replay/16 + 64<<10
	}
	switch {
	case p.From.Oldest:
		c.From.Kind = flow.FromOldest
	case p.From.Last > 0:
		c.From = flow.From{Kind: flow.FromLast, N: p.From.Last}
	}
	return c
}

func (l library) Open(ctx context.Context, p plan) (rootSession, error) {
	c := l.config(p)
	c.Control = p.Listen
	c.Condition = func(r *rooted.Request) rooted.Verdict {
		callee, refusal := p.Admit(r.Data, r.From)
		if refusal != "" {
			r.Reason = refusal
			return rooted.Refuse
		}
		r.Callee = callee
		return rooted.Accept
	}
	r, err := rooted.Listen(ctx, p.Group, c)
	if err != nil {
		return nil, err
	}
	return &libraryRoot{r, p}, nil
}

type libraryRoot struct {
	*rooted.Root
	p plan
}

// Flush lets go what waits for company.
func (r *libraryRoot) Flush(context.Context) error { r.Root.Flush(); return nil }

// Accept passes over requests that came to nothing: refused by the condition,
// taken back, lost on the way in.
func (r *libraryRoot) Accept(ctx context.Context) (memberSession, error) {
	for {
		m, err := r.Root.Accept(ctx)
		switch {
		case err == nil:
			return libraryMember{m}, nil
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil, err
		}
		select {
		case <-r.Done():
			return nil, err
		default:
		}
	}
}

func (r *libraryRoot) SendLast(ctx context.Context, p []byte) error {
	if r.p.Terms.Class != parcel.Reliable {
		return r.SendStream(ctx, sureStream, p)
	}
	return r.Send(ctx, p)
}

func (r *libraryRoot) Answer(ctx context.Context, p []byte) (int, uint32, error) {
	m, err := r.Recv(ctx, p)
	return m.N, m.From, err
}

func (r *libraryRoot) Heed(ctx context.Context) (standing, error) { return heed(ctx, r.NextEvent) }

// heed passes over all other events.
func heed(ctx context.Context, next func(context.Context) (rooted.Event, error)) (standing, error) {
	for {
		e, err := next(ctx)
		switch {
		case err != nil:
			return standing{}, err
		case e.Kind == rooted.Quarantined:
			return standing{e.Member, standsApart, e.Text}, nil
		case e.Kind == rooted.Returned:
			return standing{e.Member, standsInStep, e.Text}, nil
		case e.Kind == rooted.Closed && e.Code != 0:
			return standing{e.Member, standsOut, e.Text}, nil
		}
	}
}

func (r *libraryRoot) Holder() (leaf uint32, ok bool) {
	least := uint64(math.MaxUint64)
	for _, m := range r.Members() {
		if len(m.Sending.Streams) == 0 {
			continue
		}
		st := m.Sending.Streams[mainStream]
		if st.Delivered < least && (st.Delivered < st.Highest || m.Sending.Silence > time.Second) {
			least, leaf, ok = st.Delivered, m.ID, true
		}
	}
	return leaf, ok
}

func (r *libraryRoot) Figures() figures {
	s := r.Stats()
	d := s.Data.Sender
	again := d.AgainGroup + d.AgainAlone + d.Rows
	return figures{Repairs: again, Missed: d.Gone, Moved: d.Data + again, Epoch: s.Epoch}
}

func (r *libraryRoot) Facts() facts {
	f := chosen(r.Choice(), r.Group(), r.Stats().Data.Unicast)
	f.Session, f.Control, f.TTL = r.p.Name, r.Addr(), max(1, r.p.TTL)
	f.Encryption = crypto.DefaultSuite().String() + ", keys that change when leaves come and go; " + proof
	if pin, err := r.Pin(); err == nil && !pin.IsZero() {
		f.Pin = pin.String()
	}
	return f
}

// proof is how this command's sessions are kept shut.
const proof = "TLS 1.3 and a join code that both sides prove"

// chosen are the facts that root and leaf have alike.
func chosen(c transport.Choice, g transport.Group, i transport.SocketInfo) facts {
	return facts{
		Group: g, Interface: c.Interface.Name, Why: c.Reason,
		ReadBuffer: i.ReadBuffer, WantBuffer: wantedBuffer, Warnings: i.Warnings,
	}
}

// wantedBuffer is what transport asks for when nothing else is said.
const wantedBuffer = 8 << 20

type libraryMember struct{ *rooted.Member }

// Hear passes over the note that messages were not kept: a leaf of ours says
// one thing, and others that talk too much have nothing to say to us.
func (m libraryMember) Hear(ctx context.Context, p []byte) (int, error) {
	for {
		n, err := m.RecvChat(ctx, p)
		if transport.CodeOf(err) != transport.WSAENOBUFS {
			return n, err
		}
	}
}

func (l library) Join(ctx context.Context, p plan) (leafSession, error) {
	c := l.config(p) // both ways: who only receives may not speak in the side chat (R232)
	leaf, err := rooted.Join(ctx, p.Root, p.CallerData, c)
	if err != nil {
		return nil, err
	}
	return &libraryLeaf{leaf}, nil
}

type libraryLeaf struct{ *rooted.Leaf }

func (l *libraryLeaf) Recv(ctx context.Context, p []byte) (int, uint64, error) {
	m, err := l.Leaf.Recv(ctx, p)
	return m.N, m.Missed, err
}

func (l *libraryLeaf) Say(ctx context.Context, p []byte) error { return l.Chat(ctx, p) }

func (l *libraryLeaf) Answer(ctx context.Context, p []byte) error {
	err := l.Send(ctx, p)
	l.Flush()
	return err
}

func (l *libraryLeaf) Heed(ctx context.Context) (standing, error) { return heed(ctx, l.NextEvent) }

func (l *libraryLeaf) Figures() figures {
	s := l.Stats()
	return figures{Repairs: s.Data.Receivers.Repaired + s.Data.Receivers.Rebuilt, Missed: s.Data.Receivers.Missed, Epoch: s.Epoch}
}

func (l *libraryLeaf) Facts() facts {
	f := chosen(l.Choice(), l.Group(), l.Stats().Data.Group)
	f.Session, f.Control, f.Encryption = l.Name(), l.Root(), "keys of epoch "+strconv.FormatUint(l.Epoch(), 10)+"; "+proof
	return f
}
