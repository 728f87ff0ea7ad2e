package flow

import (
	"encoding/binary"
	"math/bits"
	"time"
)

const (
	gatherEnough = 16                    // symbols wanted that need not wait for more
	pathSlack    = 1000                  // microseconds that two paths of one member may differ
	shareSpan    = 10 * time.Millisecond // repairs get a quarter of this
	nakBurst     = 32
	naksInAll    = 4000 // a second, from everybody
)

// Handle takes a NAK or a STATUS from m.
func (s *Sender) Handle(now time.Time, m Member, frame []byte) Drop {
	d := s.handle(s.now(now), m, frame)
	if d == DropNone {
		s.stats.Taken++
	} else {
		s.stats.Drops[d]++
	}
	return d
}

func (s *Sender) handle(t moment, m Member, frame []byte) Drop {
	s.charge(t)
	if len(frame) == 0 {
		return DropMalformed
	}
	i, ok := s.index[m]
	switch {
	case !ForSender(frame):
		return DropType
	case !ok:
		return DropStranger
	case frame[0] == frameStatus:
		return s.handleStatus(t, i, frame)
	}
	return s.handleNak(t, i, frame)
}

// handleNak marks what m lacks as wanted. State, not a queue: however many
// NAKs come, a symbol is wanted or it is not.
func (s *Sender) handleNak(t moment, i int, frame []byte) Drop {
	var f nak
	end, ok := parseNak(frame, &f)
	if !ok {
		return DropMalformed
	}
	if int(f.stream) >= len(s.streams) || !s.streams[f.stream].class.asks() {
		return DropStream
	}
	st, m := &s.streams[f.stream], &s.members[i]
	echo, ok := s.echo(t, f.echoed, f.echo)
	switch {
	case !ok || f.echoed && heldTooLong(s.micros(t)-echo, f.held):
		return DropFuture
	case end > st.next:
		return DropBeyond
	case !s.mayAsk(t, m):
		return DropRate
	}
	m.heardAt, m.silent = t, false
	m.naks++
	s.stats.Naks++
	owner, counts := ownerNumber(i), m.standing != quarantined
	low := max(st.oldest, m.streams[f.stream].delivered)
	at := f.base
	var count [mostColumns]uint8
	var b *block
	for rest := f.ranges; len(rest) > 0; {
		from, to, n := nakRange(rest, at)
		for seq := max(from, low); seq < min(to, st.sent); seq++ {
			if !s.ask(t, st, m, seq, owner, echo) {
				continue
			}
			m.conduct.asked++
			if !counts {
				continue // it is served apart
			}
			if b == nil || seq >= b.end() {
				if b != nil {
					s.lacks(t, st, b, &count)
				}
				b, count = st.blocks.at(st.blocks.find(seq)), [mostColumns]uint8{}
			}
			count[(seq-b.first)&(1<<b.depth-1)]++
		}
		if from < st.oldest {
			s.stats.AskedGone += min(to, st.oldest) - from
		}
		at, rest = to, rest[n:]
	}
	if b != nil {
		s.lacks(t, st, b, &count)
	}
	return DropNone
}

// mayAsk limits NAKs per member and in all, as a virtual schedule: a NAK a
// slot, nakBurst slots ahead at most.
func (s *Sender) mayAsk(t moment, m *member) bool {
	each := time.Second / moment(min(1000, max(200, naksInAll/s.counted)))
	all := time.Second / naksInAll
	own, sum := max(m.nakTat, t), max(s.nakTat, t)
	if own-t > nakBurst*each || sum-t > 8*nakBurst*all {
		return false
	}
	m.nakTat, s.nakTat = own+each, sum+all
	return true
}

