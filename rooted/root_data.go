package rooted

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// Message describes a received message.
type Message = session.Message

// Send gives one message to every leaf that is in, on stream 0.
//
// It waits while the slowest leaf's credit or the configured rate allows no
// more; a done ctx ends only that wait. Without leaves it goes nowhere (R243).
// A message above MaxMessage fails with WSAEMSGSIZE and nothing is sent.
func (r *Root) Send(ctx context.Context, p []byte) error { return r.SendStream(ctx, 0, p) }

// SendStream is Send on one of the session's streams.
func (r *Root) SendStream(ctx context.Context, st flow.Stream, p []byte) error {
	if r.ctx.Err() != nil {
		return r.over("send")
	}
	if r.c.Data == LeafRootedData {
		if err := r.top.unreachable(control.RootID); err != nil {
			return err
		}
	}
	return r.s.Send(ctx, st, p)
}

// Recv waits for the next message of any leaf and copies it to p; From says
// whose it is. Where p is too short it fails with WSAEMSGSIZE, N is the size,
// and the message stays.
func (r *Root) Recv(ctx context.Context, p []byte) (Message, error) { return r.s.Recv(ctx, p) }

// Flush sends small messages that wait for company, without waiting for
// delivery, and has them signed at once if leaves wait for that, up to 4,000 times
// a second.
func (r *Root) Flush() { r.s.Flush() }

// Drain waits until every counted leaf has read all that was sent so far on
// reliable streams.
func (r *Root) Drain(ctx context.Context) error {
	if r.ctx.Err() != nil {
		return r.over("drain")
	}
	return r.s.Drain(ctx)
}

// NextEvent waits for the next event. At most 1,024 wait to be read; Skipped
// tells of those that were not kept.
func (r *Root) NextEvent(ctx context.Context) (Event, error) {
	return r.events.next(ctx, r.ctx.Done())
}

// MemberInfo is a leaf as Members lists it.
type MemberInfo struct {
	ID      uint32
	Addr    netip.AddrPort
	Role    Role
	Sending flow.MemberStats   // the root's data to it
	Heard   flow.ReceiverStats // its data to the root
}

// Members lists the leaves that are in.
func (r *Root) Members() []MemberInfo {
	sending := make(map[uint32]flow.MemberStats)
	for _, m := range r.s.Members() {
		sending[m.ID] = m
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]MemberInfo, 0, len(r.members))
	for id, m := range r.members {
		i := MemberInfo{ID: id, Addr: m.control, Role: m.role, Sending: sending[id]}
		i.Heard, _ = r.s.Heard(id)
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b MemberInfo) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Stats is a snapshot of a root.
type Stats struct {
	Data    session.Stats
	Control control.RootStats
	Epoch   uint64 // under which data is sealed
	// Unproven counts connections that did not prove who they are, Pushed those
	// that were closed to make room for newer ones.
	Unproven, Pushed uint64
	// Stuck counts leaves that let 1 MiB wait for them on the control channel, or
	// took nothing of it for 10 s.
	Stuck uint64
	// Unauthorized counts what Config.Authorize refused, or failed to answer in time;
	// Expired leaves whose certificate or authorization ran out.
	Unauthorized, Expired uint64
}

// Stats returns a snapshot.
func (r *Root) Stats() Stats {
	st := Stats{Data: r.s.Stats()}
	st.Pushed, st.Unproven = r.gate.counts()
	st.Stuck, st.Unauthorized, st.Expired = r.stuck.Load(), r.stays.refused.Load(), r.stays.expired.Load()
	r.do(func(_ time.Time, m *control.Root) { st.Control, st.Epoch = m.Stats(), r.active })
	return st
}

// Shutdown ends the session in good order: no more joins, everything sent is
// delivered as far as its class promises, then every leaf is told (R218). A
// done ctx cuts the waiting short and is returned; the session is over all the
// same.
func (r *Root) Shutdown(ctx context.Context) error {
	r.listener.Close()
	drained := r.Drain(ctx)
	r.finish()
	return drained
}

// Close ends the session at once: what was not delivered is lost, every leaf is
// told how much that is (R216). Closing twice is harmless.
func (r *Root) Close() error {
	r.finish()
	return nil
}

// finish says goodbye, waits for it to be written, and frees everything.
func (r *Root) finish() {
	r.end.do(func() {
		r.mu.Lock()
		r.ended = true
		r.mu.Unlock()
		r.listener.Close()
		r.gate.close()
		r.s.Cut(func() error { return nil }) // what was sent is signed
		edges := toControl(r.s.Edges())
		r.do(func(now time.Time, m *control.Root) {
			m.SetEdges(edges)
			m.Close(now, 0, "the root closed the session")
		})
		r.do(func(time.Time, *control.Root) {}) // what Close put out is with the links now
		r.hangupAll()
		r.s.EndReceive(r.over("receive"))
		r.cancel(errOver("use session"))
		<-r.loop
		r.later.end()
		r.s.Close()
		r.wipe()
		r.wg.Wait()
	})
}

// hangupAll ends the links that the machine has not ended, and waits for them.
func (r *Root) hangupAll() {
	r.mu.Lock()
	links := slices.Collect(maps.Values(r.links))
	clear(r.links)
	r.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	for _, l := range links {
		<-l.done
	}
}
