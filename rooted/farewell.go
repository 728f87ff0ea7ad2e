package rooted

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// closed ends the membership: what is missing and cannot come any more is told
// as missing, then Recv ends.
func (l *Leaf) closed(e control.Event) {
	l.mu.Lock()
	entered := l.member
	err := ending("session", e)
	switch {
	case e.Own && e.Code == 0:
		err = errOver("session")
	case !entered:
		err = refused("join", cmp.Or(e.Code, transport.WSAECONNREFUSED), e.Text)
	}
	l.err = err
	l.mu.Unlock()
	l.over.Store(true)
	if l.s != nil {
		l.s.RemoveMember(control.RootID) // whoever waits to send to it goes on
		l.s.SetAddress(control.RootID, l.root)
		for id := range l.peers {
			l.s.RemoveMember(id)
		}
		edges := toFlow(e.Edges)
		if err == io.EOF && l.s.Behind(control.RootID, edges) {
			l.wg.Go(func() {
				linger(l.ctx, l.s, control.RootID, edges)
				l.endReceive(edges, err)
			})
		} else {
			l.endReceive(edges, err)
		}
	}
	if !entered {
		close(l.entered)
	}
	l.events.add(Event{Kind: Closed, Code: e.Code, Text: e.Text})
	l.log.Info("the membership is over", "code", int(e.Code), "why", e.Text)
	l.link.close()
	close(l.done)
}

// endReceive tells what did not come, up to edges, as missed.
func (l *Leaf) endReceive(edges []flow.Edge, err error) {
	l.s.FinishSender(control.RootID, edges)
	l.s.ExpelSender(control.RootID, nil)
	for id := range l.peers {
		l.s.ExpelSender(id, nil)
	}
	l.s.EndReceive(err)
}

// A goodbye goes over the control connection and may overtake the last data,
// which is under way, or in the socket.
const (
	lingerFor   = 250 * time.Millisecond
	lingerEvery = 5 * time.Millisecond
)

// linger waits for the last data of who left in good order.
func linger(ctx context.Context, s *session.Session, id uint32, edges []flow.Edge) {
	ticks := time.NewTicker(lingerEvery)
	defer ticks.Stop()
	for waited := time.Duration(0); waited < lingerFor && s.Behind(id, edges); waited += lingerEvery {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}
