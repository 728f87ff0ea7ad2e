package joinleaf

import (
	"math/bits"

	"github.com/joinleaf/joinleaf/transport"
)

// record is a socket's event record: what was nominated, what has happened and
// not been enumerated, and what is not recorded again before its re-enabling
// call (R125 to R132). It is a machine: its socket's lock guards it.
type record struct {
	mask uint32
	set  uint32
	code [FDMaxEvents]transport.Code
	held uint32 // recorded, and waiting for the re-enabling call

	// What happened while it was not nominated and is still true (R131).
	due     uint32
	dueCode [FDMaxEvents]transport.Code
}

const (
	fdHeld   = FDRead | FDWrite | FDAccept // recorded once until re-enabled
	fdLasts  = FDConnect | FDClose | FDQOS // told once, however late somebody nominates it
	fdRecord = fdHeld | fdLasts            // what this provider ever records
)

// note records an event that has happened. It reports whether the event object
// is to be set.
func (r *record) note(event uint32, code transport.Code) bool {
	i := bits.TrailingZeros32(event)
	if r.mask&event == 0 {
		if event&fdLasts != 0 {
			r.due |= event
			r.dueCode[i] = code
		}
		return false
	}
	if event&r.held != 0 {
		return false
	}
	if event&fdHeld != 0 {
		r.held |= event
	}
	r.set |= event
	r.code[i] = code
	return true
}

// enable lets an event be recorded again: its re-enabling call was made.
func (r *record) enable(event uint32) { r.held &^= event }

// forget says that somebody has seen for himself what event would tell.
func (r *record) forget(event uint32) { r.due &^= event }

// choose replaces the selection and clears the record (R126). What is true
// already is for the caller to note next; what was told to nobody is noted
// here. It reports whether the event object is to be set.
func (r *record) choose(mask uint32) (ring bool) {
	r.mask, r.set, r.held = mask, 0, 0
	r.code = [FDMaxEvents]transport.Code{}
	for _, event := range []uint32{FDConnect, FDClose, FDQOS} {
		if r.due&event&mask != 0 {
			r.due &^= event
			ring = r.note(event, r.dueCode[bits.TrailingZeros32(event)]) || ring
		}
	}
	return ring
}

// take hands the record out and clears it (R129).
func (r *record) take() NetworkEvents {
	e := NetworkEvents{Events: r.set}
	for i := range e.Codes {
		if r.set&(1<<i) != 0 {
			e.Codes[i] = r.code[i]
		}
	}
	r.set = 0
	r.code = [FDMaxEvents]transport.Code{}
	return e
}

// NetworkEvents are the recorded events and a code for each that is set, at the
// place of its bit (R130).
type NetworkEvents struct {
	Events uint32
	Codes  [FDMaxEvents]transport.Code
}

// Code is the code of an event bit; of what is none it is 0.
func (e NetworkEvents) Code(event uint32) transport.Code {
	if i := bits.TrailingZeros32(event); i < FDMaxEvents {
		return e.Codes[i]
	}
	return 0
}
