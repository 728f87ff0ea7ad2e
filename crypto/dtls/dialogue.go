package dtls

import (
	"crypto/hmac"
	"fmt"
	"io"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// offer is the acceptor's side of the dialogue that follows the DTLS handshake.
// It proves itself first: a false acceptor learns nothing. What is lost is said
// again, until the dialler answers or time runs out.
func (a *association) offer() error {
	offer, answer, err := a.proofs()
	if err != nil {
		return err
	}
	f, err := a.exchange(&frame{kind: frameOffer, way: a.e.way, proof: offer}, frameAnswer)
	if err != nil {
		return err
	}
	if err := a.examine(&f, answer, Who{}); err != nil {
		return a.refuse(err)
	}
	a.touch()
	a.admitted.Store(true)
	select {
	case a.e.accepted <- &Conn{a}:
	default:
		a.admitted.Store(false)
		return a.refuse(fmt.Errorf("%w: %d wait for Accept", ErrBusy, cap(a.e.accepted)))
	}
	a.say(&frame{kind: frameAdmitted, way: a.e.way})
	return nil
}

// answer is the dialler's side. It says nothing before it has seen the proof.
func (a *association) answer() error {
	offer, answer, err := a.proofs()
	if err != nil {
		return err
	}
	f, err := a.exchange(nil, frameOffer)
	if err != nil {
		return err
	}
	if err := a.examine(&f, offer, a.who); err != nil {
		return a.refuse(err)
	}
	a.answered.Store(true)
	if _, err = a.exchange(&frame{kind: frameAnswer, way: a.e.way, proof: answer}, frameAdmitted); err != nil {
		return err
	}
	a.touch()
	a.admitted.Store(true)
	return nil
}

// proofs are the offer's and the answer's, at both ends the same two.
func (a *association) proofs() (offer, answer [proofSize]byte, err error) {
	peer := crypto.PinOf(a.chain[0])
	if a.dialled {
		return a.e.proofs(a.suite.keys.Load(), peer, a.e.pin)
	}
	return a.e.proofs(a.suite.keys.Load(), a.e.pin, peer)
}

// exchange says a frame, if there is one, until the one that is wanted comes.
func (a *association) exchange(say *frame, want uint8) (frame, error) {
	tick := time.NewTicker(repeatInterval)
	defer tick.Stop()
	for {
		if say != nil {
			a.say(say)
		}
		f, err := a.await(tick.C, want)
		if err != nil || f.kind == want {
			return f, err
		}
	}
}

// await returns the frame that is wanted, an error, or nothing after a tick.
func (a *association) await(tick <-chan time.Time, want uint8) (frame, error) {
	for {
		select {
		case f := <-a.heard:
			if f.kind == want {
				return f, nil
			}
			if f.kind == frameRefused {
				return f, f.reason.refused()
			}
		case <-tick:
			return frame{}, nil
		case <-a.ending:
			return frame{}, a.lastWord()
		case <-a.ctx.Done():
			return frame{}, a.explain(a.ctx.Err())
		}
	}
}

// lastWord is why an association ended during the dialogue: the other end may
// have given a reason just before.
func (a *association) lastWord() error {
	for {
		select {
		case f := <-a.heard:
			if f.kind == frameRefused {
				return f.reason.refused()
			}
		default:
			if cause := a.causeOf(); cause != io.EOF {
				return cause
			}
			return fmt.Errorf("the other end closed without a word; it may be set up wrong, see its log: %w", io.EOF)
		}
	}
}

// examine is the verdict on the other end: the same kind of identity, its proof,
// its key and certificate, and last what the application says.
func (a *association) examine(f *frame, proof [proofSize]byte, who Who) error {
	if f.way != a.e.way {
		return fmt.Errorf("%w: this end has %v and the other has %v; give both the same kind", crypto.ErrIdentity, a.e.way, f.way)
	}
	if !hmac.Equal(f.proof[:], proof[:]) {
		return fmt.Errorf("%w: the other end has another join code, or somebody stands between; give both ends the same code", crypto.ErrProof)
	}
	if err := a.e.judge(a.chain, who); err != nil {
		return err
	}
	if a.e.config.Admit == nil {
		return nil
	}
	if err := a.e.config.Admit(a.ctx, a.peer()); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// refuse tells the other end the reason, three times since nobody confirms it,
// and returns the verdict.
func (a *association) refuse(verdict error) error {
	f := frame{kind: frameRefused, way: a.e.way, reason: reasonOf(verdict)}
	for range 3 {
		a.say(&f)
		select {
		case <-time.After(repeatInterval / 4):
		case <-a.ending:
			return verdict
		}
	}
	return verdict
}

func (a *association) peer() crypto.PeerInfo {
	p := crypto.PeerInfo{Pin: crypto.PinOf(a.chain[0]), AddrPort: a.route.peer}
	if a.e.way == wayCertificates {
		p.Certificate = a.chain[0]
	}
	return p
}
