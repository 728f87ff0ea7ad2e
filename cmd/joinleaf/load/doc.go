// Package load is how the command's bench talks between its root and its leaves.
//
// The session under it moves messages; load says what they mean. All numbers are
// big-endian.
//
//   - [Hello] is the caller data of a leaf: "I speak load 1". [Head] is the callee
//     data that it gets: how long messages are, and whether all must come.
//   - [Mark] is the head of every message on the data plane: load to be counted,
//     the tally after it, a ping, and the pong that a leaf sends back.
//   - [Report] goes back over the side chat after the tally: what came to this
//     leaf, and in what time.
//
// # Limitations
//
// Content is not checked: the session seals and proves it. Leaves are believed
// what they report.
package load
