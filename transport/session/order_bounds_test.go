package session

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// A closed session has no more messages, be they one's own: what others said
// between them is gone.
func TestOrder_NothingIsReadOfAClosedSession(t *testing.T) {
	inRing(t, 20, lan, nil, func(r *ring) {
		m := r.full(2)
		m[0].say(r.ctx, 0, 0)
		time.Sleep(10 * time.Millisecond)
		m[1].say(r.ctx, 0, 0)
		time.Sleep(10 * time.Millisecond)
		m[0].say(r.ctx, 1, 0)
		time.Sleep(10 * time.Millisecond)
		for _, who := range m {
			who.Close()
			if got, err := who.Recv(r.ctx, make([]byte, 100)); !errors.Is(err, net.ErrClosed) {
				r.Errorf("member %d: place %d, %v", who.id, got.Order, err)
			}
		}
	})
}

// Messages without bytes take room as well, where nobody reads.
func TestOrder_CopiesOfEmptyMessagesAreBounded(t *testing.T) {
	c := copies{most: 1 << 10, hold: true}
	now := time.Now()
	n := 0
	for ; n < 1<<16; n++ {
		if ok, _ := c.room(now, 0); !ok {
			break
		}
		c.add(0, nil)
	}
	if kept := len(c.streams[0].b); n == 1<<16 || kept > 2<<10 {
		t.Errorf("%d empty messages in %d bytes", n, kept)
	}
	c.seek(0, uint64(n))
	if c.held != 0 {
		t.Errorf("%d bytes held of nothing", c.held)
	}
}

// A message that no session takes costs nobody a copy, nor time.
func TestOrder_TooLongAMessageIsRefusedAtOnce(t *testing.T) {
	inRing(t, 21, lan, func(c *Config) { c.MaxMessage, c.Window = 1<<10, 64<<10 }, func(r *ring) {
		m := r.full(2)
		m[1].say(r.ctx, 0, 1<<10)
		time.Sleep(3 * time.Second) // its application does not read
		begun := time.Now()
		if err := m[1].Send(r.ctx, 0, make([]byte, 1<<17)); !errors.Is(err, transport.WSAEMSGSIZE) {
			r.Error(err)
		}
		if took := time.Since(begun); took != 0 {
			r.Errorf("it took %v", took)
		}
		if s, got := r.hear(m[1]); s != "2/0" || got.Missed != 0 {
			r.Errorf("%s, missed %d", s, got.Missed)
		}
	})
}

// Whatever the hidden stream says, places rise and memory is bounded.
func TestOrder_JunkInTheHiddenStreamIsDropped(t *testing.T) {
	inRing(t, 22, lan, nil, func(r *ring) {
		m := r.full(2)
		write := func(p []byte) {
			x := &m[0].tx
			x.mu.Lock()
			defer x.unlock()
			if err := x.sender.Write(time.Now(), m[0].hidden(), p); err != nil {
				r.Fatal(err)
			}
			x.flush(time.Now())
		}
		m[0].say(r.ctx, 0, 0)
		m[0].say(r.ctx, 1, 0)
		r.hear(m[1])
		r.hear(m[1])
		before := m[1].Stats().Drops[DropFrame]
		views := len(m[1].views)
		junk := [][]byte{
			nil, {7}, []byte(strings.Repeat("?", 300)),
			AppendRun(AppendOrder(nil, 1), 1, 0, 0, 1),        // a place that was
			AppendView(nil, 1, []uint32{1, 2, 9}, true, true), // before that place
		}
		for _, p := range junk {
			write(p)
		}
		for id := uint32(1); id <= 400; id++ { // a list that never ends
			ids := make([]uint32, 300)
			for i := range ids {
				ids[i] = id<<10 + uint32(i)
			}
			write(AppendView(nil, 3, ids, id == 1, false))
		}
		m[0].say(r.ctx, 2, 0)
		if s, got := r.hear(m[1]); s != "1/2" || got.Order != 3 {
			r.Errorf("%s at place %d", s, got.Order)
		}
		if n := m[1].Stats().Drops[DropFrame] - before; n < uint64(len(junk)) {
			r.Errorf("%d dropped of %d", n, len(junk))
		}
		if n := cap(m[1].ord.parts); n > 2*mostListed {
			r.Errorf("%d members of a list that never ended are kept", n)
		}
		if len(m[1].views) != views {
			r.Errorf("views: %v", m[1].views)
		}
	})
}
