package dtls

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"time"
)

// slot is how long a token is fresh; one from the slot before holds too. It
// must be longer than a handshake may take, for every datagram of the dialler
// shows the token until it is admitted.
const slot = 30 * time.Second

// mint makes and checks tokens. A token says that whoever shows it can hear
// packets sent to its address, and nothing else:
//
//	token = HMAC-SHA256(key, slot u64 ‖ address 16 ‖ port u16 ‖ id 8)[:16]
//
// The key is drawn by every Endpoint anew and the slot counts from then on, by
// a clock that no step of the wall clock moves.
type mint struct {
	began time.Time

	mu  sync.Mutex
	mac hash.Hash
	in  [8 + 16 + 2 + idSize]byte
	out [sha256.Size]byte
}

func newMint(now time.Time) *mint {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails, or ends the process
	defer clear(key[:])
	return &mint{began: now, mac: hmac.New(sha256.New, key[:])}
}

func (m *mint) slotOf(now time.Time) uint64 { return uint64(now.Sub(m.began) / slot) }

func (m *mint) token(now time.Time, from netip.AddrPort, id id) token {
	return m.at(m.slotOf(now), from, id)
}

// valid compares in constant time.
func (m *mint) valid(now time.Time, from netip.AddrPort, id id, t token) bool {
	n := m.slotOf(now)
	want := m.at(n, from, id)
	ok := hmac.Equal(want[:], t[:])
	if n > 0 {
		want = m.at(n-1, from, id)
		ok = hmac.Equal(want[:], t[:]) || ok
	}
	return ok
}

func (m *mint) at(slot uint64, from netip.AddrPort, id id) (t token) {
	addr := from.Addr().As16()
	m.mu.Lock()
	defer m.mu.Unlock()
	b := binary.BigEndian.AppendUint64(m.in[:0], slot)
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = append(b, id[:]...)
	m.mac.Reset()
	m.mac.Write(b)
	copy(t[:], m.mac.Sum(m.out[:0]))
	return t
}

// A budget is so many events a second, a second's worth at once at most.
type budget struct {
	rate int

	mu    sync.Mutex
	from  time.Time
	spent int
}

func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.from) >= time.Second {
		b.from, b.spent = now, 0
	}
	if b.spent >= b.rate {
		return false
	}
	b.spent++
	return true
}
