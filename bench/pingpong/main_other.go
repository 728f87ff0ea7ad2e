//go:build !linux

// Pingpong measures round trips in network namespaces, which only Linux
// has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "pingpong: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
