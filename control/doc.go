// Package control is the control plane of a session with a root, as frames and
// state machines: bytes and times in, bytes and events out. TCP, TLS, clocks
// and goroutines stay with the caller, so every rule here is tested without a
// network, and what a hostile peer can do is what a byte slice can say.
//
// # Frames
//
// A frame is length(4) type(1) body, big-endian; the length counts type and
// body. Each frame type has an Append and a Parse with the layout drawn above
// them, and a sample in testdata. What parses encodes to the same bytes again;
// what is refused was refused with a [Fault] before anything was allocated.
// [Reader] cuts a connection's bytes into frames; give a Fault of its own to
// Unreadable, which ends the connection as a bad frame does.
//
//	leaf asks                        root invites
//	leaf          root               root          leaf
//	  JOIN ------->                    INVITE ----->
//	     (queued, accepted)               (accepted)
//	  <---- WELCOME                    <------ JOIN   the same from here on
//	  (joins the group)
//	  READY ------>
//	  <------ START                  counted in: R244
//	  <--> BEAT, CHAT; <- REKEY, SENDERS, NOTICE; REKEYED, RESYNC ->
//	  BYE <------->                  or REFUSE, before WELCOME
//
// # Machines
//
// [Root] is the root's side of all control connections, [Leaf] a leaf's of its
// one. Both have the surface of [Machine]: Handle a frame, Advance the time,
// ask NextTimeout, Poll outputs to the end after every input. [Run] does that
// and is the only code here that reads the clock; other goroutines send it
// funcs. Inputs may be given from within Run's out as well, which is the
// easiest way to answer EpochWanted with SetEpoch and EpochReady with Start.
//
// The root's connections, from Open (proven by the shell) on:
//
//	proven --JOIN--> queued --Answer--> admitted --SetEpoch--> welcomed
//	   |                                   ^                      | READY
//	   +--Invite--> inviting --JOIN--> accepted       joined <-- ready
//	                                                      Start
//
//	who asks:       Requested ( Withdrawn | Answer [ Failed | Joined Left ] ) Hangup
//	who is invited: ( Failed | Accepted Answer ( Failed | Joined Left ) ) Hangup
//
// Each of these comes at most once for an id, Hangup exactly once and last. A
// leaf's last event is Closed, exactly once:
//
//	idle --Join------------------> joining --WELCOME--> entering
//	  |                              ^                     | Ready
//	  +--INVITE--> considering --Answer        member <-- prepared
//	                                              START
//
// Hangup and Closed mean: write out what is queued, then close. A TCP close
// with unread bytes in the receive buffer resets the connection and can
// swallow the farewell, so close the sending direction first and read on for a
// moment.
//
// # Accepting
//
// Requests wait in a bounded queue (RootConfig.Backlog; full: the newcomer is
// refused, R78). Next shows the head to an accept call, Answer decides it. A
// deferred request keeps its place (R93); one that went away keeps it too,
// as the error of the accept call it was meant for (R100, R101, R163), until
// a newcomer needs the room. [Meet] tells whether roles meet (R193).
//
// Where a late leaf wants to begin (Join.From) is carried to the caller, who
// finds it with the request and with the leaf until it is counted in, and
// answers with the edges of Start.
//
// # Epochs
//
// That a leaf must know epoch n is a value, told minus acknowledged; a rekey
// that overtakes another needs no special case. The news itself goes to the group
// and not through here: a leaf's shell calls Rekeyed when it has the keys, Behind
// when it cannot follow. A BEAT names the newest epoch, and one goes at once to
// who has not answered within 500 ms; a leaf that does not catch up asks with
// RESYNC, once a second, which is Lagging at the root, and Grant answers it. Joiners are served in batches,
// one at a time, by a step. A departure of anybody who was sent WELCOME asks
// for a fresh epoch at once, overtakes what is pending and carries its joiners
// along; departures within 50 ms share one. EpochReady comes when all have
// acknowledged, after 500 ms at the latest.
//
// # Ends
//
// BYE carries a code, a reason and how far its sender has sent: call SetEdges
// before Close or Evict. Code 0 is a close in good order, which a shell words
// as WSAEDISCON (R222). A reset, or an end without BYE, is WSAECONNRESET,
// silence WSAECONNABORTED (R225), and before the leaf is in WSAETIMEDOUT (R63).
// Who speaks in the data plane is not silent.
// A frame that is malformed, unknown, too long or out of turn ends its
// connection: counted by Fault, answered by one REFUSE or BYE. When this side
// itself slept (a stopped process, a suspended host), the others' silence does
// not count: what they said waits in the sockets' buffers.
//
// # Bounds
//
// Connections: 256 that have not asked (one more closes the oldest), the
// backlog, 10,000 leaves (one more is refused). Memory for each: its JOIN, at
// most 68 KiB, until it is in. Outputs wait for Poll only: an input leaves at
// most four for each connection, so who polls to the end each time is bounded.
// Every wait has a deadline; the times stand in root.go.
//
// # Equals
//
// [Membership] is the machine of a session that nobody owns. Its frames go over
// DTLS instead of TCP, each link through a [Pipe], which puts them in order.
// HELLO and HERE are the only packets in clear. The oldest member, by id, is the
// coordinator: it draws the keys and gives out the [View], which is one value
// for who is in, who may never come in again, and under which keys they speak.
//
//	seeking --HERE--> arriving --VIEW--> following --(coordinator gone)--> claiming
//	   |                 ^                                                    |
//	   +--(nobody)-------|------------------> leading <------(agreed)---------+
//	                     +--(lost to another session)
//
// A view is told, taken by everybody, then used; the next one waits for that, or
// for 300 ms. Joiners step the keys on, departures make fresh ones. When the
// coordinator is silent the oldest who is left claims the next term, and is
// followed by those who miss the coordinator too. Parts of a session that was
// cut in two find each other again by the HERE that coordinators announce: both
// judge alike which one stays, and the members of the other enter it under new
// ids. An id is never used by two members under one key, so packet numbers are
// never nonces twice. A session is left in two steps: for 150 ms nothing new is sent
// in it, so that what is on its way arrives.
//
// Who is put out is out by a [Ban], which proves itself: it is signed by an admin of
// the charter, or by the coordinator of a term together with the oath of who is
// out that it followed in that term. Nobody is in a view without that oath, which
// is given by SWEAR and AGREE. Bans go with ENTER, AGREE, GREET and VIEW; one that
// does not hold is dropped and counted, and of a list no more than 16 such are
// looked at.
//
// # Goroutines
//
// None. Run runs in its caller's until ctx ends.
//
// # Limitations
//
//   - The machines trust what the shell says of a connection: that it is
//     proven, and who it is. A leaf's READY may name any unicast address; a
//     shell that sends there without having heard from it first can be aimed
//     at somebody else by a leaf.
//   - Nothing limits how many frames a member may send in a second; the shell's
//     reading pace does.
//   - Every leaf acknowledges every epoch: a change of keys brings the root as many
//     short frames as there are leaves.
//   - An answer that crosses the request's withdrawal is reported by Failed,
//     not by Answer.
//   - Connect data and side chat messages are limited to 64 KiB.
//   - Notices are not weighed against each other: each call sends one, and one
//     that is out of date by then is sent all the same, in order.
//   - Whether a leaf may have what was sent before it came is not asked here;
//     who minds gives Start the edges of now.
//   - Among equals any member may become the coordinator, which draws the keys
//     and says who is in: a member that turns against the others can put them out.
//   - An eviction that only the coordinator knew of when it died is forgotten; an
//     admin's is not, which the admin remembers.
//   - A ban holds wherever it is shown, for as long as anybody remembers it.
//   - Where some pairs of members cannot reach each other while others can, a
//     member that has lost the coordinator alone stays out until it reaches it.
//   - A step that was asked for before a departure may still be given after it;
//     the fresh epoch follows, and until then the leaver can read, as it could
//     in the instant before it left.
package control
