package rooted

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/session"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// hoard is all that somebody had when it was shut out.
type hoard struct {
	*room
	rings   []*crypto.Ring // seal as the root, under every epoch she ever had
	captive *crypto.Ring   // opens what these epochs open
	author  *crypto.Author // of her own making
}

func (r *room) hoard(eve *Leaf, epochs []*crypto.Epoch) *hoard {
	h := &hoard{room: r}
	ring := func(self uint32) *crypto.Ring {
		k, err := crypto.NewRing(crypto.RingConfig{Suite: eve.ring.Suite(), Session: eve.session, Self: self, Group: testGroup.Addr})
		if err != nil {
			r.Fatal(err)
		}
		return k
	}
	h.captive = ring(eve.id)
	for _, e := range epochs[max(0, len(epochs)-3):] {
		forger := ring(control.RootID)
		if err := errors.Join(forger.Add(e), forger.Activate(e.Number()), h.captive.Add(e)); err != nil {
			r.Fatal(err)
		}
		h.rings = append(h.rings, forger)
	}
	if err := h.captive.Admit(control.RootID); err != nil {
		r.Fatal(err)
	}
	var err error
	if h.author, err = crypto.NewAuthor(eve.session, control.RootID); err != nil {
		r.Fatal(err)
	}
	return h
}

// walked are rings for the epochs that follow the last one that she had by the
// one-way step of a join, which everybody can take who was in.
func (h *hoard) walked(eve *Leaf, e *crypto.Epoch) (rings []*crypto.Ring) {
	for range 4 {
		e = e.Next(crypto.Roster([]uint32{control.RootID}))
		k, err := crypto.NewRing(crypto.RingConfig{Suite: eve.ring.Suite(), Session: eve.session, Self: eve.id, Group: testGroup.Addr})
		if err := errors.Join(err, k.Add(e), k.Admit(control.RootID)); err != nil {
			h.Fatal(err)
		}
		rings = append(rings, k)
	}
	return rings
}

// inject sends a body to the group as the root's, under all her keys, and tells
// how many packets that were.
func (h *hoard) inject(kind uint8, body []byte) (n int) {
	for _, ring := range h.rings {
		p, err := ring.Seal(nil, 0, kind, 0, body)
		if err != nil {
			h.Fatal(err)
		}
		h.net.Inject(h.root.data.LocalAddr(), testGroup.Addr, p)
		n++
	}
	return n
}

func TestK1_K2_WhoWasEvictedWithAllThatSheHadOpensAndInjectsNothing(t *testing.T) {
	for _, level := range []SourceLevel{Group, Signed} {
		t.Run(level.String(), func(t *testing.T) { evicted(t, level) })
	}
}

