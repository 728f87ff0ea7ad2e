package control

import (
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// rootShell plays the root's shell: every answer takes its time.
func (m *model) rootShell(e Event) {
	switch e.Kind {
	case Requested:
		m.after(m.upTo(3*time.Second), m.accept)
	case Accepted:
		m.after(m.upTo(200*time.Millisecond), func() { _ = m.root.Answer(m.now, e.ID, Answer{Verdict: Accept}) })
	case EpochWanted:
		m.wanted = append(m.wanted, e)
		m.work()
	case EpochReady:
		for _, id := range e.Joining {
			m.after(m.upTo(20*time.Millisecond), func() { _ = m.root.Start(m.now, id, nil) })
		}
	case Lagging:
		_ = m.root.Grant(m.now, e.ID, []byte("state"))
	case Joined:
		n := m.leaves[e.ID-RootID-1]
		if e.Join.From != n.from {
			m.fail("leaf %d wants to begin at %v, the root heard %v", n.id, n.from, e.Join.From)
		}
		for range m.rng.IntN(4) {
			m.after(m.upTo(10*time.Second), func() { m.notice(n) })
		}
	case Hangup: // written out, then closed
		n := m.leaves[e.ID-RootID-1]
		m.after(max(n.toLeaf.Sub(m.now), 0)+time.Millisecond, func() {
			if !n.cut {
				n.cut = true
				n.l.Lost(m.now, 0)
			}
		})
	}
	m.saw[e.Kind.String()]++
}

// notice tells a leaf of its standing, if it is in.
func (m *model) notice(n *modelLeaf) {
	v := Notice{uint8(m.rng.IntN(2)), uint8(m.rng.IntN(256)), "a word"}
	if m.root.Notice(m.now, n.id, v) == nil {
		n.notices = append(n.notices, v)
	}
}

// accept is one accept call with a condition of random mind.
func (m *model) accept() {
	req, ok := m.root.Next()
	if !ok {
		return
	}
	if req.Code != 0 {
		m.saw["tombstone"]++
		m.after(0, m.accept)
		return
	}
	a := Answer{Verdict: Accept, Callee: []byte("hello")}
	switch {
	case m.calm:
	case m.odds(6):
		a.Verdict = Reject
	case m.odds(3):
		a.Verdict = Defer
		m.saw["deferred"]++
		m.after(m.upTo(3*time.Second), m.accept)
	}
	m.after(m.upTo(300*time.Millisecond), func() { // the condition thinks
		if err := m.root.Answer(m.now, req.ID, a); transport.CodeOf(err) == transport.WSAEACCES {
			m.saw["gone while shown"]++
		}
	})
}

// work answers EpochWanted in order, one after the other.
func (m *model) work() {
	if m.busy || len(m.wanted) == 0 {
		return
	}
	m.busy = true
	e := m.wanted[0]
	m.wanted = m.wanted[1:]
	m.after(m.upTo(80*time.Millisecond), func() {
		m.busy = false
		kind := Step
		if e.Fresh {
			kind = Fresh
		}
		number := m.root.rekey.epoch + 1
		var ws []Welcome
		for _, id := range e.Joining {
			ws = append(ws, sampleWelcome(id))
		}
		if m.root.rekey.settling {
			m.saw["overtaken"]++
		}
		in := slices.Concat(m.root.in(welcomed), m.root.in(ready), m.root.in(joined))
		if err := m.root.SetEpoch(m.now, number, kind, ws); err != nil {
			m.fail("set epoch: %v", err)
		}
		m.multicast(number, in)
		if e.Fresh {
			m.freshes = append(m.freshes, number)
		}
		m.work()
	})
}

// multicast tells an epoch to those who are in, out of order and with losses: a
// member follows from the one before only, and is told so by what comes later.
func (m *model) multicast(number uint64, in []uint32) {
	for _, id := range in {
		n := m.leaves[id-RootID-1]
		m.w.known[id] = number // it is sealed for it, whether it comes or not
		if n.deaf || m.odds(4) {
			m.saw["missed"]++
			continue
		}
		m.after(m.upTo(80*time.Millisecond), func() {
			switch {
			case n.told+1 == number && !n.lazy:
				m.took(n, number)
			case n.told < number:
				_ = n.l.Behind(m.now)
			}
		})
	}
}

// took notes that a leaf's shell has the keys of an epoch.
func (m *model) took(n *modelLeaf, epoch uint64) {
	n.told = max(n.told, epoch)
	_ = n.l.Rekeyed(m.now, epoch)
}

// leafShell plays a leaf's shell.
func (m *model) leafShell(n *modelLeaf, e Event) {
	wait := m.upTo(50 * time.Millisecond)
	if n.lazy {
		wait = m.upTo(15 * time.Second)
	}
	switch e.Kind {
	case Invited:
		v := Accept
		if m.odds(5) {
			v = Reject
		}
		m.after(m.upTo(2*time.Second), func() {
			_ = n.l.Answer(m.now, Answer{Verdict: v, Callee: []byte("yes"), Role: Role(m.rng.IntN(3))}, Join{From: n.from})
		})
	case Welcomed:
		n.told = e.Epoch
		m.after(wait, func() { _ = n.l.Ready(m.now, Ready{Epoch: n.told, Addr: leafAddr(n.id)}) })
	case Rekeying:
		m.after(wait, func() { m.took(n, e.Epoch) })
	case Started:
		n.started++
	case Noticed:
		n.heard = append(n.heard, *e.Notice)
		m.saw["noticed"]++
	case Closed:
		n.closed++
		m.after(max(n.toRoot.Sub(m.now), 0)+time.Millisecond, func() {
			if !n.cut {
				n.cut = true
				m.root.Lost(m.now, n.id, 0)
			}
		})
	}
}
