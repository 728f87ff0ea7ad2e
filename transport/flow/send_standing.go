package flow

import "time"

// standing is a member's place among those who are waited for.
type standing uint8

const (
	inStep      standing = iota // has a say in the pace
	catchingUp                  // came late and is given what was before it
	quarantined                 // drags the group: served, but not waited for
)

// Reason says why a member was quarantined.
type Reason uint8

// The reasons.
const (
	ReasonBlocks Reason = iota + 1 // it alone held everybody back for half of two seconds
	ReasonLossy                    // it asked for more than a tenth of what was sent, and far more than the others
)

var reasonNames = [...]string{"none", "holds everybody back", "loses far more than the others"}

// String words the reason.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

const (
	judgeEvery    = 100 * time.Millisecond
	blameSpan     = 20 // judgements that blame is summed over: 2 s
	lossSpan      = 5  // judgements in a row that show a lossy member
	lossPlain     = 2  // or one, if it asks for so many times lossShare
	lossShare     = 0.1
	lossTimes     = 2.5 // so much more than the others lose on average
	leastJudged   = 128 // symbols of data below which loss is not judged
	quarantineAsk = 10  // a quarantined member is given this part of the bytes, in percent, while data waits
	cleanFor      = 5 * time.Second
	mostClean     = 60 * time.Second
	evictAfter    = 60 * time.Second // in quarantine and never clean
	skipAfter     = 10               // judgements
	catchFor      = 10 * time.Second // so long the ring waits for who came late
)

// conduct is what is known of a member's drag on the group.
type conduct struct {
	blame     moment // blocked time charged since the last judgement
	blames    [blameSpan]moment
	asked     uint64 // symbols asked for since then
	lossy     int    // judgements in a row
	since     moment // when the standing began
	clean     moment // since when it has been in step again; never: it is not
	overdue   bool   // MemberOverdue was raised
	relapses  int
	behind    int  // judgements in a row at which a quarantined member was out of reach
	skip      bool // it is to be told to go on
	allowance int  // bytes of repair that a quarantined member may have now
}

// charge books blocked time to the member that alone causes it.
func (s *Sender) charge(t moment) {
	d := t - s.charged
	if d <= 0 {
		return
	}
	s.charged = t
	for i := range s.streams {
		st := &s.streams[i]
		if st.class == Reliable && st.blockedAt != never && st.holder >= 0 && st.credit <= st.sent && st.second > st.sent {
			s.members[st.holder].conduct.blame += d
			return // once, however many streams
		}
	}
}

// judge looks at every member's conduct, ten times a second: at blame each
// time, at loss once enough was sent.
func (s *Sender) judge(t moment) {
	if t-s.judgedAt < judgeEvery {
		return
	}
	s.judgedAt = t
	s.busy = s.stats.Data-s.lastData >= leastJudged
	s.lastData = s.stats.Data
	sent := s.stats.Data - s.judgedData
	loss := sent >= leastJudged
	var asked, lost float64
	voices := 0
	for i := range s.members {
		if m := &s.members[i]; m.id != 0 && m.standing == inStep {
			asked += float64(m.conduct.asked)
			lost += float64(m.loss)
			voices++
		}
	}
	for i := range s.members {
		m := &s.members[i]
		switch {
		case m.id == 0:
			continue
		case m.standing == quarantined:
			s.judgeQuarantined(t, m, loss && float64(m.conduct.asked) > lossShare*float64(sent))
		case m.standing == inStep && voices > 1 && !s.c.NoQuarantine && !m.needed && s.waitsFor(m):
			s.judgeBlame(t, m)
			if others := float64(voices - 1); loss && m.standing == inStep {
				s.judgeLoss(t, m, float64(m.conduct.asked)/float64(sent), (asked-float64(m.conduct.asked))/others/float64(sent),
					(lost-float64(m.loss))/others)
			}
		}
		m.conduct.blame = 0
		if loss {
			m.conduct.asked = 0
		}
	}
	if loss {
		s.judgedData = s.stats.Data
	}
}

// judgeBlame quarantines who alone held the others back for half of the time.
func (s *Sender) judgeBlame(t moment, m *member) {
	c := &m.conduct
	copy(c.blames[1:], c.blames[:])
	c.blames[0] = c.blame
	var blame moment
	for _, b := range c.blames {
		blame += b
	}
	if blame > judgeEvery*blameSpan/2 {
		s.quarantine(t, m, ReasonBlocks)
	}
}

