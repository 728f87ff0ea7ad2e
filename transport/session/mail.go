package session

import "time"

// mail is feedback and questions that were gathered with the receive lock held,
// and are sent without it: who waits in Recv has the message by then.
type mail struct {
	letters []letter
	buf     []byte
	frame   [1][]byte // of the letter that is sent
}

type letter struct {
	p        *peer
	kind     uint8
	from, to int // in buf
}

// gather adds what a peer's machine wants its sender to know, and the question
// that is due. m nil: a spare one is taken, if there is anything to say.
func (x *receiver) gather(m *mail, now time.Time, p *peer) *mail {
	if m == nil {
		if n := len(x.spare); n > 0 {
			m, x.spare = x.spare[n-1], x.spare[:n-1]
		} else {
			m = new(mail)
		}
	}
	for more := true; more; {
		from := len(m.buf)
		if m.buf, more = p.r.Poll(now, m.buf); more {
			m.letters = append(m.letters, letter{p, kindData, from, len(m.buf)})
		}
	}
	if p.v == nil {
		return m
	}
	from := len(m.buf)
	if b, ok := p.v.Ask(now, m.buf); ok {
		m.buf = b
		m.letters = append(m.letters, letter{p, kindManifest, from, len(b)})
	}
	return m
}

// send sends what was gathered, by unicast; the lock is not held.
func (s *Session) send(m *mail) {
	for i := range m.letters {
		l := &m.letters[i]
		m.frame[0] = m.buf[l.from:l.to]
		if _, _, err := s.wr.sendAs(l.kind, l.p.addr, s.keyFor(l.p.id), true, m.frame[:], nil); err != nil {
			s.rx.unsent.Add(1)
		}
	}
	clear(m.letters)
	m.letters, m.buf = m.letters[:0], m.buf[:0]
}

// post sends a spare one and gives it back.
func (x *receiver) post(m *mail) {
	if m == nil {
		return
	}
	x.s.send(m)
	x.mu.Lock()
	x.spare = append(x.spare, m)
	x.mu.Unlock()
}

// feedback sends what a machine wants its sender to know, with the lock held:
// where there is an order.
func (s *Session) feedback(now time.Time, p *peer) {
	for {
		var more bool
		if s.rx.scratch[0], more = p.r.Poll(now, s.rx.scratch[0][:0]); !more {
			return
		}
		if _, _, err := s.wr.send(p.addr, s.keyFor(p.id), s.rx.scratch[:]); err != nil {
			s.rx.unsent.Add(1)
			return
		}
	}
}
