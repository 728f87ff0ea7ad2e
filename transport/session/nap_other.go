//go:build !linux

package session

import "time"

// nap does nothing where reads are not merged.
func nap(time.Duration) {}

func yield() {}
