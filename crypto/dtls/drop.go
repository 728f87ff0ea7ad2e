package dtls

import "sync/atomic"

// Drop says why a datagram, or one record in it, went no further. It is a
// count, never an error: anybody can send anything.
type Drop uint8

// Why a datagram was dropped, in the order in which it meets the checks.
const (
	DropClosed    Drop = 1  // the endpoint is closed
	DropStrange   Drop = 2  // the first byte is not ours
	DropOversize  Drop = 3  // longer than any that we send
	DropMalformed Drop = 4  // an envelope that no endpoint writes
	DropVersion   Drop = 5  // another version's envelope
	DropRate      Drop = 6  // more ASKs a second than are answered
	DropToken     Drop = 7  // a token that is forged, another's or out of date
	DropUnknown   Drop = 8  // no association with that address and id
	DropBusy      Drop = 9  // as many handshakes or associations as allowed
	DropAddress   Drop = 10 // as many handshakes from that address as allowed
	DropEmptied   Drop = 11 // all its records were dropped, each with a reason below
	DropQueue     Drop = 12 // the association has as many datagrams waiting as allowed
)

// Why the guard dropped a record, before pion saw it.
const (
	RecordMalformed Drop = 13 // a header or a length that does not fit; the rest of the datagram goes with it
	RecordVersion   Drop = 14 // not DTLS 1.2
	RecordEpoch     Drop = 15 // an epoch above 1
	RecordKind      Drop = 16 // a content type that DTLS 1.2 does not have
	RecordPlain     Drop = 17 // an alert or application data in the clear
	RecordCipher    Drop = 18 // a change of cipher in a protected epoch, or a malformed one
	RecordLate      Drop = 19 // in the clear, after a protected record has opened
	RecordNumber    Drop = 20 // a record number that no handshake reaches
	RecordFragment  Drop = 21 // a handshake fragment that breaks the rules
	RecordBudget    Drop = 22 // more fragments, or bytes of them, than a handshake needs
)

// Why our cipher suite refused a record that pion gave it.
const (
	RecordForged Drop = 23 // it does not open
	RecordInner  Drop = 24 // it opened, and holds what the profile forbids
)

// Drops is the number of reasons plus one: room for an array indexed by Drop.
const Drops = 25

var dropNames = [Drops]string{
	"taken", "closed", "strange", "oversize", "malformed", "version", "rate", "token", "unknown", "busy", "address", "emptied", "queue",
	"record malformed", "record version", "record epoch", "record kind", "record plain", "record cipher", "record late",
	"record number", "record fragment", "record budget", "record forged", "record inner",
}

// String returns the reason in a word or two, fit for a counter's name.
func (d Drop) String() string {
	if int(d) < len(dropNames) {
		return dropNames[d]
	}
	return "unknown reason"
}

// Stats is what an Endpoint counted. Of datagrams, Arrived = Taken + the sum of
// Drops from DropClosed to DropQueue. Of records, those that the guard looked
// at: Records = Passed + the sum of Drops from RecordMalformed to RecordBudget.
type Stats struct {
	Arrived, Taken  uint64
	Records, Passed uint64
	Drops           [Drops]uint64

	HalfOpen     int    // handshakes that others began and that run now
	Associations int    // with these, all associations there are now
	Admitted     uint64 // handshakes that ended well, at this end
	Failed       uint64 // that did not
	Unread       uint64 // received datagrams lost since nobody read them in time
	WriteErrors  uint64 // packets that Config.Write refused; handled like loss
}

type counters struct {
	arrived, taken, records, passed       atomic.Uint64
	admitted, failed, unread, writeErrors atomic.Uint64
	drops                                 [Drops]atomic.Uint64
}

func (c *counters) drop(d Drop) { c.drops[d].Add(1) }

func (c *counters) snapshot() (s Stats) {
	s.Arrived, s.Taken = c.arrived.Load(), c.taken.Load()
	s.Records, s.Passed = c.records.Load(), c.passed.Load()
	s.Admitted, s.Failed = c.admitted.Load(), c.failed.Load()
	s.Unread, s.WriteErrors = c.unread.Load(), c.writeErrors.Load()
	for i := range s.Drops {
		s.Drops[i] = c.drops[i].Load()
	}
	return s
}
