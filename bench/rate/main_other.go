//go:build !linux

// Rate measures small messages in network namespaces, which only Linux
// has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "rate: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
