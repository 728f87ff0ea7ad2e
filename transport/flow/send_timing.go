package flow

import "time"

const (
	beatLoad    = 20 * time.Millisecond
	beatStart   = 1 * time.Millisecond // while the rate law knows nothing yet
	beatFirst   = 5 * time.Millisecond
	beatWaiting = 100 * time.Millisecond // at most this between beats while something is owed
	beatIdle    = time.Second
	idleAfter   = 5 * time.Second
)

func (s *Sender) now(t time.Time) moment { return t.Sub(s.c.Start) }

// beatClock says when the next BEAT goes: every beatLoad under load, or beatStart
// where few members' answers are what the rate waits for, and 5, 10,
// 20 .. 1,000 ms after the last data, so that the loss of a tail shows in 5 ms
// and one round trip (U26).
type beatClock struct {
	last moment // last BEAT
	data moment // last DATA
	step moment // the next BEAT of the tail comes this long after it
	load moment // next BEAT under load; never: none due
	next moment // next BEAT of the tail
}

// restart begins the tail anew: somebody came.
func (b *beatClock) restart(t moment) {
	b.data, b.step, b.next = t, beatFirst, t+beatFirst
}

func (b *beatClock) dataSent(t, every moment) {
	b.restart(t)
	if b.load == never {
		b.load = t + every
	}
}

// beatEvery is the time between BEATs under load.
func (s *Sender) beatEvery() moment {
	if s.counted <= fewLeaves && s.law.starting() {
		return max(beatStart, s.grtt/2)
	}
	return max(s.grtt, beatLoad)
}

// sent moves on. While members owe an answer the steps stop growing early, so
// that no lost STATUS or NAK can wedge the flow.
func (b *beatClock) sent(t moment, owed bool) {
	b.last, b.load = t, never
	for b.step < beatIdle && b.data+b.step <= t {
		b.step *= 2
	}
	b.next = max(b.data+min(b.step, beatIdle), t+beatFirst)
	if b.step >= beatIdle {
		b.next = t + beatIdle
	}
	if owed {
		b.next = min(b.next, t+beatWaiting)
	}
}

func (b *beatClock) failed(t moment) { b.next = t + beatFirst }

func (b *beatClock) at() moment { return min(b.load, b.next) }

func (s *Sender) beatDue(t moment) bool { return s.counted > 0 && t >= s.beat.at() }

// pollBeat fills b with a BEAT to the group. It goes whatever the rate, and is
// charged to it.
func (s *Sender) pollBeat(t moment, b *Batch) {
	b.reset(batchBeat, 0, 0)
	f := beat{sent: uint32(s.newStamp(t)), grtt: packGRTT(s.grtt), leaves: uint16(min(s.counted, 65535)), n: len(s.streams),
		rate: packRate(s.law.rate())}
	for i := range s.members {
		f.loss = max(f.loss, s.members[i].loss)
	}
	for i := range s.streams {
		st := &s.streams[i]
		f.peak = max(f.peak, uint8(min(st.fec.peakAt(t), codePlaces)))
		next := st.sent
		if s.ended && st.class == Reliable {
			next = st.next
		} else if q := &st.blocks; q.left < q.high && s.counted > fewLeaves && st.class.asks() && t-s.beat.data < beatFirst {
			next = max(st.oldest, min(next, q.at(q.left).first)) // more of that block comes, or a later BEAT
		}
		f.streams[i] = beatStream{stream: st.id, next: next, oldest: st.oldest, message: s.messageAt(st, next)}
	}
	b.scratch = appendBeat(b.scratch[:0], &f)
	b.Frames = append(b.Frames, b.scratch)
	s.stats.Beats++
	s.beat.sent(t, s.owed())
	s.spend(t, b, false)
}

// Finish says that nothing more is written and that not all of it may go before
// the end. From here on a BEAT tells what was written on reliable streams, sent or
// not: who gets no more of it knows what it misses.
func (s *Sender) Finish(now time.Time) {
	s.Flush(now)
	if t := s.now(now); !s.ended {
		s.ended = true
		s.beat.restart(t)
	}
}

// owed: something waits to be sent, or to be delivered.
func (s *Sender) owed() bool {
	for i := range s.streams {
		st := &s.streams[i]
		if st.sent < st.next || st.owed(s) {
			return true
		}
	}
	return false
}

// messageAt is the number of the first record that starts at seq or later.
func (s *Sender) messageAt(st *sendStream, seq uint64) uint32 {
	switch {
	case seq < st.next:
		return numberIn(s.slotOf(st.chunk(seq), seq))
	case st.open != nil:
		return st.number
	}
	return uint32(st.message)
}

