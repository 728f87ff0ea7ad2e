package main

import (
	"errors"
	"io"
	"time"
)

// gust is how long after the first of them others may begin that hold up the
// reliable stream. Then all must end, and the stream must go on, before the
// next: so that a wedge cannot hide among them (U12).
// Between two gusts data flows for some events' time at least.
const (
	gust   = 1500 * time.Millisecond
	breath = 3
)

// director says what happens when.
type director struct {
	s      *soak
	gentle *deck
	rough  *deck // what may hold up the reliable stream
	since  time.Time
}

// direct plays the whole run, in rounds: churn, a calm in which all that is owed
// must arrive, and a moment without any leaf.
func (s *soak) direct() {
	d := &director{s: s}
	d.gentle, d.rough = newDecks(s.o)
	for churned := time.Duration(0); churned < s.o.For && s.ctx.Err() == nil; churned += s.o.Round {
		s.hold(running)
		d.all(func(i int) event { e := d.gentle.event(join); e.slot = i; return e })
		s.log.tell("churn")
		d.churn(min(s.o.Round, s.o.For-churned))
		s.log.tell("calm")
		if s.calm(d) {
			s.keep(s.measure("calm"))
			s.empty(d)
		}
	}
	if s.ctx.Err() == nil {
		s.close(d)
	}
}

// churn lets things happen, for that long, and until each kind has had its turn
// once.
func (d *director) churn(long time.Duration) {
	end := time.Now().Add(long)
	for time.Now().Before(end) || !d.gentle.through() || !d.rough.through() {
		if !d.s.sleep(time.Duration(d.gentle.rng.ExpFloat64() * float64(d.s.o.Pace))) {
			return
		}
		d.gentle.deal(d.happens)
		if d.turn() {
			d.rough.deal(d.happens)
		}
	}
}

// happens lets an event begin, if its slot is free and it is its turn.
func (d *director) happens(e event) bool {
	if e.kind == offload {
		d.s.tally.count(offload)
		d.s.log.tell("root: %v", e)
		d.s.must(d.s.host.SetOffload(e.amount < 0.5))
		return true
	}
	select {
	case d.s.slots[e.slot].orders <- order{event: e}:
		if e.kind.blocks() && d.s.blocks.Load() == 0 {
			d.since = time.Now()
		}
		return true
	default:
		return false
	}
}

// turn reports whether another one may hold up the reliable stream.
func (d *director) turn() bool {
	if d.s.blocks.Load() > 0 {
		return time.Since(d.since) < gust
	}
	free := time.Since(time.Unix(0, d.s.freeAt.Load())) > breath*d.s.o.Pace
	return free && d.s.sends[reliable].done.Load() != d.s.freed.Load()
}

// all gives every slot an order and waits until all have obeyed.
func (d *director) all(f func(i int) event) bool {
	var done []chan struct{}
	for i, p := range d.s.slots {
		c := make(chan struct{})
		select {
		case p.orders <- order{f(i), c}:
			done = append(done, c)
		case <-d.s.ctx.Done():
			return false
		}
	}
	for _, c := range done {
		select {
		case <-c:
		case <-d.s.ctx.Done():
			return false
		}
	}
	return true
}

