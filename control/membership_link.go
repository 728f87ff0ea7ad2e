package control

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// linkUse is what a link is for.
type linkUse uint8

const (
	linkNew    linkUse = iota // somebody's, who has not said what for
	linkUp                    // a member's, to its coordinator: from ENTER, RESUME or AGREE on
	linkMember                // a coordinator's, to a member
	linkClaim                 // a claimant's, to whom it asks
	linkGreet                 // between coordinators
)

// link is one DTLS channel.
type link struct {
	conn    uint32
	addr    netip.AddrPort
	pin     [32]byte
	use     linkUse
	pipe    *Pipe     // nil: being dialled
	since   time.Time // dialled or accepted
	closing time.Time // when it is hung up at the latest; before if nothing is under way

	id    uint32     // linkMember, linkClaim: whose it is
	told  ViewNumber // linkMember: the view that was sent last
	taken ViewNumber // and the one that was taken last
	bans  int        // that were sent
	greet *Greet     // linkGreet: what was sent
	spoke bool       // linkClaim: it has answered
	oath  Signature  // linkClaim: of who agreed
	asks  *Enter     // linkNew: what it asked for, until it has sworn
}

func (l *link) open() bool { return l.pipe != nil && l.closing.IsZero() }

// The times of links and sessions.
const (
	wordWait     = 3 * time.Second        // until a new link says what it is for
	dialWait     = 4 * time.Second        // and until it is open
	enterWait    = 4 * time.Second        // from ENTER to the first view
	partWait     = 250 * time.Millisecond // for last words to arrive
	useWait      = 300 * time.Millisecond // for members to take a view
	joinGather   = 20 * time.Millisecond  // for joiners to come into one view
	partGather   = 30 * time.Millisecond  // for departures to
	expectWait   = time.Second            // for who agreed to a session to enter it
	claimWait    = 700 * time.Millisecond // for agreement to a claim
	resumeWait   = 300 * time.Millisecond // between tries to take a membership up again
	hereEvery    = time.Second            // between a coordinator's announcements
	hereRate     = 20                     // answers to strangers a second
	greetWait    = 500 * time.Millisecond // before the higher address of two coordinators dials
	greetAgain   = time.Second            // between two encounters
	greetNever   = 10 * time.Second       // after one that failed
	newLinks     = 64                     // links that have not said what they are for
	askRoom      = 64 << 10               // longest frame of who dialled; only views are longer
	greets       = 4                      // coordinators that are being met at once
	patientRanks = 4                      // members in line to claim that are waited for at length
	searchAgain  = 150 * time.Millisecond // before a search that led nowhere begins again
)

// dial asks for a link.
func (m *Membership) dial(now time.Time, use linkUse, addr netip.AddrPort, pin [32]byte) *link {
	l := &link{conn: m.conn(), addr: addr, pin: pin, use: use, since: now}
	m.links[l.conn] = l
	m.out = append(m.out, Action{Kind: Dial, Conn: l.conn, Addr: addr, Pin: pin})
	return l
}

func (m *Membership) conn() uint32 {
	m.conns++
	return m.conns
}

// Accepted takes a link that somebody else dialled, whose key has been proven.
// It returns the link's number, or 0: close it.
func (m *Membership) Accepted(now time.Time, pin [32]byte, addr netip.AddrPort) uint32 {
	m.wake(now)
	fresh := 0
	for _, l := range m.links {
		if l.use == linkNew {
			fresh++
		}
	}
	if m.standing == departed || fresh >= newLinks+len(m.roster) {
		return 0
	}
	l := &link{conn: m.conn(), addr: addr, pin: pin, since: now}
	l.pipe = NewPipe(now, m.c.Datagram, m.c.Silence/8)
	l.pipe.Expect(askRoom)
	m.links[l.conn] = l
	return l.conn
}

// Opened says that a dialled link is there, and whose key answered.
func (m *Membership) Opened(now time.Time, conn uint32, pin [32]byte) {
	m.wake(now)
	l := m.links[conn]
	if l == nil || l.pipe != nil {
		return
	}
	l.pin, l.since = pin, now
	l.pipe = NewPipe(now, m.c.Datagram, m.c.Silence/8)
	switch l.use {
	case linkUp:
		m.ask(l)
	case linkClaim:
		l.pipe.Write(Claim{m.charter.Session, m.claim.term, m.id}.Append(nil))
	case linkGreet:
		m.sayGreet(l)
	}
	m.flush(now)
}

// Closed says that a link is gone, or could not be made. refused says that the
// other end answered and did not want us, or was not who it should be.
func (m *Membership) Closed(now time.Time, conn uint32, refused bool) {
	m.wake(now)
	l := m.links[conn]
	if l == nil {
		return
	}
	delete(m.links, conn)
	m.lostLink(now, l, refused)
	m.flush(now)
}

