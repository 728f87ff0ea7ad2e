package rooted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// eve is a member who has all that a member has, and seals as the root.
func (r *room) eve(l *Leaf) *hoard {
	r.Helper()
	var e *crypto.Epoch
	l.do(func(time.Time, *control.Leaf) {
		e, _ = crypto.ParseEpochState(l.session, crypto.BindParams(l.hash, l.witness.Public()), l.epoch.AppendState(nil))
	})
	return r.hoard(l, []*crypto.Epoch{e})
}

// bodies opens what was recorded.
func (h *hoard) bodies(packets []simnet.Packet, kind uint8) (all [][]byte) {
	for _, p := range packets {
		if o, drop := h.captive.Open(bytes.Clone(p.B)); drop == 0 && o.Kind == kind {
			all = append(all, o.Payload)
		}
	}
	return all
}

// skip has her number packets beyond the root's, which are not sent twice.
func (h *hoard) skip() {
	for range 2000 {
		if _, err := h.rings[0].Seal(nil, 0, crypto.KindData, 0, nil); err != nil {
			h.Fatal(err)
		}
	}
}

// within bounds what is left of a story.
func (r *room) within(d time.Duration) {
	ctx, cancel := context.WithTimeout(r.ctx, d)
	r.Cleanup(cancel)
	r.ctx = ctx
}

// A member poses as the root towards the others. Where the root signs, nothing of
// that is read, what it displaced is repaired, and the application is told; with
// the group's key alone it is read, which documents the limit.
func TestP4_WhatAMemberSealsAsTheRootIsNotRead(t *testing.T) {
	for _, level := range []SourceLevel{Signed, SignedEager, Group} {
		inRoom(t, 71, quick, func(r *room) {
			r.level = level
			r.listen(nil)
			stay := r.leaves(2)
			time.Sleep(time.Second)
			victim, h := stay[0], r.eve(stay[1])
			h.skip()
			h.inject(crypto.KindData, dataFrame(r, victim.params, control.RootID)) // the first of all, before the root
			time.Sleep(10 * time.Millisecond)
			p := make([]byte, 64<<10)
			if level != Signed { // it is read, and with SignedEager known to be unproven
				m, err := victim.Recv(r.ctx, p)
				if err != nil || string(p[:m.N]) != "i should not speak" || m.Unproven != (level == SignedEager) {
					r.Fatalf("%v: %q, %+v, %v", level, p[:m.N], m, err)
				}
			}
			if level == Group {
				return
			}
			go r.say(0, 30)
			if level == Signed {
				r.hear(victim, 0, 30)
				r.hearsNothing(victim)
			}
			e, err := victim.NextEvent(r.ctx)
			for err == nil && e.Kind != Forged {
				e, err = victim.NextEvent(r.ctx)
			}
			if err != nil || e.Member != control.RootID || (level == SignedEager) != strings.Contains(e.Text, "read before") {
				r.Errorf("%v: %+v, %v", level, e, err)
			}
			if st := victim.Stats(); st.Proofs.Rejected == 0 {
				r.Errorf("%v: %+v", level, st.Proofs)
			}
		})
	}
}

