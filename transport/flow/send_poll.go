package flow

import (
	"encoding/binary"
	"time"
)

// Batch is what Poll hands out: frames for one destination. They lie in the
// ring or in the batch's own room and hold until the next call on the Sender.
// All have equal lengths but the last, which may be shorter.
type Batch struct {
	To     Member // 0: the group
	Frames [][]byte

	kind    batchKind
	stream  Stream
	seqs    [MaxSegments]uint64
	bytes   int // payload bytes of symbols sent for the first time
	wire    int // bytes on the wire
	segment int // length of all frames but the last
	waste   int
	scratch []byte // BEAT, NOTE
	rows    []byte // of parity
}

// room is the k-th slot of the batch's own.
func (b *Batch) room(k, slot int) []byte {
	if len(b.rows) < MaxSegments*slot {
		b.rows = make([]byte, MaxSegments*slot)
	}
	return b.rows[k*slot : (k+1)*slot : (k+1)*slot]
}

type batchKind uint8

const (
	batchBeat batchKind = iota + 1
	batchData
	batchRepair
	batchParity
	batchNote
)

func (b *Batch) reset(kind batchKind, to Member, stream Stream) {
	b.kind, b.To, b.stream = kind, to, stream
	b.Frames = b.Frames[:0]
	b.bytes, b.wire, b.segment, b.waste = 0, 0, 0, 0
}

// add takes the frame of n bytes that begins slot, if it suits the others: none
// is longer than the first, and zeros behind short ones make up at most an
// eighth of the batch. A first frame that is nearly full counts as full.
func (b *Batch) add(slot []byte, n int, seq uint64) bool {
	k := len(b.Frames)
	if k == 0 {
		if b.segment = n; n >= len(slot)/8*7 {
			b.segment = len(slot)
		}
	} else {
		short := b.Frames[k-1]
		pad := b.segment - len(short)
		if n > b.segment || b.waste+pad > k*b.segment/8 {
			return false
		}
		if pad > 0 {
			b.waste += pad
			b.Frames[k-1] = short[:b.segment]
			clear(short[len(short):b.segment])
		}
	}
	b.Frames = append(b.Frames, slot[:n])
	b.seqs[k] = seq
	return true
}

// Poll fills b with the next batch and reports whether there was one. It says
// no when nothing waits, or credit or rate hold it back. Only closed packets
// go: see Cut.
func (s *Sender) Poll(now time.Time, b *Batch) bool {
	t := s.now(now)
	s.refresh()
	s.expire(t)
	s.judge(t)
	if s.beatDue(t) {
		s.pollBeat(t, b)
		return true
	}
	if s.skips && s.pollSkip(t, b) {
		return true
	}
	if s.notes && s.pollNote(t, b) { // like a BEAT it does not wait for the rate
		return true
	}
	room := s.rateRoom(t)
	if room == 0 {
		return false
	}
	data := s.sendable(t)
	s.waiting = data || s.queued()
	if s.waiting && !data {
		s.law.blocked()
	}
	if s.wanted > 0 && s.repairTurn(t, data) && s.pollRepair(t, b, room) {
		return true
	}
	if s.pollSpare(t, b, room, data) {
		return true
	}
	return data && s.pollData(t, b, room)
}

// MostOfBatch is how many packets one batch takes where no rate makes it smaller.
func (s *Sender) MostOfBatch() int { return s.most }

// Due is how many packets Poll could hand out now.
func (s *Sender) Due(now time.Time) int {
	t := s.now(now)
	s.refresh()
	n := 0
	for i := range s.streams {
		st := &s.streams[i]
		n += int(min(st.ready(), mostSlots))
	}
	if s.wanted > 0 && t >= s.repairDue(n > 0) {
		n += s.wanted
	}
	n = min(n, s.rateRoom(t))
	if s.beatDue(t) {
		n++
	}
	return n
}

// ready is how many closed packets credit lets go.
func (st *sendStream) ready() uint64 {
	if end := min(st.next, st.credit); end > st.sent {
		return end - st.sent
	}
	return 0
}

