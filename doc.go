// Package joinleaf is the front of a provider of multipoint sessions over IP
// multicast: what Winsock's WSAJoinLeaf describes, in Go.
//
// A root admits leaves one by one over a TCP channel, with data both ways and
// a callback that accepts, refuses or defers. From then on data goes once, to
// a multicast group, and reaches every leaf: sealed, repaired, paced.
//
// # Where things are
//
//   - rooted has the sessions: Listen, Accept and Invite for the root, Join and
//     ListenLeaf for the leaf, Send and Recv for both. Begin there.
//   - crypto has what a session asks for before anything else: who you are. A
//     join code, certificates, or the root's pinned key with a token.
//   - transport has the sockets, the group's address, the choice of interface
//     and the one list of error codes; transport/flow repairs and paces,
//     transport/session puts both together.
//   - control has the frames and the state machines of the TCP channel.
//   - cmd/joinleaf is the command; `go run ./cmd/joinleaf demo` shows a session
//     of one root and three leaves on the loopback interface.
//
// docs/wire.md tells what is on the wire, docs/failures.md what goes wrong on
// real networks and what to do.
//
// # What this package will hold
//
// Winsock's own words: multipoint sockets with their flags, JoinLeaf, network
// events, the WSA codes as results. They come with an issue of their own. Until
// then the package holds this page and the tests of the house's rules, and there
// is nothing in it to import.
//
// # Limitations
//
// The module has rooted sessions. It has no nonrooted ones, and no signatures
// that tell one member's packets from another's: whoever holds the group's key
// can forge data of the root. Each package names its own limits at the end of
// its guide.
package joinleaf
