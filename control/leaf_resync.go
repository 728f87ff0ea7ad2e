package control

import (
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// A leaf hears of most epochs on the group. One that it has missed it asks for,
// here: the group's messages are given the time to come, then the leaves spread
// over askSpread, and one that gets no answer asks again after askGap.
const (
	askAfter  = 150 * time.Millisecond // the last copy on the group is sent after 100
	askSpread = 200 * time.Millisecond
	askGap    = time.Second
)

// Behind says that the group's messages do not lead on from the epoch that this
// leaf has: the root is asked for the newest.
func (l *Leaf) Behind(now time.Time) error {
	if l.phase < entering || l.phase == over {
		return l.gone("ask for an epoch", transport.WSAENOTCONN)
	}
	l.wake(now)
	l.lag(now, l.has+1)
	return nil
}

// learn takes the number of the newest epoch from a BEAT.
func (l *Leaf) learn(now time.Time, epoch uint64) {
	if l.phase >= entering && epoch > l.has {
		l.lag(now, epoch)
	}
}

// lag notes that there is an epoch that this leaf does not have.
func (l *Leaf) lag(now time.Time, epoch uint64) {
	if l.acked == l.told && epoch > l.told {
		l.toldAt = now // the patience of both sides begins
	}
	l.told = max(l.told, epoch)
	if l.askAt.IsZero() {
		l.askAt = later(now.Add(askAfter), l.asked.Add(askGap)).Add(time.Duration(l.rng.Int64N(int64(askSpread))))
	}
}

// have notes that it has an epoch.
func (l *Leaf) have(epoch uint64) {
	if l.has = max(l.has, epoch); l.has == l.told {
		l.askAt = time.Time{}
	}
}

// resync asks, and arms the next time.
func (l *Leaf) resync(now time.Time) {
	l.asked = now
	l.askAt = now.Add(askGap + time.Duration(l.rng.Int64N(int64(askSpread))))
	l.stats.Asked++
	l.out.frame(RootID, Resync{Epoch: l.has}.Append(nil))
}

// handleRekey takes what was granted. The group may have been faster. One that
// overtakes another is no special case: the newest is what has to be known.
func (l *Leaf) handleRekey(now time.Time, frame []byte) error {
	k, err := ParseRekey(frame)
	if err != nil {
		return err
	}
	switch {
	case k.Epoch == 0:
		return FaultValue
	case k.Epoch <= l.has:
		return nil
	}
	k = k.clone()
	if l.acked == l.told {
		l.toldAt = now
	}
	l.told = max(l.told, k.Epoch)
	l.event(Event{Kind: Rekeying, Epoch: k.Epoch, Rekey: &k})
	return nil
}
