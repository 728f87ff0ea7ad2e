package control

import "time"

// dial makes a wire in three flights, or fails after four seconds.
func (w *town) dial(h *home, a Action) {
	end := wireEnd{h.n, a.Conn}
	w.wires[end] = &wire{alive: true}
	to := w.at(a.Addr)
	fail := func(after time.Duration, refused bool) {
		w.deliver(h, after, func() {
			if w.wires[end] != nil {
				delete(w.wires, end)
				h.m.Closed(w.now, a.Conn, refused)
			}
		})
	}
	var tries func(n int)
	tries = func(n int) {
		switch {
		case w.wires[end] == nil:
		case n == 0 || to == nil:
			fail(0, false)
		case !w.reaches(h, to) || !w.reaches(to, h) || to.asleep:
			w.after(300*time.Millisecond, func() { tries(n - 1) })
		case a.Pin != [32]byte{} && a.Pin != to.pin:
			fail(3*w.flight(), true)
		default:
			w.deliver(to, 2*w.flight(), func() {
				if w.wires[end] == nil {
					return
				}
				conn := to.m.Accepted(w.now, h.pin, h.addr)
				if conn == 0 {
					fail(w.flight(), false)
					return
				}
				other := wireEnd{to.n, conn}
				w.wires[other] = &wire{peer: end, alive: true}
				w.wires[end].peer = other
				w.deliver(h, w.flight(), func() {
					if w.wires[end] != nil {
						h.m.Opened(w.now, a.Conn, to.pin)
					}
				})
			})
		}
	}
	w.after(w.flight(), func() { tries(13) })
}

func (w *town) transmit(h *home, a Action) {
	x := w.wires[wireEnd{h.n, a.Conn}]
	if x == nil || x.peer.conn == 0 {
		return
	}
	w.bytes += uint64(len(a.Bytes))
	to, conn := w.homes[x.peer.home], x.peer.conn
	copies := 1
	if w.loss > 0 && w.dice.IntN(50) == 0 {
		copies = 2
	}
	for range copies {
		if w.reaches(h, to) {
			w.deliver(to, w.flight(), func() {
				if w.wires[wireEnd{to.n, conn}] != nil {
					to.m.Datagram(w.now, conn, a.Bytes)
				}
			})
		}
	}
}

// hang ends a wire; the other end hears of it if a packet gets there.
func (w *town) hang(h *home, conn uint32) {
	end := wireEnd{h.n, conn}
	x := w.wires[end]
	delete(w.wires, end)
	if x == nil || x.peer.conn == 0 {
		return
	}
	to, other := w.homes[x.peer.home], x.peer
	if w.reaches(h, to) {
		w.deliver(to, w.flight(), func() {
			if w.wires[other] != nil {
				delete(w.wires, other)
				to.m.Closed(w.now, other.conn, false)
			}
		})
	}
}
