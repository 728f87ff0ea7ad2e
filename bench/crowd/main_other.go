//go:build !linux

// Crowd measures a crowd of leaves in network namespaces, which only Linux
// has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "crowd: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
