package crypto

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

func TestP3_NoAlteredPacketOpensAndNoneMovesTheWindow(t *testing.T) {
	for _, s := range suites {
		for _, to := range []uint32{0, 2} {
			root, leaf := newPeers(t, s)
			genuine := mustSeal(t, root, to, "attack at dawn")
			try := func(what string, p []byte) {
				t.Helper()
				if o, drop := leaf.Open(p); drop == 0 {
					t.Errorf("%v to %d: %s opened: %q", s, to, what, o.Payload)
				}
			}
			for bit := range len(genuine) * 8 {
				p := bytes.Clone(genuine)
				p[bit/8] ^= 1 << (bit % 8)
				try("a packet with one bit flipped", p)
			}
			for n := range genuine {
				try("a packet cut short", bytes.Clone(genuine[:n]))
			}
			try("a packet with a byte more", append(bytes.Clone(genuine), 0))
			other := mustSeal(t, root, to, "attack at dusk")
			try("one packet's header on another's body", append(bytes.Clone(genuine[:24]), other[24:]...))
			n := len(genuine) - 16
			try("another packet's tag", append(bytes.Clone(genuine[:n]), other[n:]...))
			rng := rand.New(rand.NewPCG(1, 2))
			for range 2000 {
				p := bytes.Clone(genuine)
				for i := rng.IntN(24); i < len(p); i++ {
					p[i] = byte(rng.Uint32())
				}
				try("noise", p)
			}
			for i, p := range [][]byte{genuine, other} {
				if o, drop := leaf.Open(bytes.Clone(p)); drop != 0 || o.Number != uint64(i) {
					t.Errorf("%v to %d: genuine packet %d after the attack: %v", s, to, i, Drop(drop))
				}
				if _, drop := leaf.Open(bytes.Clone(p)); Drop(drop) != DropReplay {
					t.Errorf("%v to %d: the same again: %v", s, to, Drop(drop))
				}
			}
		}
	}
}

func TestP3_EachRefusalHasItsReason(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	p := func(change func(p []byte)) []byte {
		b := mustSeal(t, root, 0, "payload")
		change(b)
		return b
	}
	third := newMember(t, DefaultSuite(), SessionID{1, 2, 3}, 3)
	third.Pair(2, [32]byte{7}, [32]byte{8})
	for want, packet := range map[Drop][]byte{
		DropShort:      make([]byte, leaf.Overhead()-1),
		DropVersion:    p(func(b []byte) { b[0] = 0x20 }),
		DropSession:    p(func(b []byte) { b[4]++ }),
		DropKey:        p(func(b []byte) { b[8]++ }),
		DropSender:     p(func(b []byte) { b[15] = 9 }),
		DropForged:     p(func(b []byte) { b[1]++ }),
		DropGeneration: p(func(b []byte) { b[16] = 1 }),
	} {
		if _, drop := leaf.Open(packet); Drop(drop) != want {
			t.Errorf("got %v, want %v", Drop(drop), want)
		}
	}
	for _, b := range [][]byte{{2: 1}, {3: 1}} {
		q := p(func(p []byte) { p[2], p[3] = b[2], b[len(b)-1] })
		if _, drop := leaf.Open(q); Drop(drop) != DropVersion {
			t.Errorf("reserved bytes set: %v", Drop(drop))
		}
	}
	if _, drop := leaf.Open(mustSeal(t, third, 2, "x")); Drop(drop) != DropKey {
		t.Errorf("a stranger's pairwise packet: %v", Drop(drop))
	}
}

func TestP3_APacketOpensForItsGroupPortAndSessionOnly(t *testing.T) {
	root, _ := newPeers(t, DefaultSuite())
	e := root.view.Load().live[0]
	other := func(c RingConfig) *Ring {
		c.Self = 2
		if c.Session == (SessionID{}) {
			c.Session = root.session
		}
		r, err := NewRing(c)
		must(t, err)
		t.Cleanup(r.Close)
		must(t, r.Add(newEpoch(c.Session, [32]byte{4}, Roster([]uint32{1}), 1, &secret{})))
		*r.view.Load().live[0].liveEpoch.secret = *e.secret // the same keys, whatever the epoch says
		r.view.Load().live[0].keyID = e.keyID
		must(t, r.Admit(1))
		return r
	}
	for name, c := range map[string]struct {
		ring *Ring
		want Drop
	}{
		"the same group":  {other(RingConfig{Group: testGroup}), 0},
		"another address": {other(RingConfig{Group: addrPortOf("239.255.77.2:7000")}), DropForged},
		"another port":    {other(RingConfig{Group: addrPortOf("239.255.77.1:7001")}), DropForged},
		"IPv4 as IPv6":    {other(RingConfig{Group: addrPortOf("[::ffff:239.255.77.1]:7000")}), 0},
		"another session": {other(RingConfig{Group: testGroup, Session: SessionID{9}}), DropSession},
	} {
		if _, drop := c.ring.Open(mustSeal(t, root, 0, "x")); Drop(drop) != c.want {
			t.Errorf("%s: %v, want %v", name, Drop(drop), c.want)
		}
	}
}

func TestP3_APairwisePacketOpensForItsReceiverOnly(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	p := mustSeal(t, root, 2, "for 2")
	back := bytes.Clone(p)
	back[15] = 2 // reflected as the leaf's own
	for _, packet := range [][]byte{bytes.Clone(p), back} {
		if _, drop := root.Open(packet); drop == 0 {
			t.Error("the root opened what it sealed itself")
		}
	}
	o, drop := leaf.Open(p)
	if drop != 0 || string(o.Payload) != "for 2" || !o.Pairwise || o.Sender != 1 || o.Epoch != 0 {
		t.Errorf("%+v, %v", o, Drop(drop))
	}
	o, drop = root.Open(mustSeal(t, leaf, 1, "from 2"))
	if drop != 0 || string(o.Payload) != "from 2" || !o.Pairwise || o.Sender != 2 {
		t.Errorf("%+v, %v", o, Drop(drop))
	}
}

func TestP8_NoPacketLooksLikeDTLS(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	sealed := 0
	for kind := range 256 {
		for _, to := range []uint32{0, 2} {
			p, err := root.Seal(nil, to, uint8(kind), 0xff, []byte("x"))
			if err != nil {
				if !errors.Is(err, ErrKind) {
					t.Errorf("kind %d: %v", kind, err)
				}
				continue
			}
			sealed++
			if p[0] >= 20 && p[0] <= 23 {
				t.Errorf("kind %d: first byte %d", kind, p[0])
			}
			o, drop := leaf.Open(p)
			if drop != 0 || o.Kind != uint8(kind) || o.Flags != 0xff {
				t.Errorf("kind %d: opened as %d with flags %x, %v", kind, o.Kind, o.Flags, Drop(drop))
			}
		}
	}
	if sealed != 8 {
		t.Errorf("%d packets were sealed, want 4 kinds both ways", sealed)
	}
	for first := range 256 {
		p := mustSeal(t, root, 0, "x")
		if p[0] = byte(first); first>>4 == 1 && first&15 <= KindEpoch {
			continue
		}
		if _, drop := leaf.Open(p); Drop(drop) != DropVersion {
			t.Errorf("first byte %#x: %v, want version", first, Drop(drop))
		}
	}
}

func TestDrop_HasANameForEachReason(t *testing.T) {
	seen := map[string]bool{}
	for d := range Drop(Drops) {
		if name := d.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("drop %d is called %q", d, name)
		}
		seen[d.String()] = true
	}
	if Drop(Drops).String() != "unknown" {
		t.Error("a drop beyond the last has a name")
	}
}
