//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreBrokenPipe lets a write to a closed stdout fail with EPIPE, which recv
// tells about, instead of killing the process without a word.
func ignoreBrokenPipe() { signal.Ignore(syscall.SIGPIPE) }
