package rooted

import (
	"context"
	"slices"
	"sync"
	"testing"
)

// ledger holds a session to its events: each once, in their order.
type ledger struct {
	*testing.T
	mu      sync.Mutex
	members map[uint32]*entry
}

// entry is what was heard of one member.
type entry struct {
	root   []EventKind // at the root
	leaf   []EventKind // at the leaf itself
	accept int         // calls that returned it
}

func (b *ledger) of(id uint32) *entry {
	e := b.members[id]
	if e == nil {
		e = new(entry)
		b.members[id] = e
	}
	return e
}

// returned notes that Accept or Invite gave a member.
func (b *ledger) returned(id uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(id).accept++
}

// follow reads a root's events to the end.
func (b *ledger) follow(r *Root) {
	for {
		e, err := r.NextEvent(context.Background())
		if err != nil {
			return
		}
		if e.Skipped != 0 {
			b.Errorf("%d events skipped", e.Skipped)
		}
		b.mu.Lock()
		if e.Kind != Rekeyed {
			b.of(e.Member).root = append(b.of(e.Member).root, e.Kind)
		}
		b.mu.Unlock()
	}
}

// followLeaf reads a leaf's events to the end.
func (b *ledger) followLeaf(l *Leaf) {
	for {
		e, err := l.NextEvent(context.Background())
		if err != nil {
			return
		}
		b.mu.Lock()
		if e.Kind == Closed || e.Kind == GroupSilent {
			b.of(l.ID()).leaf = append(b.of(l.ID()).leaf, e.Kind)
		}
		b.mu.Unlock()
	}
}

// check returns how many members there were.
func (b *ledger) check() (members int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	count := func(list []EventKind, k EventKind) (n int) {
		for _, x := range list {
			if x == k {
				n++
			}
		}
		return n
	}
	for id, e := range b.members {
		joined, left := count(e.root, Joined), count(e.root, Left)
		members += joined
		switch {
		case joined > 1 || left != joined || count(e.root, Requested) > 1:
			b.Errorf("member %d: the root's events were %v", id, e.root)
		case joined == 1 && slices.Index(e.root, Joined) > slices.Index(e.root, Left):
			b.Errorf("member %d: left before it joined: %v", id, e.root)
		case e.accept > joined:
			b.Errorf("member %d: returned %d times, joined %d times", id, e.accept, joined)
		case len(e.leaf) > 0 && count(e.leaf, Closed) != 1:
			b.Errorf("member %d: the leaf's events were %v", id, e.leaf)
		}
	}
	return members
}
