// Package bench holds the benchmarks of the hot path and the comparisons with
// plain sockets. README.md in this folder says how to run them and what they
// gave.
//
// # Limitations
//
// Sender and receiver share one machine, and the links are virtual: what leaves
// with segmentation offload is never cut into single packets by a network card.
// Comparisons with other multicast systems are not here yet.
package bench
