package rooted

import (
	"fmt"
	"time"
)

// junkRate is how many such packets a second are worth a word.
const junkRate = 100

// junk compares what did not open with the last time.
type junk struct {
	at   time.Time
	seen uint64
}

// look tells, at most once a second, how much came since, if that is worth a word.
func (j *junk) look(now time.Time, unopened uint64) (text string) {
	passed := now.Sub(j.at)
	if passed < time.Second {
		return ""
	}
	n := unopened - j.seen
	first := j.at.IsZero()
	j.at, j.seen = now, unopened
	if first || float64(n) < junkRate*passed.Seconds() {
		return ""
	}
	return fmt.Sprintf("%d packets in %d ms did not open", n, passed.Milliseconds())
}

// besieged raises an event where junk comes.
func (l *Leaf) besieged(now time.Time) {
	if l.s == nil {
		return
	}
	if text := l.junk.look(now, l.s.Unopened()); text != "" {
		l.events.add(Event{Kind: Junk, Text: text})
		l.log.Warn("somebody sends what does not open", "group", l.group, "what", text)
	}
}

func (r *Root) besieged(now time.Time) {
	if text := r.junk.look(now, r.s.Unopened()); text != "" {
		r.events.add(Event{Kind: Junk, Text: text})
		r.log.Warn("somebody sends what does not open", "what", text)
	}
}
