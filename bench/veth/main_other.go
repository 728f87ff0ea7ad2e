//go:build !linux

// Veth compares the whole data path with plain sockets, in network namespaces,
// which only Linux has.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "veth: needs Linux: its hosts are network namespaces")
	os.Exit(1)
}