// judgeLoss quarantines who asks for far more than the others, and by its own
// account of packets loses far more: on a busy machine NAKs come in bunches.
func (s *Sender) judgeLoss(t moment, m *member, asked, others, lost float64) {
	if asked <= lossShare || asked <= lossTimes*others || float64(m.loss) <= lossTimes*lost {
		m.conduct.lossy = 0
		return
	}
	if m.conduct.lossy++; m.conduct.lossy >= lossSpan || asked > lossPlain*lossShare {
		s.quarantine(t, m, ReasonLossy)
	}
}

func (s *Sender) quarantine(t moment, m *member, why Reason) {
	m.standing = quarantined
	s.law.gone(s.index[m.id])
	m.conduct = conduct{since: t, clean: never, relapses: m.conduct.relapses}
	s.dirty = true
	s.stats.Quarantines++
	s.events.add(Event{Kind: MemberQuarantined, Member: m.id, Reason: why})
}

// judgeQuarantined lets a member back that has kept up for long enough, and
// calls for an end with one that never does. One that falls behind further is
// told to go on with what is sent now, or it would always be a ring behind.
func (s *Sender) judgeQuarantined(t moment, m *member, lossy bool) {
	c := &m.conduct
	if reach := s.inReach(m); lossy || !reach {
		if c.behind++; !reach && t-s.beat.data < judgeEvery && c.behind >= skipAfter && s.c.UnicastRepair {
			c.behind, c.skip, s.skips = 0, true, true
		}
		if c.clean = never; t-c.since >= evictAfter && !c.overdue {
			c.overdue = true
			s.events.add(Event{Kind: MemberOverdue, Member: m.id})
		}
		return
	}
	if c.behind = 0; c.clean == never {
		c.clean, c.since = t, t
	}
	if t-c.clean < min(cleanFor<<min(c.relapses, 8), mostClean) {
		return
	}
	m.standing = inStep
	m.conduct = conduct{since: t, relapses: c.relapses + 1}
	s.dirty = true
	s.events.add(Event{Kind: MemberReturned, Member: m.id})
}

// pollSkip tells one quarantined member that what was sent so far will not come
// any more, in a BEAT of its own: what comes now it can take.
func (s *Sender) pollSkip(t moment, b *Batch) bool {
	s.skips = false
	for i := range s.members {
		m := &s.members[i]
		if m.id == 0 || !m.conduct.skip {
			continue
		}
		m.conduct.skip, s.skips = false, true
		s.pollBeat(t, b)
		var f beat
		parseBeat(b.scratch, &f)
		for k := range f.n {
			if st := &s.streams[k]; st.class == Reliable {
				f.streams[k].oldest = f.streams[k].next
			}
		}
		b.scratch = appendBeat(b.scratch[:0], &f)
		b.To, b.Frames[0] = m.id, b.scratch
		s.stats.Skips++
		return true
	}
	return false
}

// inReach: the member is near enough to what is sent that waiting for it costs
// nothing now.
func (s *Sender) inReach(m *member) bool {
	for k := range s.streams {
		st, ms := &s.streams[k], &m.streams[k]
		if st.class == Reliable && ms.delivered < st.sent && (ms.delivered+s.window/2 <= st.sent || ms.limit <= st.sent) {
			return false
		}
	}
	return true
}

// catchUp counts a member in that came late once it has come near, or has had
// its time.
func (s *Sender) catchUp(t moment, m *member) {
	if m.standing == catchingUp && (s.inReach(m) || t-m.conduct.since >= catchFor) {
		m.standing = inStep
		m.conduct.since = t
		s.dirty = true
	}
}

// mayHave limits what a quarantined member gets while data waits, or a stream
// flows that would wait if the member had all it asks for.
func (s *Sender) mayHave(m *member) bool {
	if m.standing != quarantined || !s.waiting && !s.busy {
		return true
	}
	if m.conduct.allowance <= 0 {
		return false
	}
	m.conduct.allowance -= s.slot
	return true
}

// queued: some stream has symbols that were not sent yet.
func (s *Sender) queued() bool {
	for i := range s.streams {
		if st := &s.streams[i]; st.sent < st.next {
			return true
		}
	}
	return false
}

// allow gives quarantined members their part of what was sent.
func (s *Sender) allow(bytes int) {
	for i := range s.members {
		if m := &s.members[i]; m.id != 0 && m.standing == quarantined {
			m.conduct.allowance = min(m.conduct.allowance+bytes*quarantineAsk/100, 64*s.slot)
		}
	}
}