// calm ends all losses and checks that what is owed arrives: the last reliable
// message without one behind it (U26), and on the other stream whatever is sent
// from now on.
func (s *soak) calm(d *director) bool {
	if !d.all(func(i int) event { return event{kind: whole, slot: i} }) {
		return false
	}
	if !s.placed() {
		return false
	}
	began := time.Now()
	owed := s.sentDone()
	if !s.hold(waiting) {
		return false
	}
	owed[reliable] = s.sentDone()[reliable]
	arrived := func() bool {
		for _, p := range s.slots {
			l := p.current()
			if l == nil {
				continue
			}
			r, _ := l.accounts[reliable].position()
			b, known := l.accounts[bestEffort].position()
			if r != owed[reliable] || !known || b <= owed[bestEffort] {
				return false
			}
		}
		return len(s.root.Members()) == s.joined()
	}
	ok := s.until(arrives, arrived)
	if !ok && s.skipped(owed[reliable]) {
		s.sends[reliable].more.Store(true)
		owed[reliable]++
		ok = s.until(arrives, arrived)
	}
	if !ok {
		for _, p := range s.slots {
			if l := p.current(); l != nil {
				r, _ := l.accounts[reliable].position()
				b, _ := l.accounts[bestEffort].position()
				s.log.tell("%v: %d of %d reliable messages, %d of more than %d others", l, r, owed[reliable], b, owed[bestEffort])
			}
		}
		s.fail("%v after the last loss not all has come that is owed; %d members for %d leaves: %s", arrives, len(s.root.Members()), s.joined(), s.blame())
	}
	s.tally.settled(time.Since(began))
	return ok
}

// skipped reports whether nobody lacks the last message but leaves that were
// quarantined. Who was told to go on hears what it missed with the next message.
func (s *soak) skipped(owed uint64) bool {
	for _, p := range s.slots {
		if l := p.current(); l != nil {
			r, _ := l.accounts[reliable].position()
			if _, quarantined := s.quarantined.Load(l.leaf.ID()); r != owed && !quarantined {
				return false
			}
		}
	}
	return true
}

// placed waits until every leaf has heard enough to tell where it began.
func (s *soak) placed() bool {
	ok := s.until(wedged+s.o.Silence, func() bool {
		for _, p := range s.slots {
			if l := p.current(); l != nil {
				if _, known := l.position(); !known {
					return false
				}
			}
		}
		return true
	})
	if !ok {
		s.fail("a leaf has heard nothing since it joined: %s", s.blame())
	}
	return ok
}

// joined is how many leaves are in.
func (s *soak) joined() (n int) {
	for _, p := range s.slots {
		if p.current() != nil {
			n++
		}
	}
	return n
}

// empty lets all leaves go, in different ways, and looks what is left.
func (s *soak) empty(d *director) {
	ways := []kind{shutdown, closing, evict, dismiss}
	ok := d.all(func(i int) event {
		e := d.gentle.event(ways[d.gentle.rng.IntN(len(ways))])
		e.slot, e.away = i, -1
		return e
	})
	if !ok || !s.hold(silent) {
		return
	}
	if n := len(s.root.Members()); n != 0 {
		s.fail("%d members when all leaves have gone", n)
	}
	if s.sleep(s.o.Rest) {
		s.keep(s.measure("empty"))
	}
}

// close ends the session with its leaves in it: they read all, and io.EOF (R218).
func (s *soak) close(d *director) {
	d.all(func(i int) event { e := d.gentle.event(join); e.slot = i; return e })
	s.hold(running)
	if !s.placed() || !s.hold(silent) {
		return
	}
	var lives []*life
	for _, p := range s.slots {
		l := p.current()
		if l == nil {
			return // a failure has told why
		}
		l.hush()
		l.leaving.Store(true)
		lives = append(lives, l)
	}
	s.ending.Store(true)
	sent := s.sentDone()
	s.log.tell("the root shuts down")
	if err := s.root.Shutdown(s.ctx); err != nil {
		s.fail("the root's shutdown: %v", err)
	}
	for _, l := range lives {
		if !s.until(patience, func() bool { return isOver(l.over) }) {
			s.fail("%v: does not end after the root's shutdown", l)
			return
		}
		if !errors.Is(l.err, io.EOF) {
			s.fail("%v: after the root's shutdown receive says %v, want io.EOF", l, l.err)
		}
		l.told("the root's shutdown", sent, sent)
		if n, _ := l.accounts[reliable].position(); n != sent[reliable] {
			s.fail("%v: %d of %d reliable messages came before io.EOF", l, n, sent[reliable])
		}
		l.bury()
	}
}
