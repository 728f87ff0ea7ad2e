package dtls

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// N1 and N2 for this package's part: an ASK is answered with less than a third
// of its bytes and leaves nothing behind, at any rate.
func TestToken_AStrangerCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", nil)
		out := 0
		l.tap = func(p []byte, from, _ netip.AddrPort) {
			if from == at {
				out += len(p)
			}
		}
		for i := range 100_000 {
			ask := envelope{kind: kindAsk, id: id{byte(i), byte(i >> 8), byte(i >> 16)}}
			e.Handle(ask.append(nil), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 9))
		}
		s := e.Stats()
		if s.Associations != 0 || s.Taken != 10_000 || s.Drops[DropRate] != 90_000 || out != 10_000*giveSize || 3*giveSize > askSize {
			t.Errorf("%d bytes out, %+v", out, s)
		}
		time.Sleep(time.Second)
		h, _ := l.host("10.0.0.1:4000", nil)
		l.meet(h, e, at, Who{})
	})
}

func TestToken_IsForOneAddressOneIdAndAShortTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMint(time.Now())
		from := netip.MustParseAddrPort("10.0.0.1:4000")
		tok := m.token(time.Now(), from, id{1})
		for name, c := range map[string]struct {
			from netip.AddrPort
			id   id
			tok  token
			want bool
		}{
			"as it is":        {from, id{1}, tok, true},
			"another port":    {netip.MustParseAddrPort("10.0.0.1:4001"), id{1}, tok, false},
			"another address": {netip.MustParseAddrPort("10.0.0.2:4000"), id{1}, tok, false},
			"another id":      {from, id{2}, tok, false},
			"a changed bit":   {from, id{1}, token{tok[0] ^ 1}, false},
			"no token":        {from, id{1}, token{}, false},
		} {
			if got := m.valid(time.Now(), c.from, c.id, c.tok); got != c.want {
				t.Errorf("%s: %v", name, got)
			}
		}
		if newMint(time.Now()).valid(time.Now(), from, id{1}, tok) {
			t.Error("another endpoint takes it")
		}
		time.Sleep(slot)
		if !m.valid(time.Now(), from, id{1}, tok) {
			t.Error("out of date after one slot")
		}
		time.Sleep(slot)
		if m.valid(time.Now(), from, id{1}, tok) {
			t.Error("still good after two slots")
		}
	})
}

// Whoever has many addresses gets as many places as are allowed and no more;
// who does not use a place loses it when others want one.
func TestLimits_HalfOpenPlaces(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", nil)
		hello := plain(0, fragment{message: messageClientHello, length: 100, body: make([]byte, 50)})
		knock := func(from netip.AddrPort, n byte) {
			v := envelope{kind: kindOpen, id: id{n}, records: hello.append(nil)}
			v.token = e.mint.token(time.Now(), from, v.id)
			e.Handle(v.append(nil), from)
		}
		one := netip.MustParseAddrPort("[2001:db8::1]:5000")
		for n := range byte(100) {
			from := one
			if n%2 == 1 {
				from = netip.MustParseAddrPort("[2001:db8::ffff]:5000") // the same /64
			}
			knock(from, n)
		}
		if s := e.Stats(); s.HalfOpen != 8 || s.Drops[DropAddress] != 92 {
			t.Errorf("from one /64: %+v", s)
		}
		for n := range byte(200) {
			knock(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, n}), 5000), n)
		}
		if s := e.Stats(); s.HalfOpen != 64 || s.Drops[DropBusy] != 144 {
			t.Errorf("from 200 addresses: %+v", s)
		}
		h, _ := l.host("10.0.0.1:4000", nil)
		start := time.Now()
		d, acc := l.meet(h, e, at, Who{})
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("with all places taken an honest peer took %v", took)
		}
		alive(t, d, acc)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if s := e.Stats(); s.HalfOpen != 0 || s.Associations != 1 || len(e.perAddr) != 0 {
			t.Errorf("after the timeout: %+v, per address %v", s, e.perAddr)
		}
		balanced(t, e)
	})
}

func TestLimits_AssociationsAndBacklog(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", func(c *Config) { c.Backlog, c.Associations = 2, 4 })
		h, _ := l.host("10.0.0.1:4000", func(c *Config) { c.Associations = 4 })
		for range 2 {
			_, err := h.Dial(t.Context(), at, Who{})
			must(t, err)
		}
		if _, err := h.Dial(t.Context(), at, Who{}); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the backlog: %v", err)
		}
		for range 2 {
			_, err := e.Accept(t.Context())
			must(t, err)
		}
		time.Sleep(time.Second)
		for range 2 {
			l.meet(h, e, at, Who{})
		}
		if _, err := h.Dial(t.Context(), at, Who{}); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond our own limit: %v", err)
		}
		other, _ := l.host("10.0.0.3:4000", nil)
		if _, err := other.Dial(t.Context(), at, Who{}); err == nil {
			t.Error("beyond the other end's limit: no error")
		}
		if e.Stats().Drops[DropBusy] == 0 {
			t.Errorf("stats %+v", e.Stats())
		}
	})
}

// What is refused allocates nothing.
func TestHandle_RefusesWithoutMemory(t *testing.T) {
	e, err := New(Config{Admit: AnyMember, Write: func([]byte, netip.AddrPort) error { return nil }})
	must(t, err)
	defer e.Close()
	from := netip.MustParseAddrPort("10.0.0.6:6000")
	hello := plain(0, fragment{message: messageClientHello, length: 9, body: make([]byte, 9)})
	opens := envelope{kind: kindOpen, records: hello.append(nil)}
	carries := envelope{kind: kindCarry, records: hello.append(nil)}
	gives := envelope{kind: kindGive}
	for name, p := range map[string][]byte{
		"empty": {}, "not ours": {1, 2, 3}, "cut off": {kindOpen, 1, 2}, "another version": append([]byte{kindCarry, 2}, make([]byte, 20)...),
		"a bad ask": append([]byte{kindAsk, 1}, make([]byte, 20)...), "too long": append([]byte{kindCarry, 1}, make([]byte, maxDatagram)...),
		"a forged token": opens.append(nil), "an unknown id": carries.append(nil), "a token for nobody": gives.append(nil),
	} {
		if n := testing.AllocsPerRun(100, func() { e.Handle(p, from) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	// An association's guard refuses in place as well.
	pipe := newPipe(false, newSuite(), &e.count, from, nil)
	for _, r := range forgeries(1) {
		if r.content == contentCipher && r.epoch == 0 && r.body[0] == 1 || r.epoch == 1 && r.content >= contentAlert && r.content <= contentData {
			continue // these pass
		}
		b := r.append(nil)
		if n := testing.AllocsPerRun(100, func() { pipe.push(b) }); n != 0 {
			t.Errorf("record %+v: %v allocations", r, n)
		}
	}
}
