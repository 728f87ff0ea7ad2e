// Command joinleaf sends files, streams and datagrams once to many receivers
// over IP multicast: admitted one by one, encrypted, repaired.
//
//	joinleaf demo
//	joinleaf send --in FILE|-|udp://... --group G:PORT --listen HOST:PORT --iface NAME --code-file F
//	joinleaf recv ROOT:PORT --out FILE|-|udp://... --iface NAME --code-file F
//	joinleaf version
//
// stdout carries payload (recv --out -) or the report (demo, version) and
// nothing else; what is said to people, and the lines of --json where stdout is
// payload, goes to stderr.
//
// Exit codes: 0 done, 1 usage, 2 refused or timed out, 3 data lost or
// incomplete, 130 interrupted.
//
// The first Ctrl-C (or SIGTERM) ends in good order: a sender stops reading and
// delivers what it has, a receiver says that it leaves. The second ends at once.
//
// # Goroutines
//
//   - main's: started by watchSignals; it ends with the process.
//   - the one that passes the first interrupt on: started by console.untilStopped,
//     ended when the command returns.
//   - the one that shows progress: started by console.every, ended when send or
//     recv has everything through.
//   - sender.accept, a few that admit leaves: started by sender.run, ended by
//     closing the root.
//   - roster.listen, one for each leaf, hears its side chat: started by roster.add,
//     ended when the leaf is gone.
//   - demo.accept: started by demo.run, ended by closing the root.
//   - guest.read, one for each leaf of the demo: started by demo.send, which waits
//     for them.
//
// # Limitations
//
// One session carries one input. A leaf that joins while a file is on its way
// is told that the beginning is missing; there is no second pass yet. There is
// no deadline class yet. A leaf whose output stands still, such as a paused
// player, holds up a reliable session until somebody interrupts it. The join code is the only way to prove oneself that
// this command offers; the library has certificates and pinned keys too. On
// Windows there is no prompt for the code.
package main
