// Package nonrooted is a session of equals: members that join a group which
// nobody owns. Each sends to all others; who is in, everybody knows.
//
//	p, err := nonrooted.Join(ctx, group, nonrooted.Config{Identity: crypto.Identity{Code: code}})
//	p.Send(ctx, message)
//	m, err := p.Recv(ctx, buffer)
//	view := p.View()            // who is in
//	e, err := p.NextEvent(ctx)  // who came, who went, what merged
//	p.Shutdown(ctx)
//
// # Joining
//
// A member asks on the group's membership port, which is the next one, whether
// there is a session. Where nobody answers for Config.FoundAfter it founds one;
// else it makes a DTLS channel to the coordinator, both prove who they are, and
// it gets an id, the keys and the list of members. Caller data (Config.Data) goes
// to all members, callee data (Config.Callee) comes from the coordinator. The
// group is joined before anybody is asked. Join returns when all others can open
// what this member seals.
//
// # The coordinator
//
// The oldest member draws the keys and says who is in. It owns nothing: when it
// leaves, the next oldest goes on at once, and when it dies, after
// Config.Silence. A change of members is a change of keys, and both are one
// [View]: who joins gets keys that tell nothing of before, and who left has none
// of those that follow.
//
// # Partitions
//
// When the network falls apart each side goes on under keys of its own. When it
// is whole again the coordinators find each other within a second or so and the
// sides merge: the one of the higher term stays, or the larger one, and the
// members of the other join it under new ids. They are told by Parted and
// Merged, the others by Merged. No message crosses: what was sent in one session
// is delivered there or told as missed; a Send that waits at that moment sends in
// the next one. Who was evicted on either side is out.
//
// # Evictions
//
// The coordinator may evict, and those whom Config.Admins of the founder names. An
// eviction is a signed word that members keep and show: it outlives who gave it and
// holds in whatever session it is shown. A coordinator's word binds those who
// follow it, which each has signed on the way in; so no member can make up that
// somebody was put out where it comes from. What does not prove itself is dropped
// and counted (Stats.Membership.Undue).
//
// # Data
//
// Each member is a sender with streams of its own, in order, repaired by whoever
// sent it: flow.Reliable, flow.BestEffort or flow.Deadline. Message.Missed is the
// whole truth. Where data has a root (RootedData) that is the coordinator; where
// all messages have one order (Ordered) the coordinator tells it.
//
// When the coordinator of an order goes, a session that succeeds this one begins
// with all who follow, and in it one order again. What has no place in the old one
// by then is missed by all alike: that is what was sent since the coordinator was
// heard last, some two seconds of it, or Config.Window. What has a place is
// delivered by who heard of it, and told as missed by who did not; nothing comes
// twice.
//
// # Interfaces
//
// An interface that is deleted and made again takes the group along without a word
// to any socket. The member notices within a second or two, tells InterfaceLost and
// InterfaceBack, and enters its session anew. Where it does not come back within
// Config.JoinTimeout the membership ends with WSAENETDOWN.
//
// # Goroutines
//
//   - Peer.run: the loop that owns the membership machine; started by open, ended
//     by Close.
//   - Peer.watch: looks after the interface; started by open, ended by Close or
//     with the membership.
//   - Peer.accept: takes the channels that others make; started by open, ended by
//     Close.
//   - wires.read, one for each of the membership's two sockets: started by
//     Peer.listen, ended by closing the socket.
//   - the one that dials, one per channel under way: started by Peer.reach; 3 s.
//   - Peer.pump, one per channel: started by Peer.carry, ended with the channel.
//   - the one that closes a channel: started by Peer.bury; a second at most.
//   - plane.close, for a session's data plane that is not read any more: started
//     by Peer.dropOld, ends at once.
//
// The DTLS endpoint and the data plane have theirs, see crypto/dtls and
// transport/session; Close waits for all. A timer's callback, set by retire, runs
// 2 s after somebody joined and finds nothing to do once all is closed.
//
// # Limitations
//
//   - Data is authenticated by the group's key: any member could pose as any
//     other. So could it in what members report to each other of lost packets.
//   - Any member can become the coordinator, which can put out those who follow it:
//     who claims when the coordinator is silent, and whoever answers a joiner first.
//     Its word counts later too: a coordinator that is one no more can ban, back-dated,
//     whom it has led.
//   - A ban has no end and no home: who was put out of one session can be kept out of
//     another, with the same key, by a member that has the ban. A session remembers
//     256, of which others' words take 192 at most; then Evict fails with WSAENOBUFS.
//   - Everybody waits for everybody (see Config.Quarantine): one that is in and
//     does not read holds up who sends.
//   - Each member needs a key of its own: of two processes with the same
//     certificate the first is put out when the second comes.
//   - With a join code an evicted member can come back as a new process, with a
//     new key, until the code is changed. With certificates it cannot.
//   - The membership needs a port of its own, the group's plus one, which the
//     firewall must let through, and UDP between all members.
//   - A member that only sends has joined the group on the membership port
//     nevertheless: it may be the coordinator one day.
//   - When a session merges into another, what its members had sent and others
//     had not received yet is lost; who misses it is told, who sent it by Drain
//     alone. Members stop sending 150 ms before that, to repair what they can and to
//     tell how far they had written: who loses all packets of that time may not know
//     what it missed.
//   - Who is cut off from a claimant for 0.7 s while the others follow it is left
//     behind, and comes in again under a new id. At 5 % loss that is not rare.
//   - 256 members at most, and 64 that send at full speed are plenty: each keeps
//     what every other sends until it is read.
//   - In a total order another coordinator is another session: see above what that
//     costs. A smaller Config.Silence makes it less.
//   - Somebody on the local network can hold up who joins, and who is to merge, by
//     false answers from addresses that do not exist: each costs some seconds.
//   - Who drags others hears of its quarantine by Message.Missed alone. Nobody is
//     evicted for it: a member that never keeps up misses most of what is sent.
//   - No second path, no signed data yet.
//   - Connect data is limited to 1 KiB, since every member keeps everybody's.
//   - Membership traffic in a quiet session: 4 datagrams a second of some 75 bytes
//     on the wire each way for a member, as many for each member at the
//     coordinator, which announces itself to the group once a second as well. It is
//     measured, and held to, by
//     go test -v -run TestSixtyFourMembersInOneSession ./nonrooted, and per link by
//     go test -run TestMembershipTrafficOf64IsBounded ./control.
package nonrooted
