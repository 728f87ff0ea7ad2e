//go:build !linux

package session

// nap does nothing where reads are not merged.
func nap() {}
