package joinleaf

import "github.com/joinleaf/joinleaf/transport"

// What may be done with what: two tables, and nothing else decides.

// flagsLegal says which multipoint flags an entry takes (R13 to R20): both or
// neither plane named, the root flags only where that plane is rooted.
func flagsLegal(e ProtocolInfo, f Flags) bool {
	if f&^flagsKnown != 0 {
		return false // R23
	}
	m := f & flagsMultipoint
	if m == 0 {
		return true
	}
	c, d := m&(FlagCRoot|FlagCLeaf), m&(FlagDRoot|FlagDLeaf)
	switch {
	case !e.multipoint():
		return false
	case c != FlagCRoot && c != FlagCLeaf, d != FlagDRoot && d != FlagDLeaf:
		return false // exactly one of each (R13)
	case c == FlagCRoot && !e.rootedControl():
		return false // R14
	case d == FlagDRoot && !e.rootedData():
		return false // R16
	}
	return true
}

// situation is what a socket is and where it stands, as far as calls care.
type situation uint8

const (
	plainTCP situation = iota // of the default TCP entry
	plainUDP                  // of the default UDP entry
	ordinary                  // of a multipoint entry, without its flags
	rootIdle                  // a c_root without a session
	rootOpen                  // it has one and does not listen: it has invited
	rootListening
	rootInviting  // an invitation is under way, not listening
	rootBoth      // one is under way and it listens
	rootOver      // its session has been shut down
	leafIdle      // rooted control, not joined
	leafListening // waits for invitations
	leafJoining
	leafJoined
	leafSpoiled // a join failed in a way that forbids another try (R157)
	leafEnded   // its session is over (R227)
	peerIdle    // nonrooted control
	peerJoining
	peerJoined
	peerSpoiled
	peerEnded
	memberPending // returned by a nonblocking root-initiated join under way
	memberJoined
	memberDead // that join failed (R116)
	memberEnded
	situations
)

// call is an operation whose legality depends on the situation.
type call uint8

const (
	callBind call = iota
	callListen
	callAccept
	callJoin
	callSend
	callRecv
	callShutdown
	callPeerName
	callSelect // event selection
	calls
)

// Short names for the table; ok means that the call goes on.
const (
	ok = transport.Code(0)
	iv = transport.WSAEINVAL
	nc = transport.WSAENOTCONN
	no = transport.WSAEOPNOTSUPP
	ic = transport.WSAEISCONN
	al = transport.WSAEALREADY
	sf = transport.WSASYSCALLFAILURE
)

// legal answers every call in every situation. Whether a socket is bound, and
// which directions it has, is asked elsewhere.
var legal = [situations][calls]transport.Code{
	//              bind listen accept join send recv shut peer select
	plainTCP:      {ok, no, no, sf, no, no, nc, nc, ok},
	plainUDP:      {ok, no, no, sf, no, no, nc, nc, ok},
	ordinary:      {ok, no, no, iv, no, no, nc, nc, ok},
	rootIdle:      {ok, ok, iv, ok, nc, nc, nc, nc, ok},
	rootOpen:      {iv, ok, iv, ok, ok, ok, ok, nc, ok},
	rootListening: {iv, ok, ok, ok, ok, ok, ok, nc, ok},
	rootInviting:  {iv, ok, iv, al, ok, ok, ok, nc, ok},
	rootBoth:      {iv, ok, ok, al, ok, ok, ok, nc, ok},
	rootOver:      {iv, iv, iv, iv, nc, ok, nc, nc, ok},
	leafIdle:      {ok, ok, iv, ok, nc, nc, nc, nc, ok},
	leafListening: {iv, ok, ok, iv, nc, nc, nc, nc, ok},
	leafJoining:   {iv, iv, iv, al, nc, nc, nc, nc, ok},
	leafJoined:    {iv, ic, iv, ic, ok, ok, ok, ok, ok},
	leafSpoiled:   {iv, iv, iv, iv, nc, nc, nc, nc, ok},
	leafEnded:     {iv, iv, iv, iv, nc, ok, nc, ok, ok},
	peerIdle:      {ok, no, no, ok, nc, nc, nc, nc, ok},
	peerJoining:   {iv, no, no, al, nc, nc, nc, nc, ok},
	peerJoined:    {iv, no, no, ic, ok, ok, ok, ok, ok},
	peerSpoiled:   {iv, no, no, iv, nc, nc, nc, nc, ok},
	peerEnded:     {iv, no, no, iv, nc, ok, nc, ok, ok},
	memberPending: {iv, iv, iv, iv, nc, nc, nc, nc, iv},
	memberJoined:  {iv, iv, iv, ic, ok, ok, ok, ok, ok},
	memberDead:    {iv, iv, iv, iv, nc, nc, nc, nc, ok},
	memberEnded:   {iv, iv, iv, iv, nc, ok, nc, ok, ok},
}
