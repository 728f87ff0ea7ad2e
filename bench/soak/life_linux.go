package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// ours is the code of an end that this side chose: net.ErrClosed.
const ours transport.Code = -1

// life is one membership of a leaf, from its join to its end.
type life struct {
	s      *soak
	name   string // its caller data
	leaf   *rooted.Leaf
	member *rooted.Member

	accounts [2]account
	stall    atomic.Int64  // until when its program does not read, Unix nanoseconds
	leaving  atomic.Bool   // it is about to end, or has: what does not come any more is told missed
	gaps     atomic.Uint64 // reliable messages told missed before that
	over     chan struct{}
	err      error  // Recv's last, once over is closed
	tail     uint64 // told missing with it

	mute   context.CancelFunc // ends what it says
	mutely chan struct{}      // closed when that has ended
	spoken uint64             // messages whose Send returned, once mutely is closed
}

// begin takes up a membership whose both ends are there.
func (p *slot) begin(name string, leaf *rooted.Leaf, member *rooted.Member, low, high [2]uint64) *life {
	l := &life{s: p.s, name: name, leaf: leaf, member: member, over: make(chan struct{}), mutely: make(chan struct{})}
	for st := range l.accounts {
		a := &l.accounts[st]
		a.script, a.stream, a.low, a.high = p.s.script, p.s.sends[st].stream, low[st], high[st]
	}
	ctx, mute := context.WithCancel(p.s.ctx)
	l.mute = mute
	p.s.wg.Go(l.read)
	p.s.wg.Go(func() { l.speak(ctx) })
	return l
}

// read takes what comes until the end, and checks it.
func (l *life) read() {
	defer close(l.over)
	buf := make([]byte, longest)
	for {
		for time.Now().UnixNano() < l.stall.Load() && l.s.sleep(time.Millisecond) {
		}
		m, err := l.leaf.Recv(l.s.ctx, buf)
		if err != nil {
			l.err, l.tail = err, m.Missed
			return
		}
		if m.From != rootID || int(m.Stream) >= len(l.accounts) {
			l.s.fail("%s: a message of member %d, stream %d", l.name, m.From, m.Stream)
			continue
		}
		if err := l.accounts[m.Stream].take(buf[:m.N], m.Missed); err != nil {
			l.s.fail("%v: %v", l, err)
			return
		}
		if m.Stream == reliable && m.Missed > 0 {
			l.s.tally.missedReliable.Add(m.Missed)
			if !l.leaving.Load() {
				l.gaps.Add(m.Missed)
			}
		}
		if m.Stream == bestEffort {
			l.s.tally.missedBest.Add(m.Missed)
		}
		l.s.tally.delivered[m.Stream].Add(1)
		if m.Repaired {
			l.s.tally.repaired.Add(1)
		}
	}
}

// speak sends the root something small now and then. While its link is down a
// leaf is told so (U11), and tries again.
func (l *life) speak(ctx context.Context) {
	defer close(l.mutely)
	var buf []byte
	var down time.Duration
	for {
		select {
		case <-time.After(speakEvery):
		case <-ctx.Done():
			return
		}
		buf = l.s.script.write(buf[:0], upward, l.spoken)
		err := l.leaf.Send(ctx, buf)
		switch {
		case err == nil:
			l.spoken++
			down = 0
			continue
		case transport.CodeOf(err) == transport.WSAENETDOWN && down < wedged+l.s.o.Silence:
			down += speakEvery
			continue
		}
		select {
		case <-l.leaf.Done():
		case <-ctx.Done():
		case <-time.After(time.Second):
			l.s.fail("%v: send %d: %v", l, l.spoken, err)
		}
		return
	}
}

const speakEvery = 30 * time.Millisecond

// hush ends speak.
func (l *life) hush() {
	l.mute()
	<-l.mutely
}

// position is the number of messages that were owed up to now, since the
// session began; false while it is not known.
func (l *life) position() (n uint64, known bool) {
	known = true
	for st := range l.accounts {
		next, ok := l.accounts[st].position()
		n += next
		known = known && ok
	}
	return n, known
}

// progress counts all that came.
func (l *life) progress() (n uint64) {
	for st := range l.accounts {
		got, _ := l.accounts[st].totals()
		n += got
	}
	return n
}

// hears waits until something new comes; false: the membership ended.
func (l *life) hears(after string) bool {
	began, was := time.Now(), l.progress()
	limit := wedged + l.s.o.Silence
	gone := func() bool { return isOver(l.leaf.Done()) || isOver(l.member.Done()) }
	if !l.s.until(limit, func() bool { return l.progress() != was || gone() }) {
		l.s.fail("%v has heard nothing for %v after %s: %s", l, limit, after, l.s.blame())
		return true
	}
	if gone() {
		return false
	}
	l.s.tally.hearsAgain(time.Since(began))
	return true
}

