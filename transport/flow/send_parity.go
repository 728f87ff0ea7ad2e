package flow

import (
	"encoding/binary"
	"math/bits"
	"time"
)

const (
	mostProactive  = 16
	tauMany        = 0.75 // share of blocks that need no NAK, above fewLeaves
	tauInTime      = 0.99 // the same where a NAK may come too late
	unicastWorth   = 2.5  // a packet to one member costs the others nothing: so many are worth one row
	originalsWorth = 1.25 // a row costs some work at both ends: so many originals are worth one
	spareAfter     = time.Millisecond
	leastRound     = 10 * time.Millisecond
)

// proactive is how many rows go with a block before anybody asks: as many as
// keep the share of blocks that need a NAK at 1 - tau. It follows what was
// asked for, not an estimate of loss, and is none while nobody asks.
type proactive struct {
	h    float64
	peak float64 // most that was lacking in a column of late
	at   moment  // when peak was brought up to date
}

// tau is the share of blocks that should need no NAK; 0: nothing goes unasked.
func (s *Sender) tau(st *sendStream) float64 {
	switch {
	case s.c.NoParity || !st.class.asks():
		return 0
	case st.class == Deadline && (s.counted > fewLeaves || s.c.Latency < 4*s.grtt):
		return tauInTime
	case s.counted > fewLeaves:
		return tauMany
	}
	return 0
}

// addProactive gives a block that has left its rows, unless nobody would ask.
func (s *Sender) addProactive(st *sendStream, b *block) {
	if s.tau(st) == 0 || st.fec.h < 1 || b.first < st.oldest {
		return
	}
	rows := min(uint8(st.fec.h), mostProactive)
	for c := range b.columns() {
		b.spare[c] = rows
	}
	b.owes, st.owing = true, true
}

// judgeBlocks counts, a round after each block left, whether it was asked for.
func (s *Sender) judgeBlocks(t moment, st *sendStream) {
	tau := s.tau(st)
	if tau == 0 {
		st.fec.h = 0
		return
	}
	round := max(leastRound, 12*s.grtt)
	for q := &st.blocks; q.judged < q.left; q.judged++ {
		b := q.at(q.judged)
		if b.end() > st.floor && t-b.ended < round {
			return
		}
		st.fec.judge(b, tau)
	}
}

// judge counts the columns of a block that were asked for, and those that were
// not: a block of many is asked for far more often than each of them.
func (p *proactive) judge(b *block, tau float64) {
	asked := float64(bits.OnesCount16(b.asked &^ b.tall))
	quiet := float64(b.columns() - bits.OnesCount16(b.asked))
	p.h += (asked*tau - quiet*(1-tau)) / float64(b.columns())
	p.h = max(0, min(p.h, mostProactive))
}

// lacks books what one member was heard to lack in a block, per column.
func (s *Sender) lacks(t moment, st *sendStream, b *block, count *[mostColumns]uint8) {
	for c, n := range count {
		if n == 0 {
			continue
		}
		b.asked |= 1 << c
		b.need[c] = max(b.need[c], n)
		if float64(n) > st.fec.peakAt(t) {
			st.fec.peak = float64(n)
		}
		if float64(n)+st.fec.h > mostProactive {
			b.tall |= 1 << c
		}
		if s.counted > fewLeaves && n > b.noted {
			s.notes = true
		}
	}
}

// peakAt is the peak as it has come down by t: it halves every second.
func (p *proactive) peakAt(t moment) float64 {
	for p.peak > 0.5 && t-p.at >= time.Second {
		p.peak /= 2
		p.at += time.Second
	}
	if p.peak <= 0.5 {
		p.at = t
	}
	return p.peak
}

// coded decides how a block in which something is wanted is repaired: true by
// rows of parity, false by the symbols themselves. U is what that costs when
// each symbol goes to whom it lacks, M what it costs to the group, C the rows.
func (s *Sender) coded(st *sendStream, b *block) bool {
	if s.c.NoParity || b.first < st.oldest || b.end() > st.sent {
		return false
	}
	var lacking [mostColumns]uint8
	exclusive, shared := 0, 0
	for seq := st.nextWanted(b.first); seq < b.end(); seq = st.nextWanted(seq + 1) {
		owner := st.chunk(seq).owner[seq%blockSize]
		if s.apart(owner) {
			continue
		}
		lacking[(seq-b.first)&(1<<b.depth-1)]++
		if owner == many {
			shared++
		} else {
			exclusive++
		}
	}
	rows, begun := 0, false
	for c, n := range lacking {
		if b.need[c] = max(min(b.need[c], n), min(n, 1)); n == 0 {
			b.given[c] = 0
		}
		if int(b.rows[c])+int(b.need[c]) > codeRows {
			return false
		}
		rows += int(b.need[c])
		begun = begun || b.given[c] > 0
	}
	if begun {
		return true
	}
	if s.alone() && float64(exclusive+2*shared) <= unicastWorth*float64(rows) {
		return false
	}
	if s.counted > fewLeaves && exclusive > shared {
		return true // few of those who lack something have spoken, and they lack different things
	}
	return float64(exclusive+shared) > originalsWorth*float64(rows)
}

