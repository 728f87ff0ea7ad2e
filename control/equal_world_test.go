package control

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A town is a network of members, all in one goroutine with a clock of its own:
// packets take time, get lost and come in another order; hosts crash, sleep and
// are cut off. Links stand for DTLS channels: an end hears of the other's death
// only where a packet could have told it.
type town struct {
	t     testing.TB
	dice  *rand.Rand
	now   time.Time
	queue events
	order int
	homes []*home
	wires map[wireEnd]*wire
	side  map[int]int // home -> partition; missing: 0
	loss  float64
	delay time.Duration

	secrets uint64
	owners  map[string]int // key and member id -> home: nobody else may ever hold both
	evicted map[[32]byte]bool
	rooted  bool // data is
	bytes   uint64
}

type wireEnd struct {
	home int
	conn uint32
}

type wire struct {
	peer  wireEnd
	alive bool
}

type home struct {
	n      int
	m      *Membership
	dead   bool
	asleep bool
	pin    [32]byte
	addr   netip.AddrPort

	id      uint32
	session [16]byte
	number  ViewNumber
	using   ViewNumber
	roster  []Equal
	merged  int
	moved   int
	closed  bool
	code    string
	views   []ViewNumber
}

type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(e[i].at.Compare(e[j].at), cmp.Compare(e[i].order, e[j].order)) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	o := *e
	x := o[len(o)-1]
	*e = o[:len(o)-1]
	return x
}

func newTown(t testing.TB, seed uint64) *town {
	return &town{
		t: t, dice: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_000_000, 0), wires: make(map[wireEnd]*wire),
		side: make(map[int]int), owners: make(map[string]int), evicted: make(map[[32]byte]bool), delay: 300 * time.Microsecond,
	}
}

func (w *town) after(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, event{w.now.Add(d), w.order, do})
}

// run lets d go by.
func (w *town) run(d time.Duration) {
	end := w.now.Add(d)
	for {
		var next *home
		due := end
		for _, h := range w.homes {
			if h.dead || h.asleep {
				continue
			}
			if t := h.m.NextTimeout(); !t.IsZero() && t.Before(due) {
				due, next = t, h
			}
		}
		if len(w.queue) > 0 && !w.queue[0].at.After(due) {
			e := heap.Pop(&w.queue).(event)
			w.now = latest(w.now, e.at)
			e.do()
			continue
		}
		if next == nil {
			w.now = end
			return
		}
		w.now = latest(w.now, due)
		next.m.Advance(w.now)
		w.drain(next)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// until lets time go by until ok, at most d.
func (w *town) until(d time.Duration, ok func() bool) bool {
	for end := w.now.Add(d); w.now.Before(end); {
		if ok() {
			return true
		}
		w.run(5 * time.Millisecond)
	}
	return ok()
}

// settle is until with a complaint.
func (w *town) settle(d time.Duration, what string, ok func() bool) {
	w.t.Helper()
	if !w.until(d, ok) {
		w.t.Fatalf("%s: not within %v\n%s", what, d, w)
	}
}

func (w *town) String() string {
	s := ""
	for _, h := range w.homes {
		ids := []uint32{}
		for _, e := range h.roster {
			ids = append(ids, e.ID)
		}
		s += fmt.Sprintf("home %d side %d dead %v standing %d id %d session %x view %x using %x %v %s\n",
			h.n, w.side[h.n], h.dead, h.m.standing, h.id, h.session[:2], uint64(h.number), uint64(h.using), ids, h.code)
	}
	return s
}

func (w *town) join(change ...func(*MembershipConfig)) *home {
	h := &home{n: len(w.homes)}
	h.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(h.n >> 8), byte(h.n)}), 7001)
	binary.BigEndian.PutUint64(h.pin[:], w.dice.Uint64())
	binary.BigEndian.PutUint64(h.pin[8:], uint64(h.n))
	c := MembershipConfig{
		Self:  Equal{Pin: h.pin, Control: h.addr, Addr: netip.AddrPortFrom(h.addr.Addr(), 7002), Data: fmt.Appendf(nil, "home %d", h.n)},
		Found: func() (Charter, error) { return w.charter(), nil },
		Key: func(_ Charter, n ViewNumber, fresh bool, ids []uint32) (Secret, error) {
			w.secrets++
			return binary.BigEndian.AppendUint64(nil, w.secrets), nil
		},
		Seed: w.dice.Uint64(), Verify: verifyInTown,
	}
	for _, f := range change {
		f(&c)
	}
	if c.Sign == nil {
		c.Sign = signAs(c.Self.Pin)
	}
	w.homes = append(w.homes, h)
	h.m = NewMembership(w.now, c)
	h.m.Advance(w.now)
	w.drain(h)
	return h
}

// signAs makes signatures as a town knows them: who signed, and a hash that
// nobody else makes there.
func signAs(pin [32]byte) func([]byte) (Signature, error) {
	return func(text []byte) (s Signature, _ error) {
		copy(s[:], pin[:])
		h := sha256.Sum256(append(append([]byte("town"), pin[:]...), text...))
		copy(s[32:], h[:])
		return s, nil
	}
}