// talks waits until the control connection carries side chat both ways; false:
// the membership ended.
func (l *life) talks(after string) bool {
	ctx, cancel := context.WithTimeout(l.s.ctx, l.s.o.Silence+patience)
	defer cancel()
	p, buf := []byte("well again after "+after), make([]byte, 100)
	step := func(send func(context.Context, []byte) error, recv func(context.Context, []byte) (int, error)) error {
		if err := send(ctx, p); err != nil {
			return err
		}
		n, err := recv(ctx, buf)
		if err == nil && string(buf[:n]) != string(p) {
			l.s.fail("%v: side chat %q came as %q", l, p, buf[:n])
		}
		return err
	}
	err := step(l.leaf.Chat, l.member.RecvChat)
	if err == nil {
		err = step(l.member.Chat, l.leaf.RecvChat)
	}
	if err != nil && ctx.Err() != nil {
		l.s.fail("%v: no side chat in %v after %s: %v", l, l.s.o.Silence+patience, after, err)
	}
	return err == nil
}

// ends waits until both sides know that the membership is over and compares
// their reasons with those allowed.
func (l *life) ends(within time.Duration, how string, atLeaf, atRoot []transport.Code) {
	if !l.s.until(within, func() bool { return isOver(l.over) && isOver(l.member.Done()) }) {
		l.s.fail("%v: %s: after %v the leaf knows: %t, the root knows: %t", l, how, within, isOver(l.over), isOver(l.member.Done()))
		return
	}
	if code := codeOf(l.err); !slices.Contains(atLeaf, code) {
		l.s.fail("%v: %s: the leaf's receive ended with %v, want code %v", l, how, l.err, atLeaf)
	}
	if code := codeOf(l.member.Err()); !slices.Contains(atRoot, code) {
		l.s.fail("%v: %s: the root says %v, want code %v", l, how, l.member.Err(), atRoot)
	}
}

// told checks that all messages from the beginning to an end somewhere between
// low and high came or were told missing.
func (l *life) told(how string, low, high [2]uint64) {
	n, known := l.position()
	if n += l.tail; known && (n < low[0]+low[1] || n > high[0]+high[1]) && l.s.ctx.Err() == nil {
		l.s.fail("%v: %s: %d messages came or were told missing (%d of them at the end), the root had sent %d to %d", l, how, n, l.tail, low[0]+low[1], high[0]+high[1])
	}
}

// bury frees what the leaf holds and looks whether anything is left.
func (l *life) bury() {
	l.mute()
	l.leaf.Close()
	<-l.over
	<-l.mutely
	if n := l.leaf.Stats().Data.BuffersHeld; n != 0 {
		l.s.fail("%v: %d bytes of buffers are held after Close", l, n)
	}
	_, quarantined := l.s.quarantined.Load(l.leaf.ID())
	if n := l.gaps.Load(); n > 0 {
		l.s.tally.skipped.Add(n)
		l.s.log.tell("%v was told %d reliable messages missed, quarantined: %t", l, n, quarantined)
	}
	if n := l.gaps.Load(); n > 0 && !quarantined && codeOf(l.err) != transport.WSAECONNABORTED && codeOf(l.err) != transport.WSAECONNRESET {
		l.s.fail("%v: %d reliable messages told missed by a leaf that was in and not quarantined", l, n)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		e, err := l.leaf.NextEvent(done) // what waits is told all the same
		if err != nil {
			return
		}
		if e.Kind == rooted.GroupSilent {
			l.s.tally.silent.Add(1)
		}
	}
}

func isOver(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// codeOf is how a membership ended: 0 in good order, ours where this side
// closed it.
func codeOf(err error) transport.Code {
	switch {
	case errors.Is(err, io.EOF):
		return 0
	case errors.Is(err, net.ErrClosed):
		return ours
	}
	return transport.CodeOf(err)
}

// heardAll waits until the root's program has read all that the leaf said.
func (l *life) heardAll() {
	var n uint64
	ok := l.s.until(wedged, func() bool {
		if a, ok := l.s.heard.Load(l.leaf.ID()); ok {
			n, _ = a.(*account).position()
		}
		return n >= l.spoken
	})
	if !ok || n != l.spoken {
		l.s.fail("%v: its Shutdown has delivered %d messages of %d", l, n, l.spoken)
	}
}

func (l *life) String() string { return fmt.Sprintf("%s (member %d)", l.name, l.leaf.ID()) }
