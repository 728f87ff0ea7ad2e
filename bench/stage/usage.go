package stage

// Usage is what a side cost.
type Usage struct {
	User, System float64 // processor seconds
	PeakRSS      int64   // bytes, sampled ten times a second
}

// CPU is all processor seconds.
func (u Usage) CPU() float64 { return u.User + u.System }

// Costliest is the greatest of each.
func Costliest(all []Usage) (most Usage) {
	for _, u := range all {
		if u.CPU() > most.CPU() {
			most.User, most.System = u.User, u.System
		}
		most.PeakRSS = max(most.PeakRSS, u.PeakRSS)
	}
	return most
}

// Spent is what a stretch of a side's own life cost it.
type Spent struct {
	Seconds float64 // of time
	CPU     float64 // seconds of processor, user and system
	Objects uint64  // allocated on the heap
}