// lostLink is what a lost link means to whom it served.
func (m *Membership) lostLink(now time.Time, l *link, refused bool) {
	if !l.closing.IsZero() {
		return
	}
	switch l.use {
	case linkUp:
		m.lostUp(now, l, refused)
	case linkClaim:
		m.answered(now, l, false)
	case linkGreet:
		if refused {
			m.greeted(now, l.addr, greetNever)
		} else {
			m.greeted(now, l.addr, greetAgain)
		}
	}
}

// hang closes a link from this side.
func (m *Membership) hang(l *link) {
	if m.links[l.conn] == nil {
		return
	}
	delete(m.links, l.conn)
	m.out = append(m.out, Action{Kind: HangUp, Conn: l.conn})
}

// farewell says one last thing and hangs up once it has arrived.
func (m *Membership) farewell(now time.Time, l *link, frame []byte) {
	l.pipe.Write(frame)
	l.closing = now.Add(partWait)
}

// Datagram takes one from a link.
func (m *Membership) Datagram(now time.Time, conn uint32, datagram []byte) {
	m.wake(now)
	l := m.links[conn]
	if l == nil || l.pipe == nil {
		return
	}
	err := l.pipe.Handle(now, datagram)
	for err == nil && m.links[conn] == l {
		var frame []byte
		if frame, err = l.pipe.Next(); frame == nil {
			break
		}
		if l.closing.IsZero() {
			err = m.frame(now, l, frame)
		}
	}
	if f, ok := err.(Fault); ok && m.links[conn] == l {
		m.stats.Faults[f]++
		m.hang(l)
		m.lostLink(now, l, true)
	}
	m.flush(now)
}

// frame takes one frame. What does not parse or is out of turn is a Fault.
func (m *Membership) frame(now time.Time, l *link, frame []byte) error {
	if m.standing == departed {
		return nil
	}
	switch t := TypeOf(frame); {
	case t == TypeSwear && l.use == linkNew && l.asks != nil:
		return take(now, l, frame, ParseSwear, m.onSwear)
	case l.asks != nil: // nothing else comes first
		return FaultState
	case t == TypeEnter && l.use == linkNew:
		return take(now, l, frame, ParseEnter, m.onEnter)
	case t == TypeResume && l.use == linkNew:
		return take(now, l, frame, ParseResume, m.onResume)
	case t == TypeClaim && l.use == linkNew:
		return take(now, l, frame, ParseClaim, m.onClaim)
	case t == TypeGreet && (l.use == linkNew || l.use == linkGreet):
		return take(now, l, frame, ParseGreet, m.onGreet)
	case t == TypeEntered && l.use == linkUp:
		return take(now, l, frame, ParseEntered, m.onEntered)
	case t == TypeView && l.use == linkUp:
		return take(now, l, frame, ParseView, m.onView)
	case t == TypeUse && l.use == linkUp:
		return take(now, l, frame, ParseUse, m.onUse)
	case t == TypeMove && l.use == linkUp:
		return take(now, l, frame, ParseMove, m.onMove)
	case t == TypeTaken && l.use == linkMember:
		return take(now, l, frame, ParseTaken, m.onTaken)
	case t == TypeEvict && l.use == linkMember:
		return take(now, l, frame, ParseEvict, m.onEvict)
	case t == TypeAgree && l.use == linkClaim:
		return take(now, l, frame, ParseAgree, m.onAgree)
	case t == TypePart && (l.use == linkMember || l.use == linkUp):
		return take(now, l, frame, ParsePart, m.onPart)
	case t == TypeDeny && (l.use == linkUp || l.use == linkClaim || l.use == linkGreet):
		return take(now, l, frame, ParseDeny, m.onDeny)
	}
	return FaultState
}

func take[T any](now time.Time, l *link, frame []byte, parse func([]byte) (T, error), on func(time.Time, *link, T) error) error {
	v, err := parse(frame)
	if err != nil {
		return err
	}
	return on(now, l, v)
}

// sorted is all links in the order in which they came about: what a machine
// does must not depend on a map.
func (m *Membership) sorted() []*link {
	ls := make([]*link, 0, len(m.links))
	for _, l := range m.links {
		ls = append(ls, l)
	}
	slices.SortFunc(ls, func(a, b *link) int { return cmp.Compare(a.conn, b.conn) })
	return ls
}

// flush puts out what the links have to send.
func (m *Membership) flush(now time.Time) {
	for _, l := range m.sorted() {
		if l.pipe == nil {
			continue
		}
		for {
			b, ok := l.pipe.Poll(now, nil)
			if !ok {
				break
			}
			m.stats.Datagrams++
			m.stats.Bytes += uint64(len(b))
			m.out = append(m.out, Action{Kind: Transmit, Conn: l.conn, Bytes: b})
		}
		if !l.closing.IsZero() && l.pipe.Idle() {
			m.hang(l)
		}
	}
}
