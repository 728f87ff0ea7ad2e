package rooted

import (
	"bytes"
	"math/rand/v2"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/session"
)

// newsRoom is how many packets with news of the keys may wait for the loop: a
// rekey of a great many departures has some hundred parts. What finds no room is
// asked for.
const newsRoom = 256

// seed spreads leaves' questions over time.
func seed() uint64 { return rand.Uint64() }

// news is a packet from the group that tells of keys.
type news struct {
	kind     uint8
	body     []byte
	pairwise bool
}

// hear takes news from the data plane's readers, which must not wait.
func (l *Leaf) hear(kind uint8, body []byte, from uint32, pairwise bool) bool {
	if from != control.RootID || kind != crypto.KindRekey && kind != crypto.KindEpoch || len(body) > crypto.MaxRekey {
		return false
	}
	select {
	case l.news <- news{kind, bytes.Clone(body), pairwise}:
	default:
		l.missed.Add(1)
	}
	return true
}

// KeyStats counts what came on the group about keys.
type KeyStats struct {
	News   [crypto.Outcomes]uint64 // by crypto.Outcome
	Missed uint64                  // for which there was no room
}

func (l *Leaf) keyStats() (st KeyStats) {
	for i := range l.outcomes {
		st.News[i] = l.outcomes[i].Load()
	}
	st.Missed = l.missed.Load()
	return st
}

// learn brings the news to the loop, until the membership's end.
func (l *Leaf) learn() {
	for {
		select {
		case n := <-l.news:
			l.do(func(now time.Time, _ *control.Leaf) { l.told(now, n) })
		case <-l.ctx.Done():
			return
		}
	}
}

// told acts on news of the keys. What it says is the root's only if the root has
// signed it: every member could seal it.
func (l *Leaf) told(now time.Time, n news) {
	if l.over.Load() {
		return
	}
	if n.kind == crypto.KindEpoch {
		l.outcomes[l.notice(now, n)].Add(1)
		return
	}
	next, outcome := l.path.Rekey(now, l.epoch, n.body, n.pairwise)
	l.outcomes[outcome].Add(1)
	switch outcome {
	case crypto.Taken:
		kind := control.Step
		if crypto.RekeyIsFresh(n.body) {
			kind = control.Fresh
		}
		l.adopt(next, kind)
	case crypto.Behind, crypto.Unfit:
		l.machine.Behind(now)
	}
}

// notice acts on word of the epoch in use. A true one that is sent again, by
// whomever, is not checked again.
func (l *Leaf) notice(now time.Time, n news) crypto.Outcome {
	if epoch, ok := crypto.NoticeEpoch(n.body); ok && epoch <= l.lastNotice {
		return crypto.Old
	}
	notice, outcome := l.witness.ParseEpochNotice(now, n.body, n.pairwise)
	if outcome == crypto.Taken {
		l.ring.Limit(notice.Closed, notice.Finals)
		l.use(l.s, notice.Epoch)
		if l.sealing.Load() >= notice.Epoch {
			l.lastNotice = notice.Epoch
		}
	}
	return outcome
}

// rekey takes up the newest keys, which the root has granted to this leaf alone.
// What was missed may have been a departure.
func (l *Leaf) rekey(k *control.Rekey) {
	g, err := l.grant(k.State)
	if err != nil {
		l.unfit(k.Epoch, err)
		return
	}
	l.path.Wipe()
	l.path, l.witness = g.Path, g.Root
	if l.adopt(g.Epoch, control.Fresh) && k.Used {
		l.use(l.s, k.Epoch)
	}
}

// grant reads what the root gives one leaf.
func (l *Leaf) grant(state []byte) (*crypto.Grant, error) {
	kek, err := crypto.LeafKey(l.link.ch, l.session, l.id)
	if err != nil {
		return nil, err
	}
	defer clear(kek[:])
	return crypto.ParseGrant(l.session, l.hash, l.ring.Suite(), control.RootID, kek, state)
}

// adopt takes up the keys of the next epoch and says so. They are used once
// the root is heard to use them.
func (l *Leaf) adopt(next *crypto.Epoch, kind control.Kind) bool {
	l.turn.Lock()
	l.ages.MakeRoom(l.ring, l.sealing.Load())
	err := l.ring.Add(next)
	if err == nil {
		l.ages.Add(next.Number(), kind == control.Fresh, time.Now())
	}
	l.turn.Unlock()
	if err != nil {
		next.Wipe()
		l.unfit(next.Number(), err)
		return false
	}
	l.epoch.Wipe()
	l.epoch = next
	l.machine.Rekeyed(time.Now(), next.Number())
	return true
}

// unfit ends a membership that cannot go on.
func (l *Leaf) unfit(epoch uint64, err error) {
	l.log.Error("the next epoch's keys are not usable", "epoch", epoch, "cause", err)
	l.machine.Leave(time.Now(), transport.WSAECONNABORTED, "the next keys did not fit", nil)
}

// use moves on to an epoch that the root says is in use, or that another member
// was heard to use. It is called by the data plane's readers too.
func (l *Leaf) use(s *session.Session, epoch uint64) {
	if s == nil || epoch <= l.sealing.Load() {
		return
	}
	l.turn.Lock()
	old := l.sealing.Load()
	moved := epoch > old && s.Cut(func() error { return l.ring.Activate(epoch) }) == nil // else its keys are still on the way
	if moved {
		l.sealing.Store(epoch)
		l.ages.Pass(l.ring, epoch)
	}
	l.turn.Unlock()
	if moved && old != 0 {
		l.events.add(Event{Kind: Rekeyed, Epoch: epoch})
		l.log.Info("epoch", "number", epoch)
	}
}

// followAfter is longer than the root waits for answers to a rekey.
const followAfter = time.Second

// follow takes the root's word for the epoch in use where no packet shows it.
// The root tells of an epoch before it uses it; to move on at once would shut
// out what it sends meanwhile.
func (l *Leaf) follow(epoch uint64) {
	l.turn.Lock()
	told := l.ages.Told(epoch)
	l.turn.Unlock()
	if !told.IsZero() && time.Since(told) >= followAfter {
		l.use(l.s, epoch)
	}
}
