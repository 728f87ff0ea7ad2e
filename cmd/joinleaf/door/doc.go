// Package door is where payload enters and leaves the command: files, pipes,
// and udp:// or rtp:// addresses with the option names that ffmpeg, GStreamer
// and VLC users type already (E-1, E-2).
//
// [Parse] reads what the user typed. [Endpoint.OpenInput] gives an [Input],
// whose Next hands over one cut of a stream or one datagram at a time;
// [Endpoint.OpenOutput] gives an [Output], which takes them again.
//
//   - A file is written under a temporary name beside its place and renamed
//     when it is whole. What is no regular file (a device, a named pipe) is
//     written straight.
//   - A stream is cut where it was read. When it begins with 0x47, the sync
//     byte of an MPEG transport stream, cuts fall on multiples of 188 bytes.
//   - A datagram stays one datagram. rtp:// is udp:// with packets that carry
//     an RTP header, which stays as it is.
//   - Datagrams leave at the pace at which they came in (E-10), see [Pacer].
//   - An option nobody knows is an error that names its neighbours (E-0).
//
// A group is always opened on a named interface, never on whichever the system
// would take (F-2).
//
// # Goroutines
//
//   - stream.pump: started by newStream for stdin, a device or a named pipe. It
//     ends with the stream or after Close; a read that the system is sitting on,
//     such as one of a terminal, ends when it returns.
//   - socketInput.read: started by openSocketInput for udp:// and rtp://. It ends
//     with Close, which waits for it.
//
// # Limitations
//
// One session carries one input. Unicast ports are not shared, whatever reuse=
// says. sources= of several addresses, and block=, are filters here and not in
// the kernel: what they keep out still arrives at the host. A pace other than
// that of arrival (bitrate=) is not there yet.
package door
