package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// unwelcome is the caller data that the root's condition refuses.
const unwelcome = "unwelcome"

// order is an event for a slot.
type order struct {
	event
	done chan struct{} // closed when it was obeyed; nil: nobody waits
}

// slot is a leaf host: one membership after the other, and what happens to it,
// one thing at a time.
type slot struct {
	s      *soak
	name   string
	host   *netlab.Host
	orders chan order
	lives  int

	mu   sync.Mutex
	life *life
}

func (p *slot) current() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

func (p *slot) set(l *life) {
	p.mu.Lock()
	p.life = l
	p.mu.Unlock()
}

// run obeys orders until the end of the run.
func (p *slot) run() {
	defer func() {
		if l := p.current(); l != nil {
			l.bury()
			p.set(nil)
		}
	}()
	for {
		var over <-chan struct{}
		if l := p.current(); l != nil {
			over = l.leaf.Done()
		}
		select {
		case o := <-p.orders:
			p.obey(o.event)
			if o.done != nil {
				close(o.done)
			}
		case <-over:
			if l := p.current(); !p.s.ending.Load() {
				p.s.fail("%v: its membership ended though nothing was done to it: %v; the root says %v", l, l.leaf.Err(), l.member.Err())
			}
			<-p.s.ctx.Done()
			return
		case <-p.s.ctx.Done():
			return
		}
	}
}

// join takes up a new membership, perhaps after joins that come to nothing.
func (p *slot) join(pl plan) {
	if pl.refused {
		p.refused()
	}
	if pl.hasty > 0 {
		p.hasty(pl)
	}
	name := fmt.Sprintf("%s/%d", p.name, p.lives)
	p.lives++
	comes := p.s.expect(name)
	low := p.s.sentDone()
	enter := p.entered
	if pl.invited {
		enter = p.invited
	}
	leaf, err := enter(pl, name)
	if err != nil {
		p.s.fail("%s cannot join: %v", name, err)
		return
	}
	var a arrival
	if !p.s.until(patience, func() bool {
		select {
		case a = <-comes:
			return true
		default:
			return false
		}
	}) {
		p.s.fail("%s (member %d) is in, and the root does not say so", name, leaf.ID())
		leaf.Close()
		return
	}
	p.s.log.tell("%s: joined as member %d, %+v", name, leaf.ID(), pl)
	l := p.begin(name, leaf, a.member, low, a.high)
	if want := "welcome " + name; !pl.invited && string(leaf.CalleeData()) != want {
		p.s.fail("%v: callee data %q, want %q", l, leaf.CalleeData(), want)
	}
	p.set(l)
	p.s.tally.joins.Add(1)
}

func (p *slot) config(pl plan) rooted.Config {
	c := p.s.config(p.host)
	c.NoOffload, c.NoBatch, c.ReadBuffer = pl.noOffload, pl.noBatch, pl.readBuffer
	return c
}

func (p *slot) entered(pl plan, name string) (*rooted.Leaf, error) {
	return rooted.Join(p.s.ctx, p.s.root.Addr(), []byte(name), p.config(pl))
}

// invited waits for the root to call.
func (p *slot) invited(pl plan, name string) (*rooted.Leaf, error) {
	listener, err := rooted.ListenLeaf(p.s.ctx, netip.AddrPortFrom(p.host.Addr4(), 0), p.config(pl))
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	p.s.wg.Go(func() {
		m, err := p.s.root.Invite(p.s.ctx, listener.Addr(), []byte(name))
		if err != nil {
			p.s.fail("invite %s: %v", name, err)
			return
		}
		p.s.arrived(m)
	})
	return listener.Accept(p.s.ctx)
}

// refused asks with what the root's condition does not like.
func (p *slot) refused() {
	l, err := rooted.Join(p.s.ctx, p.s.root.Addr(), []byte(unwelcome), p.s.config(p.host))
	if err == nil {
		l.Close()
	}
	if p.s.ctx.Err() == nil && transport.CodeOf(err) != transport.WSAECONNREFUSED {
		p.s.fail("%s: a join that the root refuses: %v, want WSAECONNREFUSED", p.name, err)
	}
	p.s.tally.refused.Add(1)
}

// hasty gives up in mid-join; should it come in first, it leaves again.
func (p *slot) hasty(pl plan) {
	p.s.waitMu.Lock()
	p.s.hasty = time.Now().Add(2 * p.s.o.Silence)
	p.s.waitMu.Unlock()
	ctx, cancel := context.WithTimeout(p.s.ctx, pl.hasty)
	defer cancel()
	l, err := rooted.Join(ctx, p.s.root.Addr(), []byte("hasty"), p.config(pl))
	if err == nil {
		l.Close()
	} else if p.s.ctx.Err() == nil && transport.CodeOf(err) != transport.WSAETIMEDOUT && !errors.Is(err, context.DeadlineExceeded) {
		p.s.fail("%s: a join that gives up after %v: %v, want that its time is over", p.name, pl.hasty, err)
	}
	p.s.tally.hasty.Add(1)
}