// addRows appends rows to the batch until no column of b needs more or the
// batch is full, and reports which. What a row answers is wanted no more.
func (s *Sender) addRows(st *sendStream, b *block, batch *Batch, most int, stamp int64, spare bool) (full bool) {
	b.closed = true
	for again := true; again; {
		again = false
		for c := range b.columns() {
			if spare && b.spare[c] == 0 || !spare && b.given[c] >= b.need[c] {
				continue
			}
			if len(batch.Frames) == most || !s.addRow(st, b, batch, c, stamp) {
				return true
			}
			if again = true; spare {
				b.spare[c]--
				continue
			}
			if b.given[c]++; b.given[c] == b.need[c] {
				s.answered(st, b, c, stamp)
			}
		}
	}
	return false
}

// addRow makes the next row of a column.
func (s *Sender) addRow(st *sendStream, b *block, batch *Batch, column int, stamp int64) bool {
	if int(b.rows[column]) >= codeRows {
		return true // nothing new could be said
	}
	k := len(batch.Frames)
	frame := batch.room(k, s.slot)
	longest := 0
	for i := column; i < b.n; i += 1 << b.depth {
		seq := b.first + uint64(i)
		longest = max(longest, int(binary.BigEndian.Uint16(s.slotOf(st.chunk(seq), seq)[HeadSize:])))
	}
	size := HeadSize + symbolHead + longest
	if !batch.add(frame, size, b.first) {
		return false
	}
	row := int(b.rows[column])
	putParityHead(frame, &parity{interleave: b.depth, class: st.class, stream: st.id, first: b.first, row: uint8(row),
		column: column, n: b.n, sent: uint32(stamp)})
	clear(frame[HeadSize:])
	for i := column; i < b.n; i += 1 << b.depth {
		seq := b.first + uint64(i)
		slot := s.slotOf(st.chunk(seq), seq)
		n := HeadSize + symbolHead + int(binary.BigEndian.Uint16(slot[HeadSize:]))
		addToRow(frame[HeadSize:], slot[HeadSize:n], row, i>>b.depth)
	}
	b.rows[column]++
	s.stats.Rows++
	return true
}

// answered clears what is wanted of a column: as many rows as its neediest
// member lacks are on their way.
func (s *Sender) answered(st *sendStream, b *block, column int, stamp int64) {
	for i := column; i < b.n; i += 1 << b.depth {
		seq := b.first + uint64(i)
		c, k := st.chunk(seq), seq%blockSize
		if c.group[k] = stamp; c.wanted>>k&1 == 1 {
			s.unwant(st, c, seq)
			s.stats.Answered++
		}
	}
	b.need[column], b.given[column] = 0, 0
}

// pollSpare sends proactive rows, a batch or a moment after their block so that
// one burst does not take both.
func (s *Sender) pollSpare(t moment, b *Batch, most int, data bool) bool {
	for i := range s.streams {
		st := &s.streams[i]
		if !st.owing {
			continue
		}
		b.reset(batchParity, 0, st.id)
		stamp := s.newStamp(t)
		st.owing = false
		for n := st.blocks.low; n < st.blocks.left; n++ {
			k := st.blocks.at(n)
			if !k.owes {
				continue
			}
			if st.owing = data && st.sent < k.end()+MaxSegments && t-k.ended < spareAfter; st.owing {
				break
			}
			if st.owing = k.first >= st.oldest && s.addRows(st, k, b, most, stamp, true); st.owing {
				break
			}
			k.owes = false
		}
		if len(b.Frames) > 0 {
			s.spend(t, b, false)
			return true
		}
	}
	return false
}

// pollNote tells the group which repairs are coming.
func (s *Sender) pollNote(t moment, b *Batch) bool {
	s.notes = false
	for i := range s.streams {
		st := &s.streams[i]
		n := 0
		b.scratch = appendNoteHead(b.scratch[:0], st.id, 0)
		for k := st.blocks.low; k < st.blocks.high && n < mostNotes; k++ {
			if st.blocks.at(k).tellNeed(st.class, &b.scratch) {
				n++
			}
		}
		if n == 0 {
			continue
		}
		s.notes = true // there may be more
		b.scratch[1] = byte(n)
		b.reset(batchNote, 0, st.id)
		b.Frames = append(b.Frames, b.scratch)
		s.stats.Notes++
		s.spend(t, b, false)
		return true
	}
	return false
}

// tellNeed appends the block to a NOTE where it needs more than was told.
func (b *block) tellNeed(class Class, dst *[]byte) bool {
	most := uint8(0)
	for _, n := range b.need {
		most = max(most, n)
	}
	if most <= b.noted {
		return false
	}
	b.noted = most
	*dst = appendNoteBlock(*dst, &noteBlock{first: b.first, n: b.n, interleave: b.depth, class: class, need: b.need[:1<<b.depth]})
	return true
}

// failedRows gives the columns of a batch that did not leave as many new rows.
func (s *Sender) failedRows(st *sendStream, b *Batch) {
	var f parity
	for k, frame := range b.Frames {
		if !parseParity(frame, &f) || b.seqs[k] < st.oldest {
			continue
		}
		d := st.blocks.at(st.blocks.find(b.seqs[k]))
		d.spare[f.column]++
		d.owes, st.owing = true, true
	}
}

func (s *Sender) owing() bool {
	for i := range s.streams {
		if s.streams[i].owing {
			return true
		}
	}
	return false
}