// Nor with stolen manifests: the root's own, changed; with her own hashes; signed
// by herself; and the root's own once more. The packets she changes are lost at
// the victim, so hers are all that it has.
func TestP4_StolenManifestsProveNothingOfHers(t *testing.T) {
	inRoom(t, 72, quick, func(r *room) {
		r.level = Signed
		r.listen(nil)
		stay := r.leaves(2)
		time.Sleep(time.Second)
		victim, h := stay[0], r.eve(stay[1])
		h.skip()
		got := make(chan int, 1)
		const rounds = 40
		r.within(30 * time.Second)
		go func() {
			defer close(got)
			r.hear(victim, 0, rounds)
			got <- rounds
		}()
		deaf := false
		var mu sync.Mutex
		r.net.Filter(func(p simnet.Packet) bool {
			mu.Lock()
			defer mu.Unlock()
			return !deaf || p.To != "leaf0" || kindOf(p) != crypto.KindData && kindOf(p) != crypto.KindManifest
		})
		set := func(d bool) { mu.Lock(); deaf = d; mu.Unlock() }
		for i := range rounds {
			set(true)
			rec := r.record("leaf1")
			r.say(i, 1)
			time.Sleep(10 * time.Millisecond)
			packets := rec.stop(r)
			set(false)
			for _, b := range h.bodies(packets, crypto.KindData) {
				if id, seq, symbol, ok := flow.SymbolOf(b); ok {
					symbol[len(symbol)-1] ^= 1
					h.inject(crypto.KindData, b)
					h.manifests(id, seq, crypto.HashSymbol(id, seq, symbol), packets)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		if n := <-got; n != rounds {
			r.Errorf("%d of %d", n, rounds)
		}
		st := victim.Stats()
		if st.Proofs.Rejected == 0 || st.Proofs.Manifests[crypto.Forged] == 0 || st.Proofs.Conflicts != 0 || st.Data.Receivers.Missed != 0 {
			r.Errorf("%+v", st.Proofs)
		}
		r.hearsNothing(victim)
	})
}

// manifests injects what she can make of the root's to prove one hash.
func (h *hoard) manifests(id uint16, seq uint64, hash [16]byte, packets []simnet.Packet) {
	own, err := crypto.NewManifestSigner(h.author, 0, 0)
	if err != nil {
		h.Fatal(err)
	}
	own.Add(time.Now(), id, seq, hash)
	own.Cut()
	b, _ := own.Poll(time.Now(), nil)
	h.inject(crypto.KindManifest, b)
	for _, b := range h.bodies(packets, crypto.KindManifest) {
		h.inject(crypto.KindManifest, b)
		changed := bytes.Clone(b)
		copy(changed[12:], hash[:]) // the first hash of the first run
		h.inject(crypto.KindManifest, changed)
	}
}

// Data and manifests are lost, streams of every class run, keys change: what is
// reliable arrives whole, and the books of the rest are right.
func TestSigned_EverythingArrivesUnderLoss(t *testing.T) {
	for seed := range uint64(6) {
		loss := []float64{0, 0.02, 0.2}[seed%3]
		inRoom(t, seed, simnet.Link{Delay: 300 * time.Microsecond, Jitter: 200 * time.Microsecond, Loss: loss}, func(r *room) {
			r.level = []SourceLevel{Signed, SignedEager}[seed/3]
			class := []flow.Class{flow.Reliable, flow.BestEffort, flow.Deadline}
			root := r.listen(func(c *Config) { c.Streams = class })
			ls := r.leaves(3)
			const n = 600
			var all sync.WaitGroup
			for _, l := range ls {
				all.Go(func() {
					var next [3]uint64
					p := make([]byte, 64<<10)
					for next[0] < n || next[1] < n || next[2] < n {
						m, err := l.Recv(r.ctx, p)
						if err != nil { // what was lost at the tail is told with the end
							r.Logf("leaf %d ends at %v, %d missed: %v", l.ID(), next, m.Missed, err)
							return
						}
						next[m.Stream] += m.Missed
						if got := numberOf(p[:m.N]); got != next[m.Stream] || !bytes.Equal(p[:m.N], numbered(int(got))) || m.Stream == 0 && m.Missed > 0 {
							r.Errorf("stream %d: message %d where %d was due, %d missed", m.Stream, got, next[m.Stream], m.Missed)
							return
						}
						next[m.Stream]++
					}
				})
			}
			for i := range n {
				for st := range class {
					if err := root.SendStream(r.ctx, flow.Stream(st), numbered(i)); err != nil {
						r.Fatal(err)
					}
				}
				if i%50 == 49 && loss < 0.1 {
					r.join(fmt.Sprintf("guest%d", i), nil, nil)
				}
				time.Sleep(100 * time.Microsecond)
			}
			time.Sleep(3 * time.Second)
			root.Close()
			all.Wait()
			for _, l := range ls {
				st := l.Stats()
				if s := st.Data.Receivers; s.Messages+s.Missed < 3*n || st.Proofs.Manifests[crypto.Taken] == 0 || s.Rejected != 0 || s.Unproven != 0 && loss < 0.1 {
					r.Errorf("leaf %d: %d read, %d missed of %d, %d unproven; %+v", l.ID(), s.Messages, s.Missed, 3*n, s.Unproven, st.Proofs)
				}
				if loss > 0.1 && r.level == Signed && st.Proofs.Questions == 0 {
					r.Error("no manifest was lost: the test tests nothing")
				}
			}
		})
	}
}

// A manifest that is lost to all copies is asked for, and parity's symbols are
// checked like any.
func TestSigned_LostManifestsAreRepairedAndRebuiltSymbolsChecked(t *testing.T) {
	inRoom(t, 73, quick, func(r *room) {
		r.level = Signed
		root := r.listen(nil)
		ls := r.leaves(10) // above eight members repairs are coded
		var mu sync.Mutex
		dice := rand.New(rand.NewPCG(73, 1))
		r.net.Filter(func(p simnet.Packet) bool {
			mu.Lock()
			defer mu.Unlock()
			switch kindOf(p) {
			case crypto.KindManifest:
				return dice.Float64() >= 0.5
			case crypto.KindData:
				return dice.Float64() >= 0.05
			}
			return true
		})
		const n = 1500
		r.within(30 * time.Second)
		var all sync.WaitGroup
		for _, l := range ls {
			all.Go(func() { r.hear(l, 0, n) })
		}
		for i := range n {
			if err := root.Send(r.ctx, numbered(i)); err != nil {
				r.Fatal(err)
			}
			time.Sleep(50 * time.Microsecond)
		}
		all.Wait()
		rebuilt, asked := uint64(0), uint64(0)
		for _, l := range ls {
			st := l.Stats()
			rebuilt += st.Data.Receivers.Rebuilt
			asked += st.Proofs.Questions
		}
		if rebuilt == 0 || asked == 0 {
			r.Errorf("%d symbols rebuilt, %d questions: the test tests nothing", rebuilt, asked)
		}
	})
}

// What a late leaf wants was signed long ago: it is signed anew from the ring.
func TestSigned_HistoryIsProvenToWhoComesLate(t *testing.T) {
	inRoom(t, 74, quick, func(r *room) {
		r.level = Signed
		root := r.listen(func(c *Config) { c.Replay = 16 << 20 })
		early, _ := r.join("early", nil, nil)
		go take(r.T, r.ctx, early.Recv, 0)
		const n = 3000
		for i := range n { // each has a manifest of its own, more than are kept
			if err := root.Send(r.ctx, numbered(i)); err != nil {
				r.Fatal(err)
			}
			time.Sleep(6 * time.Millisecond)
		}
		late, _ := r.join("late", nil, func(c *Config) { c.From = flow.From{Kind: flow.FromOldest} })
		start := time.Now()
		r.hear(late, 0, n)
		if d := time.Since(start); d > 10*time.Second {
			r.Errorf("it took %v", d)
		}
		r.Logf("%v; %d questions", time.Since(start), late.Stats().Proofs.Questions)
	})
}

// Nothing negotiates down: a leaf says what it accepts at least.
func TestC9_ALeafAcceptsNoLowerLevelThanItAsksFor(t *testing.T) {
	for _, root := range []SourceLevel{Signed, SignedEager, Group} {
		inRoom(t, 75, quick, func(r *room) {
			r.level = root
			r.listen(nil)
			for _, leaf := range []SourceLevel{Signed, SignedEager, Group} {
				go r.root.Accept(r.ctx)
				l, err := Join(r.ctx, r.root.Addr(), nil, func() Config { c := r.config(leaf.String()); c.Source = leaf; return c }())
				if (err == nil) != (root <= leaf) || err != nil && !errors.Is(err, transport.WSAEACCES) {
					r.Errorf("a session at level %v, a leaf that asks for %v: %v", root, leaf, err)
				}
				if err == nil {
					l.Close()
				}
			}
		})
	}
	inRoom(t, 76, quick, func(r *room) {
		c := r.config("root")
		c.Source, c.Data = Signed, NonrootedData
		if _, err := Listen(r.ctx, testGroup, c); !errors.Is(err, transport.WSAEINVAL) {
			r.Errorf("nonrooted data that nobody can sign: %v", err)
		}
	})
}

func TestSigned_IsTheDefaultAndCostsOnePacketInMany(t *testing.T) {
	if (Config{}).Source != Signed {
		t.Fatal("the zero SourceLevel is not Signed")
	}
	inRoom(t, 77, simnet.Link{Delay: 100 * time.Microsecond}, func(r *room) {
		r.level = Signed
		root := r.listen(nil)
		l := r.leaves(1)[0]
		go func() {
			for range 20_000 {
				if root.Send(r.ctx, make([]byte, 1300)) != nil {
					return
				}
			}
		}()
		p := make([]byte, 2000)
		for range 20_000 {
			if _, err := l.Recv(r.ctx, p); err != nil {
				r.Fatal(err)
			}
		}
		st := root.Stats().Data
		if share := float64(st.Manifests) / float64(st.Sender.Data); share > 0.03 || share < 0.01 {
			r.Errorf("%d manifests for %d packets", st.Manifests, st.Sender.Data)
		}
	})
}

func TestSourceLevel_NamesAreReadAsTheyAreWritten(t *testing.T) {
	for _, level := range []SourceLevel{Signed, SignedEager, Group} {
		name, err := level.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got SourceLevel
		if err := got.UnmarshalText(name); err != nil || got != level {
			t.Errorf("%q is read as %v, %v", name, got, err)
		}
	}
	level := Group
	if err := level.UnmarshalText([]byte("level 3")); err == nil || level != Group {
		t.Errorf("a name that is none is read as %v, %v", level, err)
	}
}
