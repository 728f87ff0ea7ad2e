// Package bench holds the benchmarks of the hot path. The programs below it
// measure whole sessions in network namespaces: limit against the system calls
// alone, compare beside other programs, pingpong for round trips, rate for small
// messages, steady for a minute at full speed, crowd for a thousand leaves, veth
// against plain sockets, curve under packet loss, pairs against itself with one
// thing changed; gate compares the benchmarks with those of an earlier commit.
// stage, kernel, stream, bulk and chart are what they share. README.md in this
// folder says how to run them and what they gave.
//
// # Limitations
//
// Sender and receiver share one machine, and the links are virtual: what leaves
// with segmentation offload is never cut into single packets by a network card.
package bench
