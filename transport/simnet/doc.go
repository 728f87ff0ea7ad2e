// Package simnet is a whole network in memory, from one seed: hosts with
// addresses and sockets, links that delay, lose, duplicate and reorder, and a
// clock that a synctest bubble makes instant. Each [Host] is a
// [transport.Network], held to the same behaviour as the kernel's by the
// conformance suite in transport/nettest.
//
// # A test
//
//	synctest.Test(t, func(t *testing.T) {
//		n := simnet.New(seed, simnet.Link{Delay: time.Millisecond, Loss: 0.05})
//		defer n.Close()
//		root, leaf := n.Host("root"), n.Host("leaf")
//		// ... give root and leaf to what is tested as its Network ...
//		n.Partition([]string{"leaf"})
//		time.Sleep(3 * time.Second) // takes no time
//		n.Heal()
//		// ...
//		if err := n.Stats().Check(); err != nil {
//			t.Error(err)
//		}
//	})
//
// Make the Net inside the bubble, and Close it there. Outside a bubble it
// works in real time.
//
// # The way of a packet
//
//	WriteBatch -> write buffer -> uplink -> switch -> link -> downlink -> socket's buffer -> ReadBatch
//	              (full: waits)   (shared     (one copy  (per pair)  (shared by    (full: dropped)
//	                               loss)       a member)              senders)
//
// [Net.SetLink] sets the way between two hosts, one way, at any time;
// [Net.SetUplink] and [Net.SetDownlink] what one host shares with itself. A
// group's packet goes to the hosts that have a socket in the group, and comes
// back to its own host unless NoLoopback, without delay or loss. A Datagram
// with a Segment stays one buffer as long as nothing happens to its packets;
// around a loss it falls into runs, which stay merged.
//
// A queued buffer costs its true size, as in Linux: of the size that Linux
// would read back (twice Info.ReadBuffer) 63 % are usable for single packets
// of 1,448 bytes, 99 % for merged buffers of 45.
//
// Streams go through the same links: they have the delay and the partitions;
// loss shows as the delay of resends. [Net.Kill] resets them, a partition of
// more than a minute ([Net.SetStreamTimeout]) ends them.
//
// # What one seed decides
//
// Each link draws from dice of its own, one for each kind of event, made of
// the seed and the names of both ends: traffic elsewhere shifts nothing. What
// is written at one instant leaves a nanosecond later, in the order of hosts
// and sockets; events of one instant happen in an order of their own. So in a
// bubble the same seed gives the same history, event by event, however
// goroutines are scheduled; a [Net.Trace] shows it. Three things are the
// test's to keep apart, since no network decides them: sockets and dials of
// one host that several goroutines open at one instant, several writers of one
// socket at one instant, and changes to the network (or reads of a full
// buffer) at the very nanosecond of an event.
//
// # Seeing and touching the wire
//
// [Net.Tap] shows every copy with its fate, [Net.Filter] drops by rule,
// [Net.Inject] sends with any source address: recordings, replays, forgeries.
// [Net.CrossTalk] lets group sockets hear other groups, as badly set up
// kernels do. [Host.Pause] stops a host's programs, [Host.SetUp] and
// [Host.Recreate] trouble its interfaces.
//
// [Net.Stats] are the books, packet by packet: Copies = Delivered + InFlight +
// Dropped, always.
//
// # Goroutines
//
//   - New makes the network's one timer. When something is due it runs the
//     schedule in a goroutine of package time until nothing is due any more;
//     Close stops it and waits for it.
//
// Dial leaves it to its context to wake the dialer, in a goroutine of package
// context that ends at once.
//
// # Limitations
//
//   - Hosts reach each other on a segment; nobody routes. So a TTL counts only
//     as 0 or more.
//   - A switch knows at once who joined and left; no IGMP or MLD is spoken,
//     and a membership limit is not imitated.
//   - A datagram beyond the MTU is one packet to loss, not several fragments.
//     DSCP has no effect.
//   - Single packets are not merged on receipt, as a network card may; runs of
//     one written Datagram are.
//   - Streams take no bandwidth, and a partition also holds what a real TCP
//     would have slipped through at its edges. They are resent every two
//     seconds at least, where Linux waits up to two minutes.
//   - A killed host's ports are free at once. There is no TIME_WAIT.
//   - Group sockets and unicast sockets of one port do not stand in each
//     other's way; on some systems a wildcard socket would.
//   - Buffers cost what they do on Linux, on every system that runs the test.
//   - Hooks of a Tap or Trace run when the instant is over: what they change
//     acts from the next one.
package simnet
