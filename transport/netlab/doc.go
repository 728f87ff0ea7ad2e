// Package netlab builds real hosts out of Linux network namespaces, for tests
// and benchmarks of what only a kernel can show: IGMP and MLD, snooping
// switches, interfaces that come and go, offload, loss.
//
//	func TestStreamSurvivesLoss(t *testing.T) {
//		l := netlab.New(t, netlab.Options{Hosts: []string{"root", "leaf"}})
//		root, leaf := l.Host("root"), l.Host("leaf")
//		err := leaf.SetLoss(netlab.In, 5) // percent
//		...
//		r, err := rooted.Listen(ctx, group, rooted.Config{Network: root.Network(), Interface: netlab.Device, ...})
//	}
//
// [New] is for tests, [Open] for programs. Both need root and the commands ip,
// tc, nft, ethtool and tcpdump; [Require] skips a test loudly where something
// is missing, and fails it with JOINLEAF_REQUIRE_LAB=1. A lab of four hosts
// takes some 30 ms to make.
//
// # The network
//
// A lab has one switch per segment, a bridge with IGMP and MLD snooping and a
// querier, and hosts with one link each: interface e0, 10.77.<segment>.<n>/24,
// fd77:0:0:<segment>::<n>/64, n from 1 in the order of making. Addresses and
// IPv6 neighbours are usable at once. There is no default route and no route to
// groups. A [Router] joins segments. Labs know nothing of each other and may be
// many, in one process and in several.
//
// The machine itself never sees a lab: both ends of every link are born in
// namespaces, and no lab has a way to a real interface.
//
// # What can go wrong in it
//
// [Host.SetLoss] loses UDP packets at random, [Host.SetRate] limits a link,
// [Host.SetOffload] makes the kernel send single packets, as below.
// [Lab.Partition] cuts hosts off, [Lab.Querier] takes the querier away (with
// Options.NoFlood the group traffic then stops for good, F-5), [Host.LinkDown]
// and [Host.Unplug] interrupt a link (F-9), [Host.RecreateLink] replaces it, so
// that memberships are gone without an error (F-8).
// Nothing of this costs anything until it is asked for.
//
// [Lab.Capture] records packets, [Lab.CountGroups] counts them per group, host
// and way.
//
// # Programs in it
//
// [Host.Network] gives a session the host's sockets within this process,
// [Host.Do] does it for any code, [Host.Exec] runs commands.
//
// # Nothing stays behind
//
// Names are jl<pid>-<start>-<lab>-<host>. Close removes a lab with all that
// runs in it. A process that crashes or is killed leaves that to its reaper, a
// shell that waits for the end of the process; should that fail too, the next
// lab anywhere on the machine begins with [Sweep].
//
// # Goroutines
//
// One per [Capture], started by [Lab.Capture]; it ends when tcpdump does: by
// Stop, at the end of its time, or with the lab, which waits for it. A timer
// ends the capture in time. Package os/exec adds its own to commands of
// [Host.Exec] until the caller's Wait.
//
// The reaper is a process, one for all labs of a program, and ends with it.
//
// # Limitations
//
// Linux only; elsewhere the package has only Require, which skips.
//
// Filters, limits and counters see a batch of UDP_SEGMENT as one packet, unless
// SetOffload(false) on its sender: otherwise "1 % loss" loses 40 packets at a
// time. Delay, reordering, duplicates and bursts need netem, which many kernels
// lack: simnet has them.
//
// On a switch that snoops, a new member hears nothing until its report is out,
// which the kernel sends 8 to 15 ms after the join returned. That is so on real
// networks as well.
//
// All hosts share the machine's processors, clock and memory, and one kernel:
// speed is comparable within one machine only. Each link is a queue-less veth;
// what overflows is the kernel's backlog or a socket, never the link.
//
// Bridges stand for switches, but not for a switch's bugs: no membership table
// that is full, no IGMP without MLD, no Wi-Fi. The router's group routes are
// fixed ones for known sources; it speaks no PIM and asks no queries. IPv6
// neighbours are written down rather than found, so that a lab can lose group
// traffic and keep unicast; neighbour discovery itself is not tested here.
//
// net.core.rmem_max and the like are the machine's, not a host's. Within Do,
// /sys shows the machine. A socket that the program keeps open after Close
// keeps its namespace, nameless, until the program ends. Sweep goes by process
// ids, so programs that share /run/netns must share a pid namespace too.
package netlab
