package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/terminal"
)

func main() {
	stop, last := watchSignals(os.Exit)
	ignoreBrokenPipe()
	c := &console{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, unsetenv: os.Unsetenv,
		stop: stop, last: last, screen: terminal.Is(os.Stderr),
	}
	os.Exit(execute(c, os.Args[1:]))
}

// watchSignals closes stop at the first SIGINT or SIGTERM; the second ends the
// process at once, after what was put on last: a terminal's echo, a half-written
// file.
func watchSignals(exit func(int)) (stop <-chan struct{}, last *lastWords) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	first := make(chan struct{})
	last = new(lastWords)
	go func() {
		<-signals
		close(first)
		<-signals
		last.say()
		exit(exitInterrupted)
	}()
	return first, last
}
