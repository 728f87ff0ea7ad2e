//go:build !linux

// Curve draws joinleaf's loss curve in network namespaces, which only Linux
// has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "curve: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
