package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// console is all that a command touches of the process around it, so that tests
// run commands without one.
type console struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	unsetenv       func(string) error
	stop           <-chan struct{} // closed at the first interrupt
	last           *lastWords
	screen         bool // stderr is a terminal

	mu   sync.Mutex
	json bool // lines of JSON in place of text
	wide int  // how much of the screen's line the progress covers
}

// event is something to tell, as text or as one JSON object.
type event interface {
	name() string   // the value of "event" in JSON
	String() string // text, without the last newline; empty: nothing to say
}

const schema = 1 // of the JSON lines

// say tells e on stderr: the place for text, and for JSON where stdout is payload.
func (c *console) say(e event) { c.tell(c.stderr, e) }

// report tells e on stdout: for commands whose product the report is.
func (c *console) report(e event) { c.tell(c.stdout, e) }

func (c *console) tell(w io.Writer, e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.json {
		w.Write(jsonLine(e))
		return
	}
	if s := e.String(); s != "" {
		c.clear()
		fmt.Fprintln(w, s)
	}
}

// jsonLine puts schema and event in front of e's own fields.
func jsonLine(e event) []byte {
	body, err := json.Marshal(e)
	if err != nil || len(body) < 2 || body[0] != '{' {
		body = []byte("{}")
	}
	line := fmt.Appendf(nil, `{"schema":%d,"event":%q`, schema, e.name())
	if len(body) > 2 {
		line = append(line, ',')
	}
	return append(append(line, body[1:]...), '\n')
}

// progress tells e as one line that is written over on a terminal.
func (c *console) progress(e event) {
	if !c.screen || c.json {
		c.say(e)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := e.String()
	fmt.Fprintf(c.stderr, "\r%s%s", s, strings.Repeat(" ", max(0, c.wide-len(s))))
	c.wide = len(s)
}

// clear takes the progress line off the screen. The caller holds mu.
func (c *console) clear() {
	if c.wide > 0 {
		fmt.Fprintf(c.stderr, "\r%s\r", strings.Repeat(" ", c.wide))
		c.wide = 0
	}
}

// warning is one sentence that somebody should read.
type warning struct {
	Text string `json:"text"`
}

func (warning) name() string     { return "warning" }
func (w warning) String() string { return "warning: " + w.Text }

func (c *console) warn(format string, args ...any) { c.say(warning{fmt.Sprintf(format, args...)}) }

// note is one sentence of news.
type note struct {
	Text string `json:"text"`
}

func (note) name() string     { return "note" }
func (n note) String() string { return n.Text }

func (c *console) note(format string, args ...any) { c.say(note{fmt.Sprintf(format, args...)}) }

// refresh is how often progress is shown: a screen is refreshed, a log is not
// to be flooded.
func (c *console) refresh() time.Duration {
	if c.screen && !c.json {
		return time.Second
	}
	return 5 * time.Second
}

// every calls f at the console's pace until the function that it returns is
// called, which waits for the last f to return.
func (c *console) every(f func()) (end func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(c.refresh())
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f()
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// errInterrupted is the cause of what the first interrupt ended.
var errInterrupted = errors.New("interrupted")

// untilStopped gives a context that ends at the first interrupt.
func (c *console) untilStopped(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	quit := make(chan struct{})
	go func() {
		select {
		case <-c.stop:
			cancel(errInterrupted)
		case <-quit:
		}
	}()
	return ctx, sync.OnceFunc(func() { close(quit); cancel(context.Canceled) })
}

func (c *console) interrupted() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// lastWords are done when a second interrupt ends the process at once.
type lastWords struct {
	mu   sync.Mutex
	next int
	list map[int]func()
}

// add puts f on the list; the function returned takes it off.
func (l *lastWords) add(f func()) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		l.list = map[int]func(){}
	}
	n := l.next
	l.next++
	l.list[n] = f
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.list, n)
	}
}

func (l *lastWords) say() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.list {
		f()
	}
}
