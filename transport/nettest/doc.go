// Package nettest is the conformance suite of transport.Network: what the
// kernel's multicast and a network in memory must do alike, so that a test
// passed on the one says something about the other.
//
// A package that implements Network hands [Test] a function that makes a
// [Lab]: three or more hosts on one link, and groups that are free there.
//
//	func TestKernel_ConformsInNamespaces(t *testing.T) {
//		nettest.Test(t, func(t *testing.T) nettest.Lab { ... })
//	}
//
// A network with a clock of its own runs each case in a bubble:
//
//	for _, c := range nettest.Cases() {
//		t.Run(c.Name, func(t *testing.T) {
//			synctest.Test(t, func(t *testing.T) { c.Run(t, newLab(t)) })
//		})
//	}
//
// # How it judges
//
// That something arrives is tested by sending it again until it does, a
// bounded number of times: a busy machine loses packets on the best of links.
// That something does not arrive is tested without waiting: a mark is sent
// after it on the same way, and it must not have been heard when the mark is.
// A conforming network never makes the suite wait.
//
// # Goroutines
//
// Every ear (one per socket that hears) is a goroutine, started by the case
// and ended by closing the socket at the end of the test, which is waited for.
// Cases start short-lived ones for blocking calls; they end when the socket,
// connection or listener they block on is closed, at the latest at the end of
// the test. Nothing outlives a case, so cases run in synctest bubbles.
//
// # Limitations
//
// Time is not judged: neither speed nor delay. Loss, reordering and duplicates
// are not produced. The suite cannot see a packet that arrives later than a
// mark sent after it. Interfaces that come and go belong to tests of netlab.
package nettest
