package session

import "time"

const (
	restWindow = time.Millisecond
	restGap    = 40 * time.Microsecond // packets that come more densely are let gather

	// How long they gather: a fraction of what the kernel's buffer holds, and of
	// what a repair takes. Merged packets come tens of times as fast.
	restSingle = 200 * time.Microsecond
	restMerged = 100 * time.Microsecond
	fastBytes  = 48 << 10 // a read this long shows a sender at full speed
)

// pace is how densely datagrams came within the last window.
type pace struct {
	since time.Time
	read  int
	dense bool
}

// rest is how long packets may gather, where they come so fast that waking for
// every few costs more than reading them.
func (r *reader) rest(now time.Time, n int) time.Duration {
	if !r.merged { // memory, or a system that is not in such a hurry
		return 0
	}
	p := &r.pace
	p.read += n
	if d := now.Sub(p.since); d >= restWindow {
		p.dense = time.Duration(p.read) > d/restGap
		p.since, p.read = now, 0
	}
	switch {
	case n == len(r.ds): // there is more
	case n < slabsRead/2 && len(r.ds[n-1].B) > fastBytes:
		return restMerged
	case p.dense && len(r.ds[n-1].B) < mergedBytes:
		return restSingle
	}
	return 0
}
