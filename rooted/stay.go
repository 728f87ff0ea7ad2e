package rooted

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

const (
	authorizeWithin   = 5 * time.Second
	authorizeAgain    = 24 * time.Hour
	authorizersAtOnce = 32

	// longestStay bounds what is reckoned with, for certificates without an end.
	longestStay = 10 * 365 * 24 * time.Hour
)

// stay is how long a leaf may be a member. The end is a date; it is held against
// the clock once, when the leaf comes in, and from then on only time that passes
// counts. So a clock that is set, by whomever, neither throws members out nor
// keeps them in (time.Time's monotonic part; C8).
type stay struct {
	ends  time.Time // zero: it has no end
	why   string
	again time.Time // the authorizer is asked again; zero: it is not, or is being asked
}

// stays is what a root knows of all of them. The loop's, but for what is atomic.
type stays struct {
	again   time.Duration // an authorization is renewed after that
	due     time.Time     // when there is something to do; zero: never
	judges  chan struct{} // a place for each authorizer that runs
	own     time.Time     // when this root's certificate runs out; zero: it has none, or that was said
	refused atomic.Uint64 // by the authorizer, or because it failed
	expired atomic.Uint64
}

func (s *stays) init(c *Config) {
	s.again = authorizeAgain
	s.judges = make(chan struct{}, authorizersAtOnce)
	if own, err := c.Identity.Expires(); err == nil && !own.IsZero() {
		s.own = time.Now().Add(min(own.Sub(c.wall()), longestStay))
		s.due = s.own
	}
}

// stayOf is what a leaf may stay that was authorized until then.
func (r *Root) stayOf(now time.Time, peer crypto.PeerInfo, until time.Time) (s stay) {
	wall := r.c.wall()
	limit := func(end time.Time, why string) {
		ends := now.Add(min(end.Sub(wall), longestStay))
		if s.ends.IsZero() || ends.Before(s.ends) {
			s.ends, s.why = ends, fmt.Sprintf("%s ran out at %s", why, end.UTC().Format(time.RFC3339))
		}
	}
	if c := peer.Certificate; c != nil && r.c.Identity.CAs != nil { // of a pinned root nobody reads dates
		limit(c.NotAfter, "its certificate")
	}
	if !until.IsZero() {
		limit(until, "its authorization")
	}
	if r.c.Authorize != nil {
		s.again = now.Add(r.stays.again)
	}
	return s
}

// settle gives a member its stay.
func (r *Root) settle(m *Member, s stay) {
	m.stay = s
	r.stays.due = sooner(r.stays.due, sooner(s.ends, s.again))
}

// sooner is the earlier of two times, zero being never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// expire ends the stays that are over and has the authorizer asked about those
// that it judged a day ago. It runs in the loop, twice a second.
func (r *Root) expire(now time.Time) {
	if r.stays.due.IsZero() || now.Before(r.stays.due) || r.isOver() {
		return
	}
	if own := r.stays.own; !own.IsZero() && !now.Before(own) {
		r.stays.own = time.Time{}
		r.log.Warn("this root's certificate ran out: its leaves go and nobody can join; open the session again with a new one")
	}
	var over, again []*Member
	r.mu.Lock()
	r.stays.due = r.stays.own
	for _, m := range r.members {
		switch s := &m.stay; {
		case !s.ends.IsZero() && !now.Before(s.ends):
			over = append(over, m)
			continue
		case !s.again.IsZero() && !now.Before(s.again):
			s.again = time.Time{}
			again = append(again, m)
		}
		r.stays.due = sooner(r.stays.due, sooner(m.stay.ends, m.stay.again))
	}
	r.mu.Unlock()
	for _, m := range over {
		r.stays.expired.Add(1)
		r.log.Info("a leaf's time is over", "leaf", m.id, "why", m.stay.why)
		r.machine.Evict(now, m.id, transport.WSAEACCES, m.stay.why)
	}
	if len(again) > 0 {
		r.wg.Go(func() { r.reauthorize(r.ctx, again) })
	}
}

