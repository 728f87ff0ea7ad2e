//go:build !linux

// Limit compares joinleaf with the raw limit in network namespaces, which only Linux
// has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "limit: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
