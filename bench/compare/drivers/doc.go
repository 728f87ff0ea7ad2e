// Package drivers has our own small programs on top of other people's multicast
// libraries, for the comparisons of bench: NORM, OpenPGM, and ZeroMQ over
// OpenPGM (epgm). The sources are in folder c, embedded; Compile makes a program
// of one with the machine's C compiler and the library that its distribution
// has. Nothing of the libraries is in this tree.
//
// A driver moves messages in bulk (send, recv), as package bulk defines them and
// checks them, or plays ping-pong (ping, pong); the head of each source says how
// it is called. Whoever listens says so on its output, a line; accounts are JSON,
// a line.
//
// # Limitations
//
// Settings are ours: somebody who knows these libraries better may get more out
// of them.
package drivers
