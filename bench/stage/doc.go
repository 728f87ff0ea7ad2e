// Package stage is what the programs of bench share: the sides of a run as
// processes in a lab's hosts, what they cost, the machine they ran on, and the
// small arithmetic of reports.
//
// A program starts itself again for each side. The work of a side travels as
// JSON in its environment, its answers come back as lines on its output:
//
//	func main() {
//		stage.Play(work.do) // does not return in a side
//		...
//		side, err := stage.Start(lab.Host("a"), time.Minute, work{Role: "root"})
//		address, err := side.Line()
//		err = side.Decode(&result)
//		usage, err := side.Wait()
//	}
//
// Within a side, Meter tells what a stretch of its life cost, and Profile where
// its time went. Publish leaves a report where reports are.
//
// Run does the same for any other program. Every side has a limit of time,
// after which it is killed with all that it started; Wait says so.
//
// # Goroutines
//
//   - Side.watch, one per side: started by Run and Start, reads the side's peak
//     memory ten times a second; it ends with Wait.
//
// Package os/exec adds one per side that copies its standard error, which ends
// with the side.
//
// # Limitations
//
// Linux only, but for the arithmetic. Processor time is what the kernel charges
// to the process: packets that a softirq carries are charged to whom it
// interrupts, so the time of the network between the sides is spread over
// them. Peak memory is sampled: what a side grows by in its last tenth of a
// second is missed.
package stage
