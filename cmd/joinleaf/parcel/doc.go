// Package parcel is how the command's send tells its recv what it carries.
//
// The session under it moves messages; parcel says what they mean. All numbers
// are big-endian. Five small messages do:
//
//   - [Hello] is the caller data of a receiver that asks to join: "I speak parcel 2".
//   - [Head] is the callee data that it gets back: file, stream or datagrams, of
//     which class, how long, under which name. It travels in the admission
//     answer, so a receiver that joins late has it too.
//   - [Data] is a cut of a file or stream, with its offset; [Gram] is one whole
//     datagram, with its number and the time it came in.
//   - [End] is the last message: how it ended, the total and the SHA-256.
//   - [Result] goes back over the side chat: what this receiver has in the end.
//     The sender's exit code rests on it and not on what it believes it sent.
//
// A [Ledger] is the receiver's account. From the offsets alone it knows what
// came, what is missing and where, whatever the session under it says.
//
// # Limitations
//
// The SHA-256 proves that what came is what was sent only to a receiver that
// was there from the first byte; one that joined late knows that it has no
// holes from there on, no more. It guards against mistakes: who may write to
// the session is decided, and sealed, below.
package parcel
