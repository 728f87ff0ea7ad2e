// Package joinleaf is a provider of multipoint sessions over IP multicast in
// Winsock's words: what WSAJoinLeaf describes, in Go, on every system.
//
//	p, err := joinleaf.Startup(joinleaf.Version, config)
//	s, err := p.Socket(joinleaf.AFInet, joinleaf.SockRDM, joinleaf.ProtoRootedRooted, nil, 0,
//		joinleaf.FlagCRoot|joinleaf.FlagDRoot)          // a leaf: FlagCLeaf|FlagDLeaf
//	s.Bind(name); s.Listen(8)                           //         s.JoinLeaf(root, caller, callee, nil, nil, JoinBoth)
//	member, from, err := s.WSAAccept(condition, nil)
//	s.Send(p)                                           //         s.Recv(p)
//
// A root admits leaves one by one over a TCP channel, with data both ways and a
// condition that accepts, refuses or defers; or it invites a leaf that listens.
// From then on data goes once, to a multicast group, and reaches every leaf:
// sealed, repaired, paced. Who does not want Winsock's words uses package rooted,
// which this one stands on.
//
// # Where things are
//
//   - rooted has the sessions with a root: Listen, Accept and Invite for the root,
//     Join and ListenLeaf for the leaf, Send and Recv for both. nonrooted has those
//     of equals.
//   - crypto has what a session asks for before anything else: who you are.
//   - transport has the sockets, the choice of interface and the one list of
//     error codes; transport/flow repairs and paces, transport/session puts both
//     together.
//   - control has the frames and the state machines of the TCP channel.
//   - cmd/joinleaf is the command; examples/winsock shows this package.
//
// docs/rules.md lists every rule that this package keeps, with the test that
// holds it. docs/wire.md tells what is on the wire, docs/failures.md what goes
// wrong on real networks.
//
// # Sockets
//
// A Socket is a descriptor: nil is INVALID_SOCKET, the same pointer is the same
// descriptor, none is used twice. What may be called when is one table
// (legality.go), and the first of several faults is the one that counts. Every
// error is a *transport.Error with a WSA code; errors.Is matches the code and the
// Go error that means the same.
//
// The catalogue entry says which planes have a root. A c_root's JoinLeaf adds one
// leaf and returns a socket for it; a c_leaf's JoinLeaf joins and returns the
// socket itself. Session data is sent and received on the root's own socket; what
// it sends on a leaf's is a side chat, which that leaf receives marked Private.
// In a data plane without a root a member receives its own messages too, until
// SIOMultipointLoop turns that off.
//
// Calls take no context: one that waits ends by its outcome, by Close, or by
// Cleanup. EventSelect makes a socket nonblocking; a join's outcome then comes as
// FD_CONNECT. A local name is a UDP port that the socket holds open, so it is
// unique on the host; the control channel uses the same port of TCP.
//
// # Quality of service
//
// A QOS travels with the join, the condition may change it, and what it leaves
// holds at both ends. Sending is held to it by token buckets, a root's by the
// strictest of its leaves'. They count what RFC 2215 counts: bytes of packets with
// their headers, repairs and parity included. Guaranteed and controlled-load rates are
// counted against Config.Capacity at both ends.
//
// # Goroutines
//
//   - Provider.spawn starts all of them, but for the last steps of Cleanup, which
//     Cleanup starts itself, and Cleanup waits for them: the join of a
//     nonblocking JoinLeaf (ended by the outcome or Close); Socket.attend, one per
//     listening socket (Close); Socket.pump, one per c_leaf that is in (the
//     connection's end or Close); Socket.follow, one per socket that events were
//     selected on (likewise); Provider.reach when the data's root comes or goes (at
//     once); Socket.gather, one per member of a session without a
//     root (likewise); Socket.awaitRoom after a send that would have waited
//     (room or Close); what delivers behind a Close or Shutdown (delivery, 10 s).
//
// # Limitations
//
//   - Rooted data without a control root, of which no example is known, is in the
//     catalogue and refused with WSAEOPNOTSUPP.
//   - Where the data's root is not the c_root, and where data has none, a leaf hears of
//     a newer one a trip later than that has joined: what it sends until then is not
//     owed to it. Nor does it keep to what that one wants to receive at most.
//   - What a data root that is a leaf sends is not signed, so a leaf joins such a session
//     only if Config.Session.Source is Group.
//   - A listening socket's port is one of TCP. Any program may connect to it; no
//     accept call hears of who then proves nothing.
//   - In a session without a root, where a member that only sends has to be found
//     too, it joins the group on the membership port.
//   - Accept and WSAAccept wait, on nonblocking sockets too, until a leaf that
//     they accepted is in: some round trips.
//   - Shutdown of a leaf's sending is not told to the root.
//   - The flow specification of a joined socket can be changed at its own end
//     only: nothing tells the other.
//   - What members say about data, reports and beats, and news of keys pass no token
//     bucket; a bucket smaller than a full packet is one. A side chat has a bucket of its
//     own and counts message bytes.
//   - Unread side chats are kept up to 1,024 messages and 1 MiB; then they wait at
//     the other end. Own messages beyond that are dropped and counted as Missed.
//   - Overlapped calls, socket groups, routing and address-list events do not
//     exist here.
package joinleaf
