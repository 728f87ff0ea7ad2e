// Command joinleaf sends files, streams and datagrams once to many receivers
// over IP multicast: admitted one by one, encrypted, repaired.
//
//	joinleaf demo
//	joinleaf send --in FILE|-|udp://... --group G:PORT --listen HOST:PORT --iface NAME --code-file F
//	              [--class reliable|deadline|best-effort] [--latency D] [--slow wait|quarantine] [--replay SIZE]
//	              [--source signed|eager|group]
//	joinleaf recv ROOT:PORT --out FILE|-|udp://... --iface NAME --code-file F [--from now|oldest|last=N]
//	              [--source signed|eager|group]
//	joinleaf peer GROUP:PORT --iface NAME --code-file F [--name N] [--stay]
//	joinleaf chat ROOM --iface NAME
//	joinleaf bench [--size BYTES] [--rate R|none] [--most SIZE] [--time D] [--pings N] [--class reliable|best-effort]
//	joinleaf bench send --group G:PORT --iface NAME --code-file F ...; joinleaf bench recv ROOT:PORT --code-file F
//	joinleaf version
//
// stdout carries payload (recv --out -, what others say to peer and chat) or the report (demo, bench, version) and
// nothing else; what is said to people, and the lines of --json where stdout is
// payload, goes to stderr.
//
// Leaves write what the sender has signed. A sender that says --source group saves
// that, and every leaf could then pose as the sender towards the others; receivers
// join such a session only if they say so too.
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
//   - sender.heed and receiver.heed, which tell of leaves served apart: started by
//     sender.run and receiver.run, ended by closing the session.
//   - sender.accept, a few that admit leaves: started by sender.run, ended by
//     closing the root.
//   - roster.listen, one for each leaf, hears its side chat: started by roster.add,
//     ended when the leaf is gone.
//   - talk.events, talk.hear and the one that reads stdin: started by talk.run and
//     talk.speak, ended by the session; reading stdin ends with it, or the process.
//   - demo.accept: started by demo.run, ended by closing the root.
//   - bench.accept, bench.hear, which take in leaves and their answers: started by
//     bench.run, ended by closing the root.
//   - benchLeaf.run, one for each leaf of a bench alone: started by bench.alone,
//     ended by the session, and waited for.
//   - guest.read, one for each leaf of the demo: started by demo.send, which waits
//     for them.
//
// # Limitations
//
// One session carries one input. A leaf that joins while a file is on its way
// is told that the beginning is missing, unless --replay still keeps that and it
// asked for it; there is no second pass. --replay keeps 16 MiB at most, in
// memory, and counts packets: a small datagram costs as much as a full one.
//
// A leaf whose output stands still, such as a paused player, holds up a session
// with --slow wait until somebody interrupts it. With --slow quarantine it does
// so for two seconds, and at the end for a minute at most; but a leaf that is
// alone drags nobody and is waited for. Under a deadline and on best effort what
// the output does not take is kept in memory as far as it goes, then lost.
//
// A line that peer or chat send has at most 64 KiB; what would draw on a screen is
// shown as question marks. A room's group follows from its name: two rooms may
// share one, and then their codes keep them apart only as long as one is empty.
//
// bench counts and times; it does not check content. Its round trips are one at a
// time, a hundred a second at most, beside no other load.
//
// The join code is the only way to prove oneself that this command offers; the
// library has certificates and pinned keys too. On Windows there is no prompt
// for the code.
package main