// ask decides one symbol by causality before timers: one that was sent before
// what the member has since heard was lost and is wanted at once; else not
// before two round trips. Paths differ, so what went to the member alone must
// be older by pathSlack.
func (s *Sender) ask(t moment, st *sendStream, m *member, seq uint64, owner uint8, echo int64) bool {
	c, k := st.chunk(seq), seq%blockSize
	if c.wanted>>k&1 == 1 {
		s.want(t, st, c, seq, owner)
		return true
	}
	last, passed := c.group[k], echo >= c.group[k]
	if w := c.whom[k]; c.alone[k] > 0 && (w == owner || w == many) {
		last = max(last, c.alone[k])
		passed = passed && echo >= c.alone[k]+pathSlack
	}
	if !passed && s.micros(t)-last < 2*micro(s.grtt) {
		s.stats.TooSoon++
		return false
	}
	if !s.mayHave(m) {
		s.stats.OverBudget++
		return false
	}
	s.want(t, st, c, seq, owner)
	return true
}

// want marks a symbol. One that somebody else wants too goes to the group.
func (s *Sender) want(t moment, st *sendStream, c *chunk, seq uint64, owner uint8) {
	k := seq % blockSize
	if c.wanted>>k&1 == 1 {
		if c.owner[k] != owner {
			c.owner[k] = many
		}
		return
	}
	c.wanted |= 1 << k
	c.owner[k] = owner
	if s.wanted == 0 {
		s.share.gather = t + s.gatherFor()
	}
	if st.wanted == 0 || seq < st.wantLow {
		st.wantLow = seq
	}
	st.wanted++
	s.wanted++
	s.stats.Wanted++
}

// withdraw forgets what one member alone wanted.
func (s *Sender) withdraw(owner uint8) {
	if owner == many {
		return
	}
	for i := range s.streams {
		st := &s.streams[i]
		for seq := st.nextWanted(max(st.wantLow, st.oldest)); seq < st.sent; seq = st.nextWanted(seq + 1) {
			if c := st.chunk(seq); c.owner[seq%blockSize] == owner {
				s.unwant(st, c, seq)
				s.stats.Withdrawn++
			}
		}
	}
}

func (s *Sender) unwant(st *sendStream, c *chunk, seq uint64) {
	c.wanted &^= 1 << (seq % blockSize)
	st.wanted--
	s.wanted--
}

// nextWanted is the first wanted symbol from seq on, or sent.
func (st *sendStream) nextWanted(seq uint64) uint64 {
	if st.wanted == 0 {
		return st.sent
	}
	for seq < st.sent {
		if w := st.chunk(seq).wanted >> (seq % blockSize); w != 0 {
			return seq + uint64(bits.TrailingZeros64(w))
		}
		seq = seq/blockSize*blockSize + blockSize
	}
	return st.sent
}

// gatherFor is how long the first symbol wanted waits for others. Where members
// may be served alone it is the time in which the others' NAKs for the same
// loss arrive, or what all lack would go to each of them.
func (s *Sender) gatherFor() moment {
	switch {
	case s.counted <= 1:
		return 0
	case s.alone():
		return min(s.grtt/4, 250*time.Microsecond)
	}
	return min(s.grtt/2, time.Millisecond)
}

// alone: up to 8 members nobody draws a time for its NAK, so that a symbol
// that one member wants is lacking to it alone. Above, first come is not
// alone, and originals to the group cost less as well.
func (s *Sender) alone() bool { return s.c.UnicastRepair && s.counted <= fewLeaves }

// repairDue is when repairs may go; 16 make a batch that need not wait, and to
// the group they wait only for the sake of new data.
func (s *Sender) repairDue(data bool) moment {
	if !s.alone() && (!data && s.counted <= fewLeaves || s.wanted >= gatherEnough) {
		return 0
	}
	return s.share.gather
}

// repairTurn: repairs take a quarter of the bytes, unless no new data could go
// instead.
func (s *Sender) repairTurn(t moment, data bool) bool {
	return t >= s.repairDue(data) && (!data || s.share.turn(t))
}

// repairShare keeps the quarter.
type repairShare struct {
	gather        moment // when the first symbol wanted has waited long enough
	since         moment
	repair, total int
}

func (r *repairShare) turn(t moment) bool {
	if t-r.since >= shareSpan {
		r.since, r.repair, r.total = t, 0, 0
	}
	return 4*r.repair <= r.total
}

