package rooted

import (
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// admission is how a leaf is counted in: what it asked for, as far as this root
// keeps it, and what the condition said of it.
func (r *Root) admission(id uint32, info control.LeafInfo) flow.Admission {
	from := info.Join.From
	a := flow.Admission{RTT: time.Millisecond, From: flow.From{Kind: flow.FromKind(from.Kind), N: from.N}}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pending[id]; p != nil {
		a.Tagged = p.tag
	}
	return a
}

// Begin lets Send go on though fewer than Config.WaitFor leaves have joined.
func (r *Root) Begin() { r.s.Begin() }

// notice takes what the data plane noticed of a leaf. It must not wait; what
// there is no room for is told again by what follows from it.
func (r *Root) notice(e flow.Event) {
	select {
	case r.heeded <- e:
	default:
	}
}

// heed acts on what was noticed.
func (r *Root) heed() {
	for {
		select {
		case e := <-r.heeded:
			r.act(e)
		case <-r.ctx.Done():
			return
		}
	}
}

// The standings that a NOTICE tells.
const (
	standingInStep      = 0
	standingQuarantined = 1
)

func (r *Root) act(e flow.Event) {
	n := control.Notice{Standing: standingQuarantined, Reason: uint8(e.Reason), Text: e.Reason.String()}
	switch e.Kind {
	case flow.MemberQuarantined:
		r.log.Warn("a leaf drags the group and is served apart", "leaf", e.Member, "why", n.Text)
		r.events.add(Event{Kind: Quarantined, Member: e.Member, Text: n.Text})
	case flow.MemberReturned:
		n = control.Notice{Standing: standingInStep, Text: "keeps up again"}
		r.log.Info("a leaf keeps up again", "leaf", e.Member)
		r.events.add(Event{Kind: Returned, Member: e.Member, Text: n.Text})
	case flow.MemberOverdue:
		edges := toControl(r.s.Edges())
		r.do(func(now time.Time, m *control.Root) {
			m.SetEdges(edges) // the leaf is told how much it misses
			m.Evict(now, e.Member, transport.WSAECONNABORTED, "it has not kept up for a minute")
		})
		return
	case flow.MemberLoses:
		r.log.Warn("more than a fifth of what is sent has been lost on the way to a leaf", "leaf", e.Member)
		return
	case flow.MemberBlocks:
		r.log.Info("a leaf holds everybody back", "leaf", e.Member, "stream", e.Stream)
		return
	default:
		return
	}
	r.do(func(now time.Time, m *control.Root) { m.Notice(now, e.Member, n) })
}

// noticed takes the root's word on this leaf's standing.
func (l *Leaf) noticed(n *control.Notice) {
	kind := Returned
	if n.Standing == standingQuarantined {
		kind = Quarantined
		l.log.Warn("the root serves this leaf apart: it may miss messages", "why", n.Text)
	}
	l.events.add(Event{Kind: kind, Member: l.id, Text: n.Text})
}