func evicted(t *testing.T, level SourceLevel) {
	inRoom(t, 58, quick, func(r *room) {
		r.level = level
		r.listen(nil)
		stay := r.leaves(5)
		eve, m := r.join("eve", nil, nil)
		var epochs []*crypto.Epoch
		keep := func() { // she writes down every state she has
			var e *crypto.Epoch
			eve.do(func(time.Time, *control.Leaf) {
				hash := crypto.BindParams(eve.hash, eve.witness.Public())
				e, _ = crypto.ParseEpochState(eve.session, hash, eve.epoch.AppendState(nil))
			})
			epochs = append(epochs, e)
		}
		keep()
		first := r.record("leaf0") // she sees the wire for as long as she likes
		guest, gm := r.join("guest", nil, nil)
		keep()
		gm.Evict(transport.WSAEACCES, "out")
		r.converge(append(stay, eve), time.Second)
		keep()
		go r.say(0, 20)
		r.hear(stay[0], 0, 20)
		m.Evict(transport.WSAEACCES, "out")
		seen := first.stop(r)
		later := r.record("leaf0")
		go r.say(20, 200)
		r.hear(stay[0], 20, 200)
		again, _ := r.join("again", nil, nil)
		r.converge(append(stay, again), time.Second)
		stay[4].Close() // a removal beside her old leaf
		r.converge(append(slices.Clone(stay[:4]), again), time.Second)
		packets := later.stop(r)
		h := r.hoard(eve, epochs)

		var rekeys, notices [][]byte
		for _, p := range seen { // what is sealed under her keys she reads
			if o, drop := h.captive.Open(bytes.Clone(p.B)); drop == 0 && o.Kind == crypto.KindRekey {
				rekeys = append(rekeys, o.Payload)
			} else if drop == 0 && o.Kind == crypto.KindEpoch {
				notices = append(notices, o.Payload)
			}
		}
		if len(rekeys) < 3 || len(notices) < 2 || len(packets) < 100 {
			r.Fatalf("she has %d rekeys and %d notices of %d packets, and %d later ones: too little to test with", len(rekeys), len(notices), len(seen), len(packets))
		}
		outcomes := map[crypto.Outcome]int{}
		for _, b := range rekeys {
			next, o := eve.path.Rekey(time.Now(), eve.epoch, b, false)
			if outcomes[o]++; next != nil {
				r.Errorf("a rekey leads her to %v", next)
			}
		}
		if outcomes[crypto.Removed] == 0 {
			r.Errorf("none of the rekeys that she has removes her: %v", outcomes)
		}
		for _, ring := range append(h.walked(eve, epochs[len(epochs)-1]), h.captive) {
			for _, p := range packets {
				if o, drop := ring.Open(bytes.Clone(p.B)); drop == 0 {
					r.Fatalf("she opens a packet of epoch %d, kind %d, sent after Evict", o.Epoch, o.Kind)
				}
			}
		}

		l := stay[0]
		time.Sleep(200 * time.Millisecond) // the last copies of true notices
		epoch, before := l.Epoch(), l.Stats()
		injected := 0
		for range 50 {
			injected += h.inject(crypto.KindData, dataFrame(r, eve.params, control.RootID))
			injected += h.inject(crypto.KindEpoch, h.author.AppendEpochNotice(nil, crypto.EpochNotice{Epoch: epoch + 1, Closed: epoch}))
		}
		for _, b := range append(rekeys, notices...) {
			injected += h.inject(crypto.KindRekey, b) + h.inject(crypto.KindEpoch, b)
		}
		for _, p := range seen {
			r.net.Inject(p.Src, testGroup.Addr, p.B)
			injected++
		}
		time.Sleep(time.Second)
		after := l.Stats()
		refused := uint64(0)
		for _, d := range []session.Drop{session.DropClosed, session.DropKey, session.DropReplay} {
			refused += after.Data.Drops[d] - before.Data.Drops[d]
		}
		if refused != uint64(injected) || after.Keys != before.Keys || l.Epoch() != epoch {
			r.Errorf("%d of %d packets refused; news %v, before %v; epoch %d, was %d", refused, injected, after.Keys, before.Keys, l.Epoch(), epoch)
		}
		r.hearsNothing(l)
		guest.Close()
		eve.Close()
	})
}