// startRate begins at what the law begins with.
func (s *Sender) startRate() {
	c := s.c
	if c.Policy == FixedRate {
		c.Law = Fixed
	}
	p := &s.pace
	p.init(&SenderConfig{Symbol: c.Symbol, Overhead: c.Overhead})
	s.most = p.most
	s.law.init(c.Law, c.Rate, p.packet)
	c.Rate = s.law.rate()
	p.init(&c)
}

// steer brings the pacer to the rate that the law allows now.
func (s *Sender) steer(t moment) {
	s.law.advance(t)
	s.pace.setRate(t, s.law.rate(), s.most)
}

// pacer is a token bucket. A batch is at most 64 KiB or 1 ms worth. The bucket
// holds 2 ms, so that a timer's lateness costs no rate, and never more than four
// batches; or 10 ms, where these are four packets at most; and two packets.
type pacer struct {
	rate   int64
	packet int // bytes of a full packet on the wire
	most   int // packets of a batch
	bucket int
	tokens int
	last   moment
	carry  int64 // byte-nanoseconds below one byte
}

func (p *pacer) init(c *SenderConfig) {
	sealed := HeadSize + c.Symbol + c.Overhead
	p.rate, p.packet = c.Rate, sealed+ipOverhead
	p.most = max(1, min(MaxSegments, MaxBatch/sealed))
	if p.rate == 0 {
		return
	}
	p.most = int(max(1, min(int64(p.most), p.rate/1000/int64(p.packet))))
	p.deepen()
	p.tokens = p.bucket
}

func (p *pacer) deepen() {
	packet := int64(p.packet)
	p.bucket = int(max(int64(p.most)*packet, min(p.rate/500, 4*MaxBatch), min(p.rate/100, 4*packet), 2*packet))
}

// room is how many packets may go at t.
func (p *pacer) room(t moment) int {
	if p.rate == 0 {
		return p.most
	}
	p.fill(t)
	return max(0, min(p.most, p.tokens/p.packet))
}

func (p *pacer) fill(t moment) {
	d := min(t-p.last, time.Second)
	if d <= 0 {
		return
	}
	p.last = t
	earned := int64(d)*p.rate + p.carry // at most a second times largestRate
	bytes := earned / 1e9
	p.carry = earned - bytes*1e9
	p.tokens = int(min(int64(p.tokens)+bytes, int64(p.bucket)))
}

func (p *pacer) spend(bytes int) {
	if p.rate > 0 {
		p.tokens -= bytes
	}
}

// ready is when one packet may go.
func (p *pacer) ready() moment {
	if p.rate == 0 || p.tokens >= p.packet {
		return p.last
	}
	return p.last + moment((int64(p.packet-p.tokens)*1e9-p.carry)/p.rate+1)
}

// Advance lets time pass: silent members stop holding back best effort, events
// are raised, idle memory goes back. Poll does the first by itself.
func (s *Sender) Advance(now time.Time) {
	t := s.now(now)
	s.refresh()
	s.expire(t)
	s.sendable(t)
	s.judge(t)
	for i := range s.streams {
		s.blocksLeft(t, &s.streams[i])
	}
	if t < s.check {
		return
	}
	s.check = t + time.Second
	for i := range s.members {
		if m := &s.members[i]; m.id != 0 && !m.silent && t-m.heardAt >= silentAfter {
			m.silent = true
			s.events.add(Event{Kind: MemberSilent, Member: m.id})
		}
	}
	if t-s.beat.data >= idleAfter {
		s.trim()
	}
}

// NextTimeout is when Poll or Advance will next have something to do of its
// own accord; the zero time means not before the next Write, Cut or Handle.
func (s *Sender) NextTimeout() time.Time {
	s.refresh()
	t := never
	if s.counted > 0 {
		t = s.beat.at()
	}
	data := false
	for i := range s.streams {
		st := &s.streams[i]
		if st.ready() > 0 {
			data = true
		} else if st.next > st.sent {
			t = min(t, st.quietAt)
			if !st.told && st.blockedAt != never {
				t = min(t, st.blockedAt+blocksAfter)
			}
		}
	}
	switch {
	case data:
		t = min(t, s.rateReady())
	case s.wanted > 0:
		t = min(t, max(s.rateReady(), s.repairDue(false)))
	}
	if s.owing() {
		t = min(t, s.rateReady())
	}
	if s.notes {
		t = min(t, s.pace.last)
	}
	if len(s.free) > 2 {
		t = min(t, max(s.check, s.beat.data+idleAfter))
	}
	return at(s.c.Start, t)
}
