package flow

import (
	"encoding/binary"
	"time"
)

// A BEAT tells where the sender stands. It shows the loss of a tail, carries
// what timers need, and asks for a STATUS.
//
//	type 1 | n 1 | sent 4 | grtt 1 | leaves 2 | peak 1 | loss 1 | rate 2
//	| n x {stream 2, next 6, oldest 6, message 4} | reporters {member 4}
//
//	grtt     greatest round trip of the counted members: (16 + low 4 bits) << high 4 bits, in microseconds
//	leaves   how many members are counted
//	peak     most symbols that some member was heard to lack in one column of a block, of late
//	loss     worst counted member's loss of late, in 1/255
//	rate     (low 11 bits) << (high 5 bits) in 1,000 bytes a second; zero: no limit but credit
//	next     sequence after the last one sent, or written where Finish was called
//	oldest   lowest sequence that can still be repaired
//	message  number of the first record that starts at next or later, mod 2^32
//	reporters  members asked to report fast; none so far
type beat struct {
	sent      uint32
	grtt      uint8
	leaves    uint16
	peak      uint8
	loss      uint8
	rate      uint16
	n         int
	streams   [MaxStreams]beatStream
	reporters int
	reporter  [mostReporters]Member
}

type beatStream struct {
	stream       Stream
	next, oldest uint64
	message      uint32
}

const (
	beatHead      = 13
	beatEntry     = 18
	mostReporters = 32
)

func appendBeat(b []byte, f *beat) []byte {
	b = append(b, frameBeat, byte(f.n))
	b = binary.BigEndian.AppendUint32(b, f.sent)
	b = append(b, f.grtt)
	b = binary.BigEndian.AppendUint16(b, f.leaves)
	b = append(b, f.peak, f.loss)
	b = binary.BigEndian.AppendUint16(b, f.rate)
	for i := range f.n {
		s := &f.streams[i]
		b = binary.BigEndian.AppendUint16(b, s.stream)
		b = append48(append48(b, s.next), s.oldest)
		b = binary.BigEndian.AppendUint32(b, s.message)
	}
	for i := range f.reporters {
		b = binary.BigEndian.AppendUint32(b, f.reporter[i])
	}
	return b
}

func parseBeat(b []byte, f *beat) bool {
	if len(b) < beatHead || b[0] != frameBeat {
		return false
	}
	f.n = int(b[1])
	rest := len(b) - beatHead - f.n*beatEntry
	if f.n == 0 || f.n > MaxStreams || rest < 0 || rest%4 != 0 || rest/4 > mostReporters {
		return false
	}
	f.sent = binary.BigEndian.Uint32(b[2:])
	f.grtt = b[6]
	f.leaves = binary.BigEndian.Uint16(b[7:])
	f.peak, f.loss = b[9], b[10]
	f.rate = binary.BigEndian.Uint16(b[11:])
	if f.leaves == 0 {
		return false // nobody beats for nobody, and timers divide by it
	}
	b = b[beatHead:]
	for i := range f.n {
		s := &f.streams[i]
		s.stream = binary.BigEndian.Uint16(b)
		s.next, s.oldest = get48(b[2:]), get48(b[8:])
		s.message = binary.BigEndian.Uint32(b[14:])
		if s.oldest > s.next || i > 0 && s.stream <= f.streams[i-1].stream {
			return false
		}
		b = b[beatEntry:]
	}
	f.reporters = rest / 4
	for i := range f.reporters {
		f.reporter[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return true
}

// packGRTT rounds up to the next value the byte can say: 16 us to 1.02 s in
// steps of 6 %.
func packGRTT(d time.Duration) uint8 {
	us := max(16, micro(d+time.Microsecond-1))
	e := 0
	for us > 31 && e < 15 {
		us = (us + 1) >> 1
		e++
	}
	if us > 31 {
		return 0xff
	}
	return uint8(e<<4 | int(us-16))
}

func unpackGRTT(b uint8) time.Duration {
	return time.Duration(16+int64(b&15)) << (b >> 4) * time.Microsecond
}

// packRate rounds down.
func packRate(rate int64) uint16 {
	k, e := rate/1000, 0
	if rate > 0 {
		k = max(k, 1)
	}
	for k > 2047 && e < 31 {
		k >>= 1
		e++
	}
	return uint16(e<<11 | int(min(k, 2047)))
}
