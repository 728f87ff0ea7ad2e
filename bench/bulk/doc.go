// Package bulk moves many bytes from one root to leaves with joinleaf at its
// defaults, checks all of them, and tells what that took. The programs of
// bench that measure goodput share it.
//
// # The work
//
// A transfer is Spec.Size bytes in messages of Spec.Message bytes. A message is
// its number, 8 bytes, and then a slice of a block of 256 KiB of pseudo-random
// bytes that all processes make alike; where the slice begins depends on the
// number. The root copies nothing to make a message: it writes the
// number into its block, sends, and puts the bytes back.
//
// Every leaf checks every byte: the number must be the next one, and the rest
// is compared with the block. Comparing is cheaper than any checksum, one
// pass of reading over memory that lies in the cache (BenchmarkCheck), and the
// leaf's share of it is within its measured time. More or fewer messages than
// announced, or one that was told as missed, fail the run. One leaf may be
// excepted (Spec.MayMiss): then what came to it and what it was told of must
// add up to all, and what came must be right and in its place.
//
// # The figures
//
// A leaf's time is from its first message to its last, and the bytes are those
// after the first message. The goodput of a run is that of its slowest leaf, but for
// the excepted one.
// Result.Seconds is the root's: from its first Send until Drain has returned,
// when every leaf has told that it has everything.
//
// # Goroutines
//
//   - watch, one per root: started by Side.send, notes what happens to leaves;
//     it ends with the session.
//
// # Limitations
//
// Linux and network namespaces only. All leaves have joined before the first
// byte is sent; late joins are not measured here.
package bulk