// sendable reports whether new data may go, and keeps the clocks of blocked
// streams.
func (s *Sender) sendable(t moment) (any bool) {
	s.charge(t)
	for i := range s.streams {
		st := &s.streams[i]
		switch {
		case st.next == st.sent:
			st.blockedAt = never
		case st.ready() > 0:
			st.blockedAt = never
			any = true
		default:
			any = s.blocked(t, st) || any
		}
	}
	return any
}

// pollData sends what waits, one stream a batch, streams in turn.
func (s *Sender) pollData(t moment, b *Batch, room int) bool {
	for range s.streams {
		st := &s.streams[s.turn]
		if s.turn++; s.turn == len(s.streams) {
			s.turn = 0
		}
		n := min(int(min(st.ready(), MaxSegments)), room)
		if n == 0 {
			continue
		}
		b.reset(batchData, 0, st.id)
		stamp := s.newStamp(t)
		for i := 0; i < n; i++ {
			seq := st.sent + uint64(i)
			c := st.chunk(seq)
			slot := s.slotOf(c, seq)
			size := int(binary.BigEndian.Uint16(slot[HeadSize:]))
			if !b.add(slot, HeadSize+symbolHead+size, seq) {
				break
			}
			binary.BigEndian.PutUint32(slot[12:], uint32(stamp))
			c.group[seq%blockSize] = stamp
			b.bytes += size
		}
		st.sent += uint64(len(b.Frames))
		s.stats.Sent += uint64(b.bytes)
		s.stats.Queued -= uint64(b.bytes)
		s.stats.Data += uint64(len(b.Frames))
		s.blocksLeft(t, st)
		s.beat.dataSent(t, s.beatEvery())
		s.spend(t, b, false)
		if s.stats.Quarantines > 0 {
			s.allow(b.wire)
		}
		return true
	}
	return false
}

// spend charges a finished batch to the pacer and the books.
func (s *Sender) spend(t moment, b *Batch, repair bool) uint64 {
	for _, f := range b.Frames {
		b.wire += len(f)
	}
	b.wire += len(b.Frames) * (s.c.Overhead + ipOverhead)
	s.pace.spend(b.wire)
	if b.kind != batchBeat && b.kind != batchNote {
		s.limit.spend(b.wire)
	}
	s.law.sent(t, b.wire)
	s.share.spend(b.wire, repair)
	s.stats.Batches++
	s.stats.Segments += uint64(len(b.Frames))
	s.stats.WireBytes += uint64(b.wire)
	return uint64(b.wire)
}

// newStamp is the batch's `sent`: later than every one before, so that an echo
// tells two batches apart.
func (s *Sender) newStamp(t moment) int64 {
	s.stamp = max(micro(t), s.stamp+1)
	return s.stamp
}

// Failed says that b, the batch that Poll gave last, did not leave. What was
// new waits again; what was a repair is wanted again. Packet numbers that were
// used for it stay used.
func (s *Sender) Failed(now time.Time, b *Batch) {
	t := s.now(now)
	s.stats.FailedBatches++
	s.stats.Failed += uint64(len(b.Frames))
	s.events.add(Event{Kind: WriteFailed, Member: b.To})
	if b.kind == batchBeat {
		s.beat.failed(t)
		return
	}
	st := &s.streams[b.stream]
	switch {
	case b.kind == 0 || len(b.Frames) == 0:
		return
	case b.kind == batchNote:
		b.kind = 0
		return // who does not hear of a repair asks for it
	case b.kind == batchParity:
		s.failedRows(st, b)
		b.kind = 0
		return
	}
	if first := b.seqs[0]; b.kind == batchData && st.sent == first+uint64(len(b.Frames)) && st.oldest <= first {
		st.sent = first
		s.stats.Sent -= uint64(b.bytes)
		s.stats.Queued += uint64(b.bytes)
		b.kind = 0
		return
	}
	owner := uint8(many)
	if b.To != 0 {
		i, ok := s.index[b.To]
		if !ok {
			return
		}
		owner = ownerNumber(i)
	}
	for k := range b.Frames {
		if seq := b.seqs[k]; seq >= st.oldest && st.class.asks() {
			c := st.chunk(seq)
			if b.To == 0 {
				c.group[seq%blockSize] = 0
			} else {
				c.alone[seq%blockSize] = 0
			}
			s.want(t, st, c, seq, owner)
		}
	}
	b.kind = 0
}
