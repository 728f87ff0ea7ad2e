package nonrooted

import (
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport/session"
)

// Stats is a snapshot of a member.
type Stats struct {
	// Data is the data plane's, of the present session.
	Data session.Stats
	// Membership is the control machine's; Channels are the DTLS endpoint's.
	Membership control.MembershipStats
	Channels   dtls.Stats
	// PacketsSent and BytesSent are the membership's, as UDP payload; PacketsHeard
	// what reached its sockets. Far were dropped since they came from beyond the
	// local network, Flood since there were too many of them.
	PacketsSent, BytesSent, PacketsHeard, Far, Flood uint64
	// View is the present view's number.
	View uint64
}

// Stats returns a snapshot.
func (p *Peer) Stats() Stats {
	w := &p.wires.counts
	st := Stats{
		Channels: p.channels.Stats(), PacketsSent: w.sent.Load(), BytesSent: w.sentBytes.Load(), PacketsHeard: w.heard.Load(),
		Far: w.far.Load(), Flood: w.flood.Load(),
	}
	if v := p.view.Load(); v != nil {
		st.View = v.Number
	}
	if pl := p.sending.Load(); pl != nil {
		st.Data = pl.s.Stats()
	}
	answer := make(chan control.MembershipStats, 1)
	if p.do(func(_ time.Time, m *control.Membership) { answer <- m.Stats() }) == nil {
		st.Membership = <-answer
	}
	return st
}
