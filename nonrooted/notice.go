package nonrooted

import (
	"github.com/joinleaf/joinleaf/transport/flow"
)

// notice takes what the sending half noticed of a member. It must not wait.
func (pl *plane) notice(e flow.Event) {
	if pl.over.Load() {
		return
	}
	who := Member{ID: e.Member}
	if m := (*pl.known.Load())[e.Member]; m != nil {
		who = *m
	}
	p := pl.p
	switch e.Kind {
	case flow.MemberQuarantined:
		p.log.Warn("a member drags the others and is served apart", "member", e.Member, "why", e.Reason)
		p.events.add(Event{Kind: Quarantined, Member: who, Text: e.Reason.String()})
	case flow.MemberReturned:
		p.log.Info("a member keeps up again", "member", e.Member)
		p.events.add(Event{Kind: Returned, Member: who, Text: "it keeps up again"})
	case flow.MemberOverdue:
		p.log.Warn("a member has not kept up for a minute: it misses most of what is sent, until somebody evicts it", "member", e.Member)
	case flow.MemberLoses:
		p.log.Warn("more than a fifth of what is sent has been lost on the way to a member", "member", e.Member)
	case flow.MemberBlocks:
		p.log.Info("a member holds this one back", "member", e.Member, "stream", e.Stream)
	}
}
