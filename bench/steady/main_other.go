//go:build !linux

// Steady measures long runs in network namespaces, which only Linux
// has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "steady: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
