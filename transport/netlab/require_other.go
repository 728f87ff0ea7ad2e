//go:build !linux

package netlab

import (
	"os"
	"runtime"
	"testing"
)

// Require skips t: network namespaces are a thing of Linux. With
// JOINLEAF_REQUIRE_LAB=1 it fails t instead.
func Require(t testing.TB) {
	t.Helper()
	const why = "netlab needs Linux network namespaces; this is "
	if os.Getenv("JOINLEAF_REQUIRE_LAB") == "1" {
		t.Fatal(why + runtime.GOOS + ", and JOINLEAF_REQUIRE_LAB=1 forbids skipping")
	}
	t.Skip("SKIPPED: " + why + runtime.GOOS)
}