func (r *repairShare) spend(bytes int, repair bool) {
	r.total += bytes
	if repair {
		r.repair += bytes
	}
}

// pollRepair repairs what is wanted, block by block: the oldest symbol decides
// how and to whom, others of the same kind go with it.
func (s *Sender) pollRepair(t moment, b *Batch, room int) bool {
	for i := range s.streams {
		st := &s.streams[(s.turn+i)%len(s.streams)]
		if st.wanted == 0 {
			continue
		}
		st.wantLow = st.nextWanted(max(st.wantLow, st.oldest))
		n := min(MaxSegments, room)
		stamp := s.newStamp(t)
		if s.pollRows(st, b, n, stamp) {
			s.stats.RepairBytes += s.spend(t, b, true)
		} else {
			s.pollAgain(st, b, n, stamp)
			s.bookRepair(b)
			s.stats.RepairBytes += s.spend(t, b, true)
		}
		s.beat.dataSent(t, s.grtt)
		return true
	}
	return false
}

// pollRows fills a batch with rows if the oldest block in which something is
// wanted is repaired by parity.
func (s *Sender) pollRows(st *sendStream, b *Batch, most int, stamp int64) bool {
	b.reset(batchParity, 0, st.id)
	for seq := st.wantLow; seq < st.sent; {
		k := st.blocks.at(st.blocks.find(seq))
		if !s.coded(st, k) || s.addRows(st, k, b, most, stamp, false) {
			break
		}
		if seq = st.nextWanted(k.end()); len(b.Frames) == most {
			break
		}
	}
	return len(b.Frames) > 0
}

// pollAgain fills a batch with symbols that are sent again.
func (s *Sender) pollAgain(st *sendStream, b *Batch, most int, stamp int64) {
	first := st.wantLow
	owner := st.chunk(first).owner[first%blockSize]
	to := s.repairTo(owner)
	b.reset(batchRepair, to, st.id)
	end := uint64(0) // of the block that was last looked at
	for seq := first; seq < st.sent && len(b.Frames) < most; seq = st.nextWanted(seq + 1) {
		if seq >= end {
			k := st.blocks.at(st.blocks.find(seq))
			if end = k.end(); seq > first && s.coded(st, k) {
				break
			}
		}
		c, k := st.chunk(seq), seq%blockSize
		if to != 0 && c.owner[k] != owner || to == 0 && s.repairTo(c.owner[k]) != 0 {
			continue
		}
		slot := s.slotOf(c, seq)
		if !b.add(slot, HeadSize+symbolHead+int(binary.BigEndian.Uint16(slot[HeadSize:])), seq) {
			break
		}
		binary.BigEndian.PutUint32(slot[12:], uint32(stamp))
		s.unwant(st, c, seq)
		c.sentAgain(k, stamp, to != 0, owner)
	}
}

// repairTo is where a symbol goes that owner wants.
func (s *Sender) repairTo(owner uint8) Member {
	if owner == many || !s.alone() && !s.apart(owner) {
		return 0
	}
	return s.members[owner-1].id
}

// apart: what only a quarantined member lacks is no business of the group's.
func (s *Sender) apart(owner uint8) bool {
	return s.c.UnicastRepair && owner != many && s.members[owner-1].standing == quarantined
}

// sentAgain stamps a slot. One that went to two members, each alone, counts as
// sent to anybody at the later time.
func (c *chunk) sentAgain(k uint64, stamp int64, alone bool, owner uint8) {
	if !alone {
		c.group[k] = stamp
		return
	}
	if c.alone[k] > 0 && c.whom[k] != owner {
		owner = many
	}
	c.alone[k], c.whom[k] = stamp, owner
}

func (s *Sender) bookRepair(b *Batch) {
	n := uint64(len(b.Frames))
	s.stats.Repaired += n
	if b.To == 0 {
		s.stats.AgainGroup += n
		return
	}
	s.stats.AgainAlone += n
	if i, ok := s.index[b.To]; ok {
		s.members[i].repaired += n
	}
}
