package joinleaf

import "sync"

// Event is a manual-reset event object, WSAEVENT: several sockets may share it,
// and it outlives them (R128). A nil one is never set.
type Event struct {
	mu  sync.Mutex
	on  bool
	set chan struct{} // closed while on; nil until somebody asked
}

// NewEvent makes an event that is not set.
func NewEvent() *Event { return &Event{} }

// Set sets it, until Reset.
func (e *Event) Set() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.on {
		e.on = true
		close(e.channel())
	}
}

// Reset takes that back.
func (e *Event) Reset() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.on {
		e.on, e.set = false, nil
	}
}

// IsSet reports whether it is set.
func (e *Event) IsSet() bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.on
}

// Wait is a channel that is closed while the event is set. Ask again after a
// Reset.
func (e *Event) Wait() <-chan struct{} {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.channel()
}

func (e *Event) channel() chan struct{} {
	if e.set == nil {
		e.set = make(chan struct{})
	}
	return e.set
}