// A member that is still in can seal as the root, and sign as nobody but itself.
func TestK7_AMembersRekeysAndNoticesAreIgnored(t *testing.T) {
	inRoom(t, 59, quick, func(r *room) {
		r.listen(nil)
		stay := r.leaves(3)
		time.Sleep(3 * time.Second)
		eve := stay[2]
		h := r.hoard(eve, []*crypto.Epoch{eve.epoch})
		l := stay[0]
		epoch := l.Epoch()
		tree, err := crypto.NewTree(eve.ring.Suite(), h.author)
		if err != nil {
			r.Fatal(err)
		}
		commit, err := tree.Commit(eve.epoch, eve.epoch.RosterHash(), true)
		if err != nil {
			r.Fatal(err)
		}
		junk := bytes.Clone(commit.Parts[0])
		junk[100]++
		before := l.Stats().Keys.News
		for range 400 { // more than are checked in a second
			h.inject(crypto.KindRekey, commit.Parts[0])
			h.inject(crypto.KindRekey, junk)
			h.inject(crypto.KindEpoch, h.author.AppendEpochNotice(nil, crypto.EpochNotice{Epoch: epoch + 1000}))
			h.inject(crypto.KindEpoch, []byte("short"))
			h.inject(crypto.KindManifest, junk)
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(500 * time.Millisecond)
		news := l.Stats().Keys.News
		for _, o := range []crypto.Outcome{crypto.Taken, crypto.Unfit, crypto.Behind, crypto.Held} {
			if news[o] != before[o] {
				r.Errorf("%d forgeries were %v", news[o]-before[o], o)
			}
		}
		if news[crypto.Forged] < 150 || news[crypto.Forged] > 250 || news[crypto.Ignored] == 0 || news[crypto.Malformed] == 0 {
			r.Errorf("news %v", news)
		}
		if l.Epoch() != epoch || l.holds() != epoch || l.Stats().Control.Asked != 0 {
			r.Errorf("epoch %d, was %d; asked %d times", l.Epoch(), epoch, l.Stats().Control.Asked)
		}
		_, m := r.join("guest", nil, nil) // it listens no more, and asks
		m.Evict(transport.WSAEACCES, "out")
		r.converge(stay[:2], 2*time.Second)
	})
}

// A true notice costs one check, however often a member sends it again.
func TestK7_ATrueNoticeIsCheckedOnce(t *testing.T) {
	inRoom(t, 63, quick, func(r *room) {
		r.listen(nil)
		stay := r.leaves(2)
		rec := r.record("leaf0")
		_, m := r.join("guest", nil, nil)
		m.Evict(transport.WSAEACCES, "out")
		r.converge(stay, time.Second)
		packets := rec.stop(r)
		eve, l := stay[1], stay[0]
		h := r.hoard(eve, []*crypto.Epoch{eve.epoch})
		var notice []byte
		for _, p := range packets {
			if o, drop := h.captive.Open(bytes.Clone(p.B)); drop == 0 && o.Kind == crypto.KindEpoch {
				notice = o.Payload
			}
		}
		if epoch, ok := crypto.NoticeEpoch(notice); !ok || epoch != l.Epoch() {
			r.Fatalf("no notice of the epoch in use: %x", notice)
		}
		h = r.hoard(eve, []*crypto.Epoch{eve.epoch})
		for range 5000 { // numbers that the root has not used yet
			h.rings[0].Seal(nil, 0, crypto.KindData, 0, nil)
		}
		before := l.Stats().Keys.News
		for range 500 {
			h.inject(crypto.KindEpoch, notice)
			time.Sleep(20 * time.Microsecond)
		}
		time.Sleep(10 * time.Millisecond)
		news := l.Stats().Keys.News
		if got := news[crypto.Old] - before[crypto.Old]; got != 500 || news[crypto.Taken] != before[crypto.Taken] {
			r.Errorf("%d of 500 copies were old; news %v, before %v", got, news, before)
		}
	})
}

// A rekey of many parts leaves little by little: 32 packets in a millisecond.
func TestK6_ALongRekeyIsNoBurst(t *testing.T) {
	inRoom(t, 64, quick, func(r *room) {
		root := r.listen(nil)
		r.leaves(1)
		time.Sleep(time.Second)
		var mu sync.Mutex
		var at []time.Time
		r.net.Tap(func(p simnet.Packet) {
			if kindOf(p) == crypto.KindRekey && p.To == "leaf0" {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Now())
			}
		})
		parts := make([][]byte, 100)
		for i := range parts {
			parts[i] = make([]byte, crypto.MaxRekey)
		}
		root.tell(crypto.KindRekey, parts, func() bool { return true })
		time.Sleep(time.Second)
		r.net.Tap(nil)
		mu.Lock()
		defer mu.Unlock()
		if len(at) != 300 {
			r.Errorf("%d packets of three times 100", len(at))
		}
		for i := 32; i < len(at); i++ {
			if at[i].Sub(at[i-32]) < time.Millisecond/2 {
				r.Fatalf("more than 32 packets within half a millisecond, at %d", i)
			}
		}
	})
}

