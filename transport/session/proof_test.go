package session

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// clearHash is a stand-in for a hash that nobody can find another symbol for.
func clearHash(stream uint16, seq uint64, symbol []byte) (h Hash) {
	f := fnv.New128a()
	f.Write(binary.BigEndian.AppendUint64([]byte{byte(stream >> 8), byte(stream)}, seq))
	f.Write(symbol)
	f.Sum(h[:0])
	return h
}

func clearHashes(dst []Hash, of []Symbol) {
	for i, s := range of {
		dst[i] = clearHash(s.Stream, s.Seq, s.Bytes)
	}
}

// clearSigner says hashes in the open, each 32 symbols, after a millisecond, or when
// it is cut; so does
// clearVerifier believe them. entry: stream 2, sequence 8, hash 16.
type clearSigner struct {
	wait    []byte
	asked   []uint32
	cut     bool
	at      time.Time   // when it speaks whatever there is
	mu      *sync.Mutex // of the tests that look
	added   int
	hurried int
}

const entrySize = 26

func (c *clearSigner) Add(now time.Time, stream uint16, seq uint64, h Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wait) == 0 {
		c.at = now.Add(time.Millisecond)
	}
	c.wait = binary.BigEndian.AppendUint64(append(c.wait, byte(stream>>8), byte(stream)), seq)
	c.wait = append(c.wait, h[:]...)
	c.added++
}

func (c *clearSigner) Hurry() { c.hurried++ }

func (c *clearSigner) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = len(c.wait) > 0
}

// questions is how many it was asked.
func (c *clearSigner) questions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

func (c *clearSigner) Poll(now time.Time, dst []byte) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wait) < 32*entrySize && !c.cut && now.Before(c.at) || len(c.wait) == 0 {
		return dst, false
	}
	n := min(len(c.wait), 50*entrySize)
	dst = append(dst, c.wait[:n]...)
	c.wait = c.wait[:copy(c.wait, c.wait[n:])]
	c.cut = c.cut && len(c.wait) > 0
	return dst, true
}

func (c *clearSigner) Ask(_ time.Time, from uint32, question []byte, unknown []SymbolRange) ([]SymbolRange, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(question) != 10 {
		return unknown, false
	}
	c.asked = append(c.asked, from)
	seq := binary.BigEndian.Uint64(question[2:])
	return append(unknown, SymbolRange{Stream: binary.BigEndian.Uint16(question), First: seq, End: seq + 8}), true
}

func (c *clearSigner) Again(_ time.Time, dst []byte) ([]byte, uint32, bool) { return dst, 0, false }
func (c *clearSigner) NextTimeout() (t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wait) > 0 {
		t = c.at
	}
	return t
}

type clearVerifier struct {
	mu         sync.Mutex
	said, came [1 << 16]Hash
	low        uint64
	askAt      time.Time
}

func (v *clearVerifier) Start(flow.Stream, uint64) {}
func (v *clearVerifier) Crowd(int)                 {}
func (v *clearVerifier) Hash(id flow.Stream, seq uint64, b []byte) Hash {
	return clearHash(id, seq, b)
}

func (v *clearVerifier) Release(_ time.Time, _ flow.Stream, seq uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for ; v.low < seq; v.low++ {
		v.said[v.low&0xffff], v.came[v.low&0xffff] = Hash{}, Hash{}
	}
}

func (v *clearVerifier) Symbol(now time.Time, _ flow.Stream, seq uint64, h Hash) flow.Verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	said, came := &v.said[seq&0xffff], &v.came[seq&0xffff]
	switch {
	case seq < v.low || seq-v.low > 0xffff:
		return flow.TooFar
	case *said != Hash{} && *said != h, *came != Hash{} && *came != h:
		return flow.Forged
	case *said != Hash{}:
		*came = h
		return flow.Genuine
	}
	if *came = h; v.askAt.IsZero() {
		v.askAt = now.Add(50 * time.Millisecond)
	}
	return flow.Unknown
}

func (v *clearVerifier) Proven(_ flow.Stream, from, to uint64) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	for ; from < to && v.came[from&0xffff] == v.said[from&0xffff] && v.said[from&0xffff] != (Hash{}); from++ {
	}
	return from
}

func (v *clearVerifier) Manifest(_ time.Time, b []byte, _ bool, rejected []SymbolID) []SymbolID {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer func() {
		if v.said[v.low&0xffff] != (Hash{}) { // else what is next still lacks its proof
			v.askAt = time.Time{}
		}
	}()
	for ; len(b) >= entrySize; b = b[entrySize:] {
		seq := binary.BigEndian.Uint64(b[2:])
		if seq < v.low {
			continue
		}
		said, came := &v.said[seq&0xffff], &v.came[seq&0xffff]
		if *said = Hash(b[10:]); *came != *said && *came != (Hash{}) {
			*came = Hash{}
			rejected = append(rejected, SymbolID{Stream: binary.BigEndian.Uint16(b), Seq: seq})
		}
	}
	return rejected
}

func (v *clearVerifier) Ask(now time.Time, dst []byte) ([]byte, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.askAt.IsZero() || now.Before(v.askAt) {
		return dst, false
	}
	v.askAt = now.Add(20 * time.Millisecond)
	return binary.BigEndian.AppendUint64(append(dst, 0, 0), v.low), true
}

func (v *clearVerifier) NextTimeout() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.askAt
}

