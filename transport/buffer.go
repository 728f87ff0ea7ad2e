package transport

import "fmt"

// bufferWarning is the one sentence on a kernel buffer that is smaller than
// asked for; empty when it is not. remedy holds a %d for the bytes.
func bufferWarning(which string, want, got int, remedy string) string {
	if got >= want {
		return ""
	}
	return fmt.Sprintf("the %s buffer is %s of %s wanted, so bursts may be lost; grant it with: "+remedy,
		which, mebi(got), mebi(want), want)
}

func mebi(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
