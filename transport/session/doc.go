// Package session makes a flow, a sealer and sockets into one member's data
// plane. It is written once: a root, a leaf and a peer differ in the values of
// Config, never in code.
//
//	                       hears              writes to      To
//	root, rooted data      its unicast        the group      0
//	leaf, rooted data      group, unicast     the root       the root's id
//	any member, nonrooted  group, unicast     the group      0
//
// # The way out
//
// Send writes the message into the open packet of its stream. Who is not in a
// loop sees it leave at once; in a loop messages gather until a batch is full,
// 200 microseconds at most. A batch is sealed packet by packet from the ring
// into one buffer of equal segments and leaves with one system call, all of
// that in the goroutine that called Send, under one mutex, so that packets
// leave in the order of their numbers. When credit or the rate allow no more,
// Send waits; feedback or the timer send what waits. Neither of them ever waits
// for the mutex: they leave word, and whoever holds it does the work before
// letting go.
//
// Who sends as fast as the processor allows, and has work besides the system's
// calls that is worth it (hashes and signatures, mostly), gets a second goroutine
// that makes them: see pipeline. At most 2 ms of calls wait for it then.
//
// Feedback and repairs for one member take packet numbers of the group's key where
// members share no other. A packet's flags say how many, so that the others do not
// count them as lost.
//
// # The way in
//
// A reader per socket takes a batch from the kernel, checks each packet's
// destination, lets the sealer check, open and mark it, all without a lock,
// then takes the receive mutex once and hands the packets to their senders'
// machines. The machines judge their gaps once per batch, whoever waits in Recv
// wakes, and feedback leaves by unicast when the mutex is free again. Recv copies from the buffer that
// the kernel wrote to the caller's: the one copy on the way in, but for small
// reads, which are packed first so that they do not hold 64 KiB each. Where
// more than 25,000 packets a second come, the reader naps for 100 or 200
// microseconds between reads: waking for every few costs as much as opening
// them. Who sends as many looks for feedback every half millisecond, and waits for
// it only while a Send does: what waits at a socket costs each packet that leaves
// by it (see away).
//
// One socket, the group's where there is one, Recv reads itself when it finds
// nothing ready and packets come one by one (see turn): a message then comes to
// who waits for it without a second thread, which would take longer to wake than
// all the rest. That is so with the kernel's sockets on Linux and without an
// order; elsewhere, and where packets come in company, the readers read. With
// BusyPoll it does not sleep at all for so long, and gives the processor away
// between any two looks: it may share it with whoever is to answer.
//
// Nothing on either way allocates once the buffers have grown.
//
// # Keys and members
//
// Packets to the group are sealed with the group's keys. What goes to one
// member is sealed with the key shared with it where Hub says that there is
// one, else with the group's. Cut is where an epoch begins; news of the keys
// goes by SendKeys and comes to Config.Keys, unread. AddMember and
// AdmitSender say who is owed this member's data and whose data it takes;
// AddPeer does both without a control channel, by START frames.
//
// # One order
//
// With Config.Sequencer all members see the messages of all senders in one
// order. Data goes as ever; the sequencer gives each message a place once all of
// it is there, its own when Send takes it, and tells so on a hidden reliable
// stream behind the session's own: runs of {sender, stream, first, how many},
// which wait at most 200 microseconds for company. A message is delivered when
// its place has come and it is here. Message.Order is the place.
//
//   - A member's own messages come back to it in their place. Their copies are
//     bounded by Window; then Send waits for Recv, but two seconds at most,
//     unless NoQuarantine: then the oldest are given up, and told as missed.
//   - What the sequencer lacks for good has no place and is passed over by all,
//     with what its sender said behind it. The sequencer is never quarantined. Where its own application has not read for two
//     seconds and that holds the others up, the application misses messages.
//   - Who is in comes in the order too: see Config.View. What a member sent and
//     has no place when it is out is passed over by all alike, and what it sent
//     before is heard, though its departure was told earlier elsewhere. Who
//     joins is owed what each sender sends once that has heard of it; places of
//     other messages are passed over.
//   - A member that was quarantined may not have been sent a stretch of the
//     order. It goes on behind it, and tells what it misses; who came and went
//     in it is told with the next list of members, a second later at most.
//
// The price is a way more through the network, at most 200 microseconds, and
// for messages that come one by one some 14 bytes each, in a packet of the
// sequencer's; in a stream of them far less than one.
//
// # Proofs
//
// The group's key proves that a member sealed a packet, not which. With a Signer the
// sending half hashes every symbol that goes for the first time, while it is in the
// cache to be sealed, and sends the manifests that the Signer makes of the hashes
// as packets of their own. With a Verifier a reader hashes what it opened, without
// a lock, and the sender's machine (flow.Judge) reads no symbol before it is
// proven; what a manifest says is forged is asked for again. Questions for lost
// manifests come back by unicast; each member's are bounded, and so are the bytes
// of the answers. What the Signer has forgotten is hashed anew from the ring.
//
// # Goroutines
//
//   - reader.run, one per socket: started by New and ReplaceGroup (startReader),
//     ended by closing the socket; Close waits for it.
//   - alarm.ring, the timer's: started by alarm.arm when something is due, it
//     ends at once; Close waits for a running one.
//   - writer.pump, at most one: started by judge when the pipeline opens for the
//     first time, ended by Close, which waits for it.
//
// Recv and WaitReadable start none, but where they wait at the socket a done ctx
// wakes them by context.AfterFunc, which stays with a ctx that comes again and again until
// another comes, or Close.
//
// # Limitations
//
//   - One mutex covers a member's sending, one its receiving; packets of one
//     socket are opened by one goroutine.
//   - Hashes are made by the goroutine that seals, and by the one that opens. Proofs
//     take two fifths of the rate where the device segments, a tenth where it does
//     not (bench/limit, signed beside group).
//   - Who is in Recv does what a reader does: opens packets, sends what feedback
//     asks for, calls Heard, Keys, Forged and Notice. A done ctx ends the wait for
//     packets, not that work.
//   - With two in Recv at once, or one in WaitReadable beside it, one reads and the
//     others are woken by it.
//   - A write that the socket has no room for waits with the sending mutex held.
//   - A batch that the system refuses while a second goroutine makes the calls is lost
//     like one on the way, and counted in Stats.Refused. Feedback of the same member
//     waits behind what is in the pipeline.
//   - Feedback between members without a key of their own is sealed with the
//     group's: any member could forge another's.
//   - Feedback goes to the sender's first address, whichever path brought the
//     packet: a second path does not carry it.
//   - A best-effort or deadline stream does not wait for a slow application: what comes
//     beyond its window is dropped, counted and told as missed.
//   - An order ends with its sequencer, or at the first hole in what it said
//     until then: nobody takes over, and what has no place is missed by all. It is no atomic broadcast: what a sender that broke
//     off left behind may be here at one member and not at another, which then
//     misses it and says so. All members wait for what one place lacks. The
//     hidden stream takes a share of each socket's credit, and each stream may
//     hold the longest message beyond Budget. Who holds the group's key can
//     forge the order like any data.
//   - Timers are the runtime's: on an idle processor a wait of less than a
//     millisecond takes one.
//   - The buffers behind a large merged read are held as long as one packet in
//     them is; Budget counts them whole.
package session
