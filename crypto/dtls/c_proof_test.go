package dtls

import (
	"errors"
	"fmt"
	"testing"
	"time"

	pion "github.com/pion/dtls/v2"

	"github.com/joinleaf/joinleaf/crypto"
)

// talk is a rogue's DTLS connection and the frames it hears.
func talk(c *pion.Conn) <-chan []byte {
	out := make(chan []byte, 100)
	go func() {
		defer close(out)
		b := make([]byte, maxDatagram)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			out <- append([]byte(nil), b[:n]...)
		}
	}()
	return out
}

// rest is what is heard until there is silence for longer than a handshake may take.
func rest(heard <-chan []byte) (out [][]byte) {
	for {
		select {
		case f, ok := <-heard:
			if !ok {
				return out
			}
			out = append(out, f)
		case <-time.After(6 * time.Second):
			return out
		}
	}
}

// Somebody who has no code, and stands between with a DTLS association to each
// end, hands every frame on: the proofs are for other associations.
func TestC3_ARelayIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		dialler, _ := l.host("10.0.0.1:4000", nil)
		acceptor, at := l.host("10.0.0.2:4000", nil)
		log := &lastError{}
		acceptor.config.Logger = log.logger()
		front, back := l.rogueAcceptor("10.0.0.6:6000"), l.rogueDialler(t, "10.0.0.7:6000", at)
		dialled := make(chan error, 1)
		go func() {
			_, err := dialler.Dial(t.Context(), front.at, Who{})
			dialled <- err
		}()
		f, err := front.shake(t, front.config(t, newSuite()))
		must(t, err)
		b, err := back.shake(t, back.config(t, newSuite()))
		must(t, err)
		go func() {
			for p := range talk(f) {
				_, _ = b.Write(p)
			}
		}()
		go func() {
			for p := range talk(b) {
				_, _ = f.Write(p)
			}
		}()
		if err := <-dialled; !errors.Is(err, crypto.ErrProof) {
			t.Errorf("the dialler: %v", err)
		}
		time.Sleep(time.Second)
		if acceptor.Stats().Admitted != 0 || !errors.Is(log.err(), crypto.ErrProof) {
			t.Errorf("the acceptor: %v, %+v", log.err(), acceptor.Stats())
		}
	})
}

// The acceptor's own proof, sent back, is not a dialler's; nor is one from an
// association before. No frame but these two is heard from it.
func TestC3_ReflectedAndReplayedProofsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", nil)
		log := &lastError{}
		e.config.Logger = log.logger()
		var old []byte
		for round := range 4 {
			r := l.rogueDialler(t, "10.0.0.6:6000", at)
			c, err := r.shake(t, r.config(t, newSuite()))
			must(t, err)
			heard := talk(c)
			offer := <-heard
			if offer[0] != frameOffer {
				t.Fatalf("the first frame is %x", offer)
			}
			reply := append([]byte{frameAnswer}, offer[1:]...)
			switch round {
			case 0: // before a proof nothing is taken for data, and nothing is given
				_, _ = c.Write([]byte("\x00data before any proof"))
				_, _ = c.Write([]byte{frameAdmitted, frameVersion, byte(wayCode), 0})
				time.Sleep(time.Second)
			case 2:
				reply = append([]byte{frameAnswer}, old...)
			case 3:
				reply = append(reply[:3:3], make([]byte, proofSize)...)
			}
			old = offer[1:]
			_, _ = c.Write(reply)
			for _, f := range rest(heard) {
				if f[0] != frameOffer && f[0] != frameRefused {
					t.Errorf("round %d: heard %x", round, f)
				}
			}
			if s := e.Stats(); s.Admitted != 0 || !errors.Is(log.err(), crypto.ErrProof) {
				t.Errorf("round %d: %v, %+v", round, log.err(), s)
			}
			_ = r.Close()
		}
	})
}

// A false acceptor, without the code, learns no proof of the dialler's.
func TestC3_TheDiallerProvesNothingFirst(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, _ := l.host("10.0.0.1:4000", nil)
		r := l.rogueAcceptor("10.0.0.6:6000")
		dialled := make(chan error, 1)
		go func() {
			_, err := e.Dial(t.Context(), r.at, Who{})
			dialled <- err
		}()
		c, err := r.shake(t, r.config(t, newSuite()))
		must(t, err)
		heard := talk(c)
		time.Sleep(time.Second)
		guess := frame{kind: frameOffer, way: wayCode, proof: [32]byte{1}}
		_, _ = c.Write([]byte("\x00data"))
		_, _ = c.Write(guess.append(nil))
		for _, f := range rest(heard) {
			if f[0] != frameRefused {
				t.Errorf("heard %x", f)
			}
		}
		if err := <-dialled; !errors.Is(err, crypto.ErrProof) {
			t.Errorf("the dialler: %v", err)
		}
	})
}

// A proof is for one role, one association and one pair of keys.
func TestC3_ProofsCoverEverything(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, _ := l.host("10.0.0.1:4000", nil)
		seen := map[[proofSize]byte]string{}
		for _, master := range []byte{1, 2} {
			for _, pins := range [][2]crypto.Pin{{{1}, {2}}, {{1}, {3}}, {{3}, {2}}, {{2}, {1}}} {
				k := &suiteKeys{master: [48]byte{master}}
				offer, answer, err := e.proofs(k, pins[0], pins[1])
				must(t, err)
				for role, p := range map[string][proofSize]byte{"offer": offer, "answer": answer} {
					name := fmt.Sprint(role, master, pins[0][0], pins[1][0])
					if seen[p] != "" || p == ([proofSize]byte{}) {
						t.Errorf("%s is %x, as %s", name, p, seen[p])
					}
					seen[p] = name
				}
			}
		}
	})
}

// What a member sends before it has proven itself is not delivered after.
func TestC3_EarlyDataIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		e, at := l.host("10.0.0.2:4000", nil)
		r := l.rogueDialler(t, "10.0.0.6:6000", at)
		s := newSuite()
		config := r.config(t, s)
		c, err := r.shake(t, config)
		must(t, err)
		heard := talk(c)
		<-heard
		_, _ = c.Write([]byte("\x00early"))
		time.Sleep(10 * time.Millisecond)
		_, answer, err := e.proofs(s.keys.Load(), e.Pin(), crypto.PinOf(config.Certificates[0].Leaf))
		must(t, err)
		f := frame{kind: frameAnswer, way: wayCode, proof: answer}
		_, _ = c.Write(f.append(nil))
		conn, err := e.Accept(t.Context())
		must(t, err)
		_, _ = c.Write([]byte("\x00in time"))
		b := make([]byte, 99)
		if n, err := conn.Read(t.Context(), b); err != nil || string(b[:n]) != "in time" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		must(t, conn.Close())
	})
}
