package netlab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// CaptureOptions say what [Lab.Capture] records.
type CaptureOptions struct {
	// Host is recorded at the switch's end of its link. Nil records all that
	// crosses the switch of Segment, once.
	Host    *Host
	Segment int
	// File is written in pcap format, packet by packet.
	File string
	// Filter is an expression of pcap-filter(7): "udp port 7000". Empty records
	// everything.
	Filter string
	// For bounds the capture. Zero means 30 seconds.
	For time.Duration
}

// Capture is a running tcpdump.
type Capture struct {
	cmd   *exec.Cmd
	end   func() // asks tcpdump to finish
	ready chan struct{}
	ended chan struct{}

	// Written by the one goroutine, read after ended.
	said []string
	err  error
}

// Capture records packets into a file. It returns when the recording runs, and
// the recording stops with [Capture.Stop], when its time is over, or with the
// lab.
func (l *Lab) Capture(o CaptureOptions) (*Capture, error) {
	if o.For <= 0 {
		o.For = 30 * time.Second
	}
	device := bridge(o.Segment)
	if o.Host != nil {
		device = o.Host.port()
	}
	path, err := tool("tcpdump")
	if err != nil {
		return nil, fmt.Errorf("netlab: capture: %w", err)
	}
	// -Z root: Debian's tcpdump otherwise becomes a user who may not write
	// into a test's directory.
	args := []string{"-i", device, "-n", "-Z", "root", "-s", "262144", "-B", "65536", "--immediate-mode", "-U", "-w", o.File}
	if o.Filter != "" {
		args = append(args, o.Filter)
	}
	c := &Capture{ready: make(chan struct{}), ended: make(chan struct{})}
	// The deadline only serves a tcpdump that does not heed the interrupt.
	ctx, cancel := context.WithTimeout(context.Background(), o.For+5*time.Second)
	c.cmd = l.exec(ctx, l.sw, path, args...)
	if err := c.start(l, cancel); err != nil {
		return nil, err
	}
	c.end = sync.OnceFunc(func() { _ = c.cmd.Process.Signal(os.Interrupt) }) // it may have ended by itself
	select {
	case <-c.ready:
		time.AfterFunc(o.For, c.end)
		return c, nil
	case <-c.ended:
		return nil, fmt.Errorf("netlab: capture on %s: %v: %s", device, c.err, strings.Join(c.said, "; "))
	case <-time.After(commandTimeout):
		cancel()
		<-c.ended
		return nil, fmt.Errorf("netlab: capture on %s did not start within %v: %s", device, commandTimeout, strings.Join(c.said, "; "))
	}
}

// start refuses a closed lab: Close waits for the captures that it knows of.
func (c *Capture) start(l *Lab, cancel context.CancelFunc) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	stderr, err := c.cmd.StderrPipe()
	if err == nil && l.closed {
		err = net.ErrClosed
	}
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		cancel()
		return fmt.Errorf("netlab: capture: %w", err)
	}
	l.captures = append(l.captures, c)
	go c.attend(stderr, cancel)
	return nil
}

// attend hears what tcpdump has to say until it ends.
func (c *Capture) attend(stderr io.Reader, cancel context.CancelFunc) {
	defer close(c.ended)
	defer cancel()
	listening := sync.OnceFunc(func() { close(c.ready) })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		c.said = append(c.said, lines.Text())
		if strings.Contains(lines.Text(), "listening on") {
			listening()
		}
	}
	c.err = c.cmd.Wait()
}

// Stop ends the recording and returns when the file is complete, or with what
// went wrong: an end before its time, packets that tcpdump was too slow for.
func (c *Capture) Stop() error {
	c.end()
	<-c.ended
	if c.err != nil {
		return fmt.Errorf("netlab: capture: %w: %s", c.err, strings.Join(c.said, "; "))
	}
	for _, line := range c.said {
		if strings.Contains(line, "dropped by kernel") && !strings.HasPrefix(line, "0 ") {
			return fmt.Errorf("netlab: capture: %s", line)
		}
	}
	return nil
}
