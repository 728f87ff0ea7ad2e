package crypto

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
)

// A recorder stands for every cipher of every ring and remembers each (key,
// nonce) it was asked to seal under, whatever the suite. It encrypts nothing:
// that is how it keeps up with ten million packets.
type recorder struct {
	mu     sync.Mutex
	lines  map[line]map[uint32]*[64]uint64 // pages of 4,096 nonces
	sealed int
	twice  int
}

// line is a key and a nonce without its low 22 bits.
type line struct {
	key   secret
	nonce [nonceSize]byte
}

func newRecorder() *recorder { return &recorder{lines: map[line]map[uint32]*[64]uint64{}} }

func (r *recorder) tap(ring *Ring) *Ring {
	ring.build = func(key *secret) cipher.AEAD { return &recorded{r, *key} }
	return ring
}

type recorded struct {
	r   *recorder
	key secret
}

func (a *recorded) NonceSize() int { return nonceSize }
func (a *recorded) Overhead() int  { return tagSize }

func (a *recorded) Seal(dst, nonce, plaintext, _ []byte) []byte {
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	l := line{key: a.key, nonce: [nonceSize]byte(nonce)}
	low := binary.BigEndian.Uint32(nonce[8:]) & (1<<22 - 1)
	binary.BigEndian.PutUint32(l.nonce[8:], binary.BigEndian.Uint32(nonce[8:])&^(1<<22-1))
	pages := a.r.lines[l]
	if pages == nil {
		pages = map[uint32]*[64]uint64{}
		a.r.lines[l] = pages
	}
	page := pages[low>>12]
	if page == nil {
		page = new([64]uint64)
		pages[low>>12] = page
	}
	if word := &page[low>>6&63]; *word>>(low&63)&1 == 1 {
		a.r.twice++
	} else {
		*word |= 1 << (low & 63)
	}
	a.r.sealed++
	return append(append(dst, plaintext...), make([]byte, tagSize)...)
}

func (a *recorded) Open(dst, _, ciphertext, _ []byte) ([]byte, error) {
	return append(dst, ciphertext[:len(ciphertext)-tagSize]...), nil
}

func TestP7_TheRecorderSeesARepeat(t *testing.T) {
	rec := newRecorder()
	for range 2 { // two rings for one member: what the documentation forbids
		root, _ := newPeersOf(t, rec, newEpoch(SessionID{1}, [32]byte{}, [32]byte{}, 1, &secret{2}), 1, 2)
		mustSeal(t, root, 0, "x")
	}
	if rec.twice != 1 {
		t.Fatalf("%d repeats seen, want 1", rec.twice)
	}
}

// newPeersOf makes recorded rings for two members in an epoch.
func newPeersOf(t *testing.T, rec *recorder, e *Epoch, a, b uint32) (*Ring, *Ring) {
	t.Helper()
	var rings [2]*Ring
	for i, self := range []uint32{a, b} {
		rings[i] = rec.tap(newMember(t, DefaultSuite(), e.session, self))
		must(t, rings[i].Add(e))
		must(t, rings[i].Activate(e.number))
	}
	return rings[0], rings[1]
}

func TestP7_NoKeyAndNonceComeTwice(t *testing.T) {
	total := 10_000_000
	if testing.Short() || underRace {
		total /= 10
	}
	rec, buf := newRecorder(), make([]byte, 0, 256)
	e, err := FirstEpoch(SessionID{1}, [32]byte{}, [32]byte{})
	must(t, err)
	root, leaf := newPeersOf(t, rec, e, 1, 2)
	root.Pair(2, [32]byte{1}, [32]byte{2})
	leaf.Pair(1, [32]byte{2}, [32]byte{1})
	seal := func(r *Ring, to uint32, n int) {
		for range n { // the same payload: a repair is sealed afresh
			if buf, err = r.Seal(buf[:0], to, KindData, 0, []byte("repair")); err != nil {
				t.Fatal(err)
			}
		}
	}
	seal(root, 0, total*9/10) // two changes of the data key on the way
	id := uint32(2)
	for rec.sealed < total {
		seal(root, 0, 1000)
		seal(leaf, 0, 1000)
		seal(root, 2, 500)
		seal(leaf, 1, 500)
		switch rec.sealed / 3000 % 3 {
		case 0: // a join
			e = e.Next([32]byte{})
		case 1: // a leave
			e, err = e.Fresh([32]byte{})
			must(t, err)
		case 2: // the leaf comes back under a new id; the old keys are told again
			id++
			leaf.Close()
			leaf = rec.tap(newMember(t, DefaultSuite(), e.session, id))
			leaf.Pair(1, [32]byte{byte(id), byte(id >> 8), 3}, [32]byte{byte(id), byte(id >> 8), 4})
		}
		for _, r := range []*Ring{root, leaf} {
			must(t, r.Add(e))
			must(t, r.Add(e))
			must(t, r.Activate(e.number))
			must(t, r.Activate(e.number))
		}
		root.Pair(2, [32]byte{1}, [32]byte{2})
	}
	if rec.twice != 0 {
		t.Errorf("%d of %d packets repeated a key and nonce", rec.twice, rec.sealed)
	}
	t.Logf("%d packets, %d keys", rec.sealed, len(rec.lines))
}