func TestK8_UnknownKeyIdsAskForNothing(t *testing.T) {
	inRoom(t, 60, quick, func(r *room) {
		r.listen(nil)
		l := r.leaves(1)[0]
		rec := r.record("leaf0")
		go r.say(0, 10)
		r.hear(l, 0, 10)
		p := rec.stop(r)[0]
		before := l.dropped(session.DropKey)
		for i := range 100_000 {
			binary.BigEndian.PutUint32(p.B[8:], uint32(i)*2654435761)
			r.net.Inject(p.Src, testGroup.Addr, p.B)
			if i%50 == 49 {
				time.Sleep(50 * time.Microsecond)
			}
		}
		time.Sleep(3 * time.Second)
		if got := l.dropped(session.DropKey) - before; got < 99_000 {
			r.Errorf("%d packets of unknown keys counted", got)
		}
		if st := r.root.Stats().Control; st.Resyncs != 0 || l.Stats().Control.Asked != 0 || len(l.news) != 0 {
			r.Errorf("%d questions, %d packets kept", st.Resyncs, len(l.news))
		}
	})
}

func TestK7_NewsOfKeysIsTheRootsAlone(t *testing.T) {
	inRoom(t, 62, quick, func(r *room) {
		r.listen(func(c *Config) { c.Data = NonrootedData })
		ls := r.leaves(2)
		time.Sleep(time.Second)
		before := ls[1].Stats()
		for _, kind := range []uint8{crypto.KindRekey, crypto.KindEpoch} {
			if err := ls[0].s.SendKeys(kind, make([]byte, 300)); err != nil {
				r.Fatal(err)
			}
		}
		time.Sleep(50 * time.Millisecond)
		after := ls[1].Stats()
		if got := after.Data.Drops[session.DropKind] - before.Data.Drops[session.DropKind]; got != 2 || after.Keys != before.Keys {
			r.Errorf("%d dropped, news %v", got, after.Keys)
		}
	})
}

// After a step the epoch before goes on for a while; not in the root's name
// beyond where the root ended.
func TestK2_NothingOpensBeyondWhereTheRootEnded(t *testing.T) {
	inRoom(t, 61, quick, func(r *room) {
		r.listen(nil)
		stay := r.leaves(2)
		time.Sleep(3 * time.Second)
		go r.say(0, 5)
		r.hear(stay[0], 0, 5)
		eve := stay[1]
		var old *crypto.Epoch
		eve.do(func(time.Time, *control.Leaf) {
			old, _ = crypto.ParseEpochState(eve.session, crypto.BindParams(eve.hash, eve.witness.Public()), eve.epoch.AppendState(nil))
		})
		h := r.hoard(eve, []*crypto.Epoch{old})
		_, _ = r.join("guest", nil, nil)
		r.converge(stay, time.Second)
		for range 1000 { // numbers far beyond the root's
			h.rings[0].Seal(nil, 0, crypto.KindData, 0, []byte("skip"))
		}
		before := stay[0].dropped(session.DropClosed)
		for range 100 {
			h.inject(crypto.KindData, dataFrame(r, eve.params, control.RootID))
		}
		time.Sleep(50 * time.Millisecond) // the overlap runs
		if got := stay[0].dropped(session.DropClosed) - before; got != 100 {
			r.Errorf("%d of 100 packets beyond the root's last were dropped", got)
		}
		r.hearsNothing(stay[0])
	})
}