// Reauthorize asks Config.Authorize about every leaf again, as after a change of
// what it goes by, and returns when whom it refused is out and the keys have
// changed. The leaves may stay as long as it says now. A done ctx ends the asking.
func (r *Root) Reauthorize(ctx context.Context) error {
	if r.isOver() {
		return r.over("reauthorize")
	}
	r.mu.Lock()
	all := make([]*Member, 0, len(r.members))
	for _, m := range r.members {
		all = append(all, m)
	}
	r.mu.Unlock()
	r.reauthorize(ctx, all)
	if ctx.Err() != nil {
		return transport.Explain("reauthorize", r.group, context.Cause(ctx))
	}
	return nil
}

// reauthorize asks about several leaves, some at a time.
func (r *Root) reauthorize(ctx context.Context, leaves []*Member) {
	next := make(chan *Member)
	var wg sync.WaitGroup
	for range min(authorizersAtOnce, len(leaves)) {
		wg.Go(func() {
			for m := range next {
				r.judgeAgain(ctx, m)
			}
		})
	}
	for _, m := range leaves {
		if ctx.Err() != nil || r.ctx.Err() != nil {
			break
		}
		next <- m
	}
	close(next)
	wg.Wait()
}

func (r *Root) judgeAgain(ctx context.Context, m *Member) {
	if r.c.Authorize == nil {
		return
	}
	until, err := r.authorize(ctx, m.id, m.token)
	switch {
	case ctx.Err() != nil || r.ctx.Err() != nil || m.Err() != nil: // nobody has judged it
	case err != nil:
		r.log.Info("a leaf is authorized no more", "leaf", m.id, "cause", err)
		m.Evict(transport.WSAEACCES, "not authorized any more")
	default:
		r.do(func(now time.Time, _ *control.Root) { r.settle(m, r.stayOf(now, m.peer, until)) })
	}
}

// authorize asks the authorizer about a proven connection; it fails closed.
func (r *Root) authorize(ctx context.Context, id uint32, token []byte) (until time.Time, err error) {
	if r.c.Authorize == nil {
		return time.Time{}, nil
	}
	l := r.link(id)
	if l == nil {
		return time.Time{}, errOver("authorize")
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, authorizeWithin)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	until, err = r.askAuthorizer(ctx, l.ch.Peer, token)
	if err == nil && !until.IsZero() && !until.After(r.c.wall()) {
		err = fmt.Errorf("the authorization ran out at %s", until.UTC().Format(time.RFC3339))
	}
	if err != nil && outer.Err() == nil && r.ctx.Err() == nil {
		r.stays.refused.Add(1)
	}
	return until, err
}

// askAuthorizer calls Config.Authorize in a goroutine, which keeps its place among
// the authorizers for as long as it runs, though nobody waits for it any more.
func (r *Root) askAuthorizer(ctx context.Context, peer crypto.PeerInfo, token []byte) (time.Time, error) {
	select {
	case r.stays.judges <- struct{}{}:
	case <-ctx.Done():
		return time.Time{}, fmt.Errorf("%d authorizers run already: %w", authorizersAtOnce, context.Cause(ctx))
	}
	type answer struct {
		until time.Time
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("the authorizer panicked or ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: fmt.Errorf("the authorizer panicked: %v", p)}
			}
			done <- a
			<-r.stays.judges
		}()
		until, err := r.c.Authorize(ctx, peer, token)
		a = answer{until, err}
	}()
	select {
	case a := <-done:
		return a.until, a.err
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

// bound has a leaf leave when the certificate that the root showed runs out.
func (l *Leaf) bound() {
	c := l.link.ch.Peer.Certificate
	if c == nil || l.c.Identity.CAs == nil {
		return
	}
	why := fmt.Sprintf("the root's certificate ran out at %s", c.NotAfter.UTC().Format(time.RFC3339))
	left := min(c.NotAfter.Sub(l.c.wall()), longestStay)
	timer := time.AfterFunc(left, func() {
		l.do(func(now time.Time, m *control.Leaf) {
			m.Leave(now, transport.WSAEACCES, why, toControl(l.s.Edges()))
		})
	})
	context.AfterFunc(l.ctx, func() { timer.Stop() })
}
