package stage

import "fmt"

// Machine is where a measurement was made.
type Machine struct {
	Processor      string
	Processors     int
	Memory         int64 // bytes
	System, Go     string
	Joinleaf       string // commit, -dirty when the tree differs from it
	ReadBufferMost int64  // net.core.rmem_max
	Load           string // when the program began
}

// String is the machine in one line.
func (m Machine) String() string {
	return fmt.Sprintf("%d x %s, %.0f GB, %s, %s, joinleaf %s", m.Processors, m.Processor, float64(m.Memory)/1e9, m.System, m.Go, m.Joinleaf)
}
