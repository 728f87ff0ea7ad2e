//go:build !linux

// Soak keeps one session alive under churn and losses, in network namespaces,
// which only Linux has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "soak: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