func TestP7_RestartsAndConcurrentSealing(t *testing.T) {
	rec := newRecorder()
	for range 20 {
		session, err := NewSessionID()
		must(t, err)
		e, err := FirstEpoch(session, [32]byte{}, [32]byte{})
		must(t, err)
		root, _ := newPeersOf(t, rec, e, 1, 2)
		var wg sync.WaitGroup
		for range 4 { // one goroutine is the rule; four must not break it either
			wg.Go(func() {
				for range 500 {
					if _, err := root.Seal(nil, 0, KindData, 0, nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 50 {
			e = e.Next([32]byte{})
			must(t, root.Add(e))
			must(t, root.Activate(e.number))
		}
		wg.Wait()
	}
	if rec.twice != 0 || rec.sealed != 20*4*500 {
		t.Errorf("%d of %d packets repeated a key and nonce", rec.twice, rec.sealed)
	}
}

// Z1, crypto's part: a data key is in its cipher and nowhere else.
func TestZ1_DataKeysAreClearedOnceInUse(t *testing.T) {
	root, _ := newPeers(t, DefaultSuite())
	var keys []*secret
	root.build = func(key *secret) cipher.AEAD {
		if *key == (secret{}) {
			t.Error("a key of zeros")
		}
		keys = append(keys, key)
		return newAEAD(root.suite, key)
	}
	for g := range uint64(3) {
		at(root, g<<22)
		mustSeal(t, root, 0, "x")
	}
	if len(keys) != 3 {
		t.Fatalf("%d keys were made, want 3", len(keys))
	}
	for _, k := range keys {
		if *k != (secret{}) {
			t.Error("a data key is still in memory")
		}
	}
}

func TestP7_AnEpochNeverComesBack(t *testing.T) {
	root, _ := newPeers(t, DefaultSuite())
	first := root.view.Load().live[0]
	again := newEpoch(root.session, [32]byte{4}, Roster([]uint32{1}), 1, &secret{})
	*again.hidden.secret = *first.secret
	again.keyID = first.keyID
	e := again
	for range 3 {
		e = e.Next([32]byte{})
		must(t, root.Add(e))
	}
	must(t, root.Activate(4))
	for name, err := range map[string]error{
		"adding the first epoch again": root.Add(again),
		"adding another epoch 3":       root.Add(newEpoch(root.session, [32]byte{}, [32]byte{}, 3, &secret{9})),
		"activating epoch 3 after 4":   root.Activate(3),
		"activating an unknown epoch":  root.Activate(5),
	} {
		if err == nil {
			t.Errorf("%s is allowed", name)
		}
	}
}

func TestP7_RandomNonces(t *testing.T) {
	root, leaf := newPeers(t, AES256GCMRandomNonce)
	seen := map[string]bool{}
	for i := range 50_000 {
		p := mustSeal(t, root, 0, "x")
		nonce := string(p[24:36])
		if seen[nonce] {
			t.Fatalf("nonce of packet %d repeats", i)
		}
		seen[nonce] = true
		if _, drop := leaf.Open(p); drop != 0 {
			t.Fatal(fmt.Sprint(i, Drop(drop)))
		}
	}
}