// signedPair is a sender that proves what it sends and a receiver that looks.
func signedPair(t testing.TB, merge bool, class flow.Class) (send, recv *Session, g *clearSigner, v *clearVerifier) {
	g, v = &clearSigner{mu: new(sync.Mutex)}, new(clearVerifier)
	send, recv = pair(t, merge, class, func(c *Config) {
		c.Hashes, c.Verifier = clearHashes, func(uint32) Verifier { return v }
		c.Hub = 1
	})
	send.tx.mu.Lock() // before anything is sent
	send.c.Signer, send.c.Hashes, send.c.Hub = g, clearHashes, 1
	send.tx.mu.Unlock()
	return send, recv, g, v
}

func TestProof_NothingIsAllocatedPerPacket(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, merge := range []bool{true, false} {
		send, recv, g, _ := signedPair(t, merge, flow.Reliable)
		ctx, p, q := context.Background(), make([]byte, 1398), make([]byte, 4096)
		const messages = 256
		round := func() {
			for range messages {
				if err := send.Send(ctx, 0, p); err != nil {
					t.Fatal(err)
				}
			}
			send.Flush()
			for range messages {
				if _, err := recv.Recv(ctx, q); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 200 {
			round()
		}
		if n := testing.AllocsPerRun(100, round); n > messages*2+messages/20 { // clearHash's own, at both ends
			t.Errorf("merged %v: %.1f allocations for %d messages", merge, n, messages)
		}
		if st := send.Stats(); st.Manifests == 0 || uint64(g.added) < 300*messages {
			t.Errorf("merged %v: %d manifests, %d symbols added", merge, st.Manifests, g.added)
		}
	}
}

// What leaves together is hashed in sixteens, each frame once and into its place.
func TestProof_FramesAreHashedSixteenAtOnce(t *testing.T) {
	send, _, _, _ := signedPair(t, true, flow.Reliable)
	if err := send.Send(t.Context(), 0, make([]byte, 1398)); err != nil {
		t.Fatal(err)
	}
	send.tx.mu.Lock()
	defer send.tx.mu.Unlock()
	var frames [][]byte // a full batch of such as was sent
	var want []Hash
	for i := range flow.MaxSegments {
		f := slices.Clone(send.tx.sender.Frame(0, 0))
		f[9], f[20] = byte(i), byte(i) // its sequence ends there, and it says something else
		id, seq, symbol, ok := flow.SymbolOf(f)
		if !ok || seq != uint64(i) {
			t.Fatalf("frame %d has symbol %d, %v", i, seq, ok)
		}
		frames, want = append(frames, f), append(want, clearHash(id, seq, symbol))
	}
	for _, n := range []int{1, 15, 16, 17, 32, flow.MaxSegments} {
		var calls, sixteens []int
		send.c.Hashes = func(dst []Hash, of []Symbol) {
			calls = append(calls, len(of))
			clearHashes(dst, of)
		}
		for at := 0; at < n; at += 16 {
			sixteens = append(sixteens, min(16, n-at))
		}
		got := make([]Hash, n)
		if _, _, err := send.wr.sendAs(kindData, send.c.GroupAddr, 0, false, frames[:n], got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(calls, sixteens) || !slices.Equal(got, want[:n]) {
			t.Errorf("%d frames: %v were hashed at once; the hashes are right: %v", n, calls, slices.Equal(got, want[:n]))
		}
	}
	send.c.Hashes = clearHashes
}

// Who asks is answered, from the ring where the signer has forgotten; but not more
// than eight times at once and 200 times a second.
func TestProof_QuestionsAreAnsweredAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, recv, g, _ := signedPair(t, true, flow.Reliable)
		defer recv.Close()
		defer send.Close()
		ctx, q := t.Context(), make([]byte, 4096)
		for range 4 {
			if err := send.Send(ctx, 0, make([]byte, 1398)); err != nil {
				t.Fatal(err)
			}
		}
		g.mu.Lock()
		g.wait = g.wait[:0] // before a manifest is made of it: it is forgotten
		g.mu.Unlock()
		read := make(chan struct{})
		go func() {
			defer close(read)
			for range 4 {
				recv.Recv(ctx, q)
			}
		}()
		time.Sleep(40 * time.Millisecond)
		if n := recv.Stats().Receivers.Messages; n != 0 {
			t.Fatalf("%d messages were read without a proof", n)
		}
		<-read // it has asked, and the symbols are hashed once more
		if g.questions() == 0 {
			t.Fatal("nobody asked")
		}
		time.Sleep(100 * time.Millisecond) // what it may ask is saved up
		ask := func(n int) int {
			before := g.questions()
			for range n {
				question := binary.BigEndian.AppendUint64([]byte{0, 0}, 0)
				if _, _, err := recv.wr.sendAs(kindManifest, send.LocalAddr(), 1, true, [][]byte{question}, nil); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			return g.questions() - before
		}
		if n := ask(500); n < questionAhead || n > questionAhead+1 {
			t.Errorf("%d questions of 500 were taken at once", n)
		}
		taken := 0
		for range 1000 {
			taken += ask(1)
			time.Sleep(time.Millisecond)
		}
		if taken < 190 || taken > 202 {
			t.Errorf("%d questions of 1000 were taken in a second", taken)
		}
		if st := send.Stats(); st.Drops[FlowDrop(flow.DropRate)] < 1200 {
			t.Errorf("%d were dropped for their rate", st.Drops[FlowDrop(flow.DropRate)])
		}
	})
}
