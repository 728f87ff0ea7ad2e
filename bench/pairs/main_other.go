//go:build !linux

// Pairs compares joinleaf with itself in network namespaces, which only Linux
// has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "pairs: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
