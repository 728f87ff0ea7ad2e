// Package stream sends messages of one size from one root as fast as they go,
// for a while, and counts what comes at each leaf and what it cost. The programs
// of bench that measure rates share it.
//
// # The work
//
// Root and leaves are processes, each in a network namespace, in a rooted session
// at its defaults but for the size of packets and the class of its stream. Clear is
// the same session without protection (crypto.InsecurePlaintextForTesting): no TLS,
// no proof, no encryption. Its packets have a header and no tag, so a message that
// fills one is 16 bytes longer.
//
// All leaves are in before the first message. The root sends one message over
// and over. Leaves read into one buffer and look at nothing.
//
// # The figures
//
// A leaf's stretch begins when it has read 64 messages, the root's with the first
// Send, and both end with the last message. Messages, processor time and
// objects that were allocated on the heap are those of the stretch, so that joining is
// not in them. The root's stretch includes waiting until every leaf has told
// that it has everything.
//
// # Goroutines
//
//   - looker.run, one per side of a run that looks at heaps: started by Spec.look,
//     ended when the stretch is over.
//
// # Limitations
//
// Linux and network namespaces only. Content is not checked: package bulk does
// that.
package stream
