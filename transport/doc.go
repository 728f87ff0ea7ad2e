// Package transport is the kernel's multicast done right, and the seam behind
// which it can be replaced: groups, sockets, the choice of an interface, and
// the one error type of joinleaf.
//
// # Groups
//
// A [Group] is a multicast address with its port, the one source for
// source-specific multicast, and the interface. [ParseGroup] reads
// "239.192.7.1:7000", "10.0.0.1@232.1.1.1:7000" and "[ff15::1%eth0]:7000".
// Addresses from 239.192.0.0/14 and ff15::/16 are free for private use.
//
// # Sockets
//
// A [Network] opens two kinds of data socket, both batch-shaped:
//
//	group, err := network.OpenGroup(ctx, g, transport.SocketOptions{})
//	own, err := network.OpenUnicast(ctx, local, transport.SocketOptions{Interface: g.Interface})
//
// The first hears one group on one interface and nothing else. The second
// sends everything a member sends, group packets too, and hears what is sent
// to the member alone. [Kernel] is the Network of the host; transport/simnet
// has one in memory, and transport/nettest holds both to the same behaviour.
//
// On Linux a group socket is bound to the group, joined by interface index,
// with IP_MULTICAST_ALL off. Reading is recvmmsg with UDP_GRO, writing is
// sendmmsg with UDP_SEGMENT, and nothing is allocated on the way. Waiting is the
// runtime's netpoller, behind an epoll instance per socket that wakes it once
// for a reader that waits and never for one that reads: two descriptors a
// socket. A [TurnConn] has one more for each goroutine more that waits in turn. A [Datagram] with a Segment stands for up to 64 KiB
// of packets; where the system refuses to segment, the same packets leave one
// by one, and Info says so. Other systems, and SocketOptions.NoBatch, take the
// portable path over golang.org/x/net: one packet a call.
//
// [SocketInfo] tells what became of the options. Its warnings are sentences
// for the log, such as a buffer that was cut and the sysctl that grants it.
//
// # The interface
//
// [Choose] picks it: the one that was named, else the one that the control
// connection uses, else the one of the route. It skips what cannot serve, and
// tells why it chose and why not the others, so that one line in the log shows
// a wrong choice. A group socket is never opened without an interface.
//
// # Errors
//
// Every error is an [*Error] with a [Code], Winsock's number. errors.Is works
// on the code, on Go's sentinel for the same cause and on the system's own
// error; the text says what was tried, why it failed and what to do.
// [Explain] gives any other error that form.
//
// # Goroutines
//
// The package starts none. A caller of ReadBatch or WriteBatch waits in its
// own, until Close.
//
// # Limitations
//
//   - Outside Linux there are no batches, no offload and no count of dropped
//     packets. Windows has no source-specific joins (WSAEOPNOTSUPP), does not
//     tell where a packet was sent to, and drops a datagram longer than its
//     room. Those paths are built and vetted with every change, and used on
//     Linux by NoBatch, but the suite has not been run on those systems.
//   - Without IPV6_MULTICAST_ALL (Linux before 4.20, other systems) and on
//     Windows, packets of other groups may come in on a shared port: check
//     Datagram.Dst where Info says that it is seen, and seal packets.
//   - An interface that is deleted and made again takes its memberships along,
//     without an error on the socket (F-8): watch links, close and reopen.
//   - Linux's lo carries IPv4 groups only, and ignores NoLoopback.
//   - Datagram.Overflow counts buffers; with receive offload one of them may
//     have held many packets.
//   - A datagram longer than its room is cut without a mark. Sealed packets
//     fail to open then; give 64 KiB.
//   - Wireless and the kind of a virtual interface are known on Linux only;
//     elsewhere names are guessed from.
//   - TTL holds for group packets; unicast ones keep the system's.
//   - Zones of link-local sources other than the socket's own interface are
//     names as of when the socket was opened.
package transport