func verifyInTown(text []byte, s Signature) (pin [32]byte, ok bool) {
	pin = [32]byte(s[:32])
	want, _ := signAs(pin)(text)
	return pin, s == want
}

// banOf is a true ban.
func banOf(session [16]byte, term uint32, by, out [32]byte) Ban {
	b := Ban{Session: session, Term: term, Pin: out}
	b.By, _ = signAs(by)(b.Text())
	b.Oath, _ = signAs(out)(OathText(session, term, by))
	return b
}

func (w *town) charter() Charter {
	c := sampleCharter()
	binary.BigEndian.PutUint64(c.Session[:], w.dice.Uint64()|1)
	c.Params.Plane = 1
	if w.rooted {
		c.Params.Plane = 0
	}
	return c
}

// reaches reports whether a packet gets through.
func (w *town) reaches(from, to *home) bool {
	return !to.dead && w.side[from.n] == w.side[to.n] && (from == to || w.dice.Float64() >= w.loss)
}

func (w *town) flight() time.Duration {
	return w.delay + time.Duration(w.dice.Int64N(int64(w.delay)))
}

// deliver runs do at a home, later where it sleeps.
func (w *town) deliver(to *home, d time.Duration, do func()) {
	w.after(d, func() { w.wakeful(to, do) })
}

func (w *town) wakeful(to *home, do func()) {
	switch {
	case to.dead:
	case to.asleep:
		w.after(20*time.Millisecond, func() { w.wakeful(to, do) })
	default:
		do()
		w.drain(to)
	}
}

// drain carries out what a member wants.
func (w *town) drain(h *home) {
	for {
		a, ok := h.m.Poll()
		if !ok {
			return
		}
		switch a.Kind {
		case Multicast:
			w.bytes += uint64(len(a.Bytes))
			for _, to := range w.homes {
				if to != h && w.reaches(h, to) {
					w.deliver(to, w.flight(), func() { to.m.Plain(w.now, h.addr, a.Bytes) })
				}
			}
		case Unicast:
			if to := w.at(a.Addr); to != nil && w.reaches(h, to) {
				w.deliver(to, w.flight(), func() { to.m.Plain(w.now, h.addr, a.Bytes) })
			}
		case Dial:
			w.dial(h, a)
		case Transmit:
			w.transmit(h, a)
		case HangUp:
			w.hang(h, a.Conn)
		case Tell:
			w.tell(h, a.Event)
		}
	}
}

func (w *town) at(addr netip.AddrPort) *home {
	for i := len(w.homes) - 1; i >= 0; i-- {
		if w.homes[i].addr == addr {
			return w.homes[i]
		}
	}
	return nil
}

func (w *town) tell(h *home, e EqualEvent) {
	if h.closed {
		w.t.Fatalf("home %d: event %d after the end", h.n, e.Kind)
	}
	switch e.Kind {
	case EqualEntered:
		h.id, h.session, h.number, h.using = e.ID, e.Charter.Session, 0, 0
	case EqualViewed:
		if e.Number <= h.number {
			w.t.Fatalf("home %d: view %x after %x", h.n, uint64(e.Number), uint64(h.number))
		}
		key := string(e.State) + "/" + fmt.Sprint(h.id)
		if owner, ok := w.owners[key]; ok && owner != h.n {
			w.t.Fatalf("homes %d and %d would both seal as member %d under the keys of view %x", owner, h.n, h.id, uint64(e.Number))
		}
		w.owners[key] = h.n
		h.number, h.roster = e.Number, e.Roster
		h.views = append(h.views, e.Number)
		if e.Merged {
			h.merged++
		}
	case EqualUsing:
		if e.Number > h.number {
			w.t.Fatalf("home %d: told to use %x, has %x", h.n, uint64(e.Number), uint64(h.number))
		}
		h.using = e.Number
	case EqualMoving:
		h.id, h.roster = 0, nil
		h.moved++
	case EqualClosed:
		h.closed, h.code = true, e.Text
	}
}

func (w *town) crash(h *home) { h.dead = true }

func (w *town) sleep(h *home, d time.Duration) {
	h.asleep = true
	w.after(d, func() { h.asleep = false })
}

// alive is everybody who is up and has not ended.
func (w *town) alive() (hs []*home) {
	for _, h := range w.homes {
		if !h.dead && !h.closed {
			hs = append(hs, h)
		}
	}
	return hs
}

// agree reports whether these are one session: the same view, in use, with
// exactly them in it.
func (w *town) agree(hs ...*home) bool {
	if len(hs) == 0 {
		return true
	}
	for _, h := range hs {
		if h.session != hs[0].session || h.number != hs[0].number || h.using != h.number || len(h.roster) != len(hs) || h.id == 0 {
			return false
		}
		if !slices.ContainsFunc(h.roster, func(e Equal) bool { return e.ID == h.id && e.Pin == h.pin }) {
			return false
		}
		for i := range h.roster {
			if h.roster[i].ID != hs[0].roster[i].ID || h.roster[i].Pin != hs[0].roster[i].Pin {
				return false
			}
		}
	}
	return true
}

func (w *town) allAgree() bool { return w.agree(w.alive()...) }
