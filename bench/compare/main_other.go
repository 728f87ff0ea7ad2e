//go:build !linux

// Compare measures joinleaf and other programs side by side in network
// namespaces, which only Linux has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "compare: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
