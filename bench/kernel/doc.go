// Package kernel is the raw limit: what plain sockets do for whoever wants no
// protocol. The programs of bench divide by it.
//
// One sender and some receivers, each a process in a network namespace, make
// the system calls that joinleaf makes, directly, and nothing else:
//
//	Segments 0   sendmmsg and recvmmsg of 64 datagrams
//	Segments n   sendmmsg of 8 messages, each cut into n packets by UDP_SEGMENT;
//	             recvmmsg of 16 buffers of 64 KiB with UDP_GRO
//
// Nothing is numbered, repaired, checked or looked at. A sender without a Rate
// is as fast as its calls return, and overruns receivers: Got tells what came.
// LossFree looks for the highest rate at which everything comes.
//
// # Limitations
//
// Linux and network namespaces only. Package x/net is not used: it allocates two
// objects for each datagram that it reads, and this is to be the limit. All
// packets of a run have one length, so a merged read is divided by it rather
// than by what the kernel tells.
package kernel
