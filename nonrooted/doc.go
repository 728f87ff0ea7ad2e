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
// is delivered there or told as missed. Who was evicted on either side is out.
//
// # Data
//
// Each member is a sender with streams of its own, in order, repaired by whoever
// sent it: flow.Reliable, flow.BestEffort or flow.Deadline. Message.Missed is the
// whole truth. Where data has a root (RootedData) that is the coordinator; where
// all messages have one order (Ordered) the coordinator tells it.
//
// # Goroutines
//
//   - Peer.run: the loop that owns the membership machine; started by open, ended
//     by Close.
//   - Peer.accept: takes the channels that others make; started by open, ended by
//     Close.
//   - wires.read, one for each of the membership's two sockets: started by open,
//     ended by closing the socket.
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
//   - Any member can become the coordinator, which can put others out. So can who
//     may come in: on its word that others were put out where it comes from they
//     are out here, since nothing else keeps them out when sessions merge. Config.Admins
//     limits who may call Evict; it is no defence against a member that lies.
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
//     alone. A Send that waits for credit then returns as if it had been delivered.
//   - 256 members at most, and 64 that send at full speed are plenty: each keeps
//     what every other sends until it is read.
//   - In a total order another coordinator is another session: at its edge some
//     members may have had messages that others are told they missed. The order is
//     the same for all who had them.
//   - Somebody on the local network can hold up who joins, and who is to merge, by
//     false answers from addresses that do not exist: each costs some seconds.
//   - An interface that is deleted and made again is not noticed: the member is out of
//     touch until it joins anew.
//   - No second path, no signed data yet.
//   - Connect data is limited to 1 KiB, since every member keeps everybody's.
//   - Membership traffic in a quiet session: 4 datagrams a second of some 75 bytes
//     on the wire each way for a member, as many for each member at the
//     coordinator, which announces itself to the group once a second as well.
package nonrooted
