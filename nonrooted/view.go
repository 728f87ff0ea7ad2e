package nonrooted

import (
	"net/netip"
	"slices"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
)

// Member is one of those who are in.
type Member struct {
	// ID rises with every member that comes. It is this member's as long as it
	// stays in this session; after a merger it may have another one.
	ID uint32
	// Pin is its key's fingerprint: its name across mergers.
	Pin           crypto.Pin
	Control, Addr netip.AddrPort // where it hears of membership, and data
	Role          Role
	Data          []byte // what it said of itself on the way in; nil is nothing (R179)
}

// View is who is in, at one moment: all who have the same view see the same.
type View struct {
	Number      uint64 // rises; the upper half is the coordinator's term
	Session     crypto.SessionID
	Self        uint32
	Coordinator uint32   // the oldest
	Members     []Member // by age, this one included
}

// Member returns the member of that id.
func (v *View) Member(id uint32) (Member, bool) {
	i := slices.IndexFunc(v.Members, func(m Member) bool { return m.ID == id })
	if i < 0 {
		return Member{}, false
	}
	return v.Members[i], true
}

func viewOf(e *control.EqualEvent, pl *plane) *View {
	v := &View{Number: uint64(e.Number), Session: pl.charter.Session, Self: pl.id, Coordinator: e.Lead}
	for _, m := range e.Roster {
		v.Members = append(v.Members, memberOf(m))
	}
	return v
}
