// Package rooted is a session with an owner: a root admits leaves one by one,
// then data goes once to all of them on a multicast group, sealed and repaired.
//
//	r, err := rooted.Listen(ctx, group, config)   l, err := rooted.Join(ctx, root, data, config)
//	m, err := r.Accept(ctx)                       l.CalleeData()
//	r.Send(ctx, p)                                l.Recv(ctx, p)
//	m.Chat(ctx, p)                                l.RecvChat(ctx, p)
//	r.Shutdown(ctx)                               // io.EOF from Recv
//
// # Joining
//
// Control runs over TCP and TLS 1.3; both ends prove who they are before
// anything is said (Config.Identity). A leaf asks with caller data (Join), or
// the root invites one that listens (Invite, ListenLeaf); the condition of the
// side that is asked accepts, refuses or defers and writes callee data. The
// leaf gets its keys, joins the group, waits until it hears it, and only then
// says that it is ready; Accept and Join return after that. So nothing that
// the root sends after Accept returned can be missed for want of a group join,
// and nothing sent before is delivered.
//
// # Data
//
// The data plane is the root's to choose: RootedData (the root to all, a leaf
// to the root only), NonrootedData (everybody to everybody) or LeafRootedData (as
// the first, but the data's root is the leaf that the condition says). Each stream has
// a class: flow.Reliable delivers every message in order, at the pace of the
// slowest leaf; flow.BestEffort never waits for a repair and tells exactly how
// many messages were missed. Either way Message.Missed is the whole truth.
//
// With Config.Ordered everybody sees the messages of all senders in one order,
// their own included, and SenderJoined and SenderLeft between the same messages.
// Message.Order is the place. Each message comes at most once, two members never
// see two messages in different orders, and what one of them lacks is in Missed.
// The root orders: messages of others have their place once they have reached
// it. It needs nonrooted data.
//
// # Who said it
//
// Every leaf has the group's key, so every leaf could seal data in the root's name.
// Therefore the root signs: it hashes what it sends and signs the hashes, up to 512
// packets at a time, and leaves read nothing that is not proven (Signed, the
// default). A forgery costs a repair; a Forged event tells of it. SignedEager reads
// first and tells afterwards, Group does without. Config.Source says which, at a
// leaf the least that it accepts. What a leaf sends to the root is under the pair's
// own key at any level.
//
// # Keys
//
// Who joins moves the session to a new epoch by a one-way step, who leaves by
// fresh randomness. The joiner opens nothing from before. The leaver opens
// nothing that is sent once the new keys are in use, which is when Evict
// returns. An hour, or 2^36 packets, without a departure make a fresh epoch too.
//
// The root keeps a crypto.Tree, each leaf its crypto.Path: whatever changes is one
// small signed packet to the group, for any number of leaves, sent three times
// within 100 ms. Leaves answer over the control channel, and when all have, or
// after half a second, the root seals under the new epoch and says so, signed,
// with the number of its last packet under the old one. A leaf that missed it is
// reminded by then, asks, and gets all its keys anew over its channel: Stats count
// how often. No leaf acts on a key id that it does not know.
//
// # How long a leaf may stay
//
// With certificates until its own runs out, or the root's; with an authorizer until
// the time that it gave, and it is asked again after a day and by Reauthorize. With
// a join code, for as long as the session lasts. Dates are held against the clock
// when a leaf comes in; setting the clock later changes nothing.
//
// # Ends
//
// Close takes a member out at once, Shutdown delivers first. The other side
// hears why: io.EOF for a good end, WSAECONNRESET for a broken one,
// WSAECONNABORTED for silence, or the code that Evict gave. After Close every
// call matches net.ErrClosed.
//
// # Goroutines
//
//   - Root.run: the loop that owns the control machine; started by Listen, ended
//     by Close.
//   - Root.admit: accepts control connections; started by Listen, ended by
//     closing the listener.
//   - Root.watch: tells the machine how far data has come; started by Listen,
//     ends with the root.
//   - Root.heed: acts on what the data plane noticed of a leaf; started by Listen,
//     ends with the root.
//   - Root.prove, one per connection that proves itself, at most 256: started by
//     Root.admit, ended by success, failure or 5 s.
//   - link.read, link.write and the one that waits for both, per control
//     connection: started by link.run, ended by the connection; Close gives them
//     a second for the last words and one for the other side's.
//   - the one that waits for a link to end: started by Root.hangup.
//   - the authorizer's, one per call and 32 at most: started by
//     Root.askAuthorizer; it ends when Config.Authorize returns, which Close does
//     not wait for. For an invited leaf Root.accepted starts the one that waits,
//     5 s at most.
//   - Root.reauthorize, when leaves are to be judged again: started by Root.expire
//     or by who calls Reauthorize, with up to 32 workers; it ends with the answers.
//   - Leaf's loop: started by newLeaf, ended by Close.
//   - Leaf.learn: brings what the group says of keys to the loop; started by
//     Leaf.welcomed, ended by Close.
//   - the one that waits until the group is heard: started by Leaf.welcomed,
//     ended by a packet, 250 ms or Close.
//   - Leaf.rejoin: started by Leaf.hearing when the group falls silent; 5 s.
//   - Leaf.bound's timer: a short callback, when the root's certificate runs out;
//     stopped by Close.
//   - the one that waits for the last data of who said goodbye: started by
//     Leaf.closed and Root.left, ended by the data, 250 ms or Close.
//   - LeafListener.admit: as the root's; started by ListenLeaf.
//   - LeafListener.prove: started by LeafListener.admit, at most 256 that have no
//     invitation yet; it ends when Accept has decided its invitation, or that
//     went away, or by Close.
//
// Three timers run short callbacks of their own, which find nothing to do once
// all is closed: that of Root.probe, every 5 ms for 300 ms at most while leaves
// come in; that of retire, 2 s after somebody joined; and that of Root.burst, 20 and
// 100 ms after the keys have changed, and a millisecond after each 32 parts of a
// long rekey. Close does not wait for them.
//
// # Limitations
//
//   - With NonrootedData and LeafRootedData only Group is there: any member can pose
//     as any other, and read what a leaf sends to a data root that is a leaf.
//   - With LeafRootedData nobody watches for a group that has fallen silent.
//   - Signatures keep forgeries from being read. A leaf that floods the group in the
//     root's name still costs the others repairs, and can forge what the data plane
//     says about itself: BEATs, positions, packet numbers far ahead. Then data is
//     late, or told as missed, until that leaf is evicted.
//   - What the group hears in the root's name counts as life of the root, and so the
//     same leaf can hide from the others that the root is silent, until the control
//     connection breaks. A leaf's reports are sealed with its own key.
//   - Signed adds up to 5 ms where little is sent and nobody calls Root.Flush. It
//     hashes in the goroutine that sends and in the one that reads, about half a
//     microsecond a packet each where an amd64 processor has instructions for
//     SHA-256, a fifth where it has AVX-512.
//   - A change of keys costs the root one packet and an answer from every leaf; one
//     packet and a frame more for each leaf that only sends.
//   - A leaf that missed the packets of a departure takes what the leaver seals
//     until it has asked: two thirds of a second, if its channel is well. A member
//     that floods the group with forged rekeys has others ask, too.
//   - Who leaves by itself can read on until the keys have changed, half a
//     second at most.
//   - A leaf whose network carries no multicast gets no data: there is no
//     fallback to unicast. It is told by GroupSilent.
//   - An interface that is deleted and made again is noticed by a leaf that
//     hears nothing any more, while the root sends, after three beats of the
//     control channel: 3 s. A root whose own interface goes has to be
//     closed and opened again.
//   - A leaf that stops reading holds up a reliable session for two seconds, then
//     it is quarantined: it is told what it misses, and after a minute evicted.
//     What it missed is gone: there is no store behind the root's ring.
//   - What waits for Send when a leaf's membership ends is lost; a Send that had
//     returned may have been as well. Drain tells.
//   - A total order is the root's: it ends with the root, costs a way more through
//     the network, and is not for rooted data. It does not promise that what one
//     leaf got all others get: after a sender's death, or to a leaf that is served
//     apart, messages may be missing, which Missed tells. What has no place when
//     the root closes is missed by all; Shutdown gives a place to what has reached
//     the root, Drain of a leaf tells that its own messages have had theirs.
//   - QoS is carried, not enforced but for what Limit is told.
package rooted
