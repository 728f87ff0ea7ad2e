package simnet

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// A dial is a connection that is being set up: three steps, each of which may
// be lost and tried again after one second, then after the double.
type dial struct {
	host          *Host
	local, remote netip.AddrPort
	way, back     *pair // nil: nobody has the address
	listener      *listener
	began         int64
	tries         int
	dice          dice
	step          node
	ready         sync.Cond

	done bool
	conn *conn
	err  error
}

// How long a neighbour is asked for whom nobody answers.
const unanswered = 3 * time.Second

// Dial connects to a listener of another host, or of this one.
func (h *Host) Dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	op := "dial " + remote.String()
	remote = netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port())
	if a := remote.Addr(); !a.IsValid() || remote.Port() == 0 || a.IsMulticast() {
		return nil, fail(op, transport.WSAEADDRNOTAVAIL, "the other side needs an address and a port")
	}
	if err := ctx.Err(); err != nil {
		return nil, transport.Explain(op, transport.Group{}, err)
	}
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	d, err := h.newDial(op, local, remote)
	if err != nil {
		return nil, err
	}
	defer d.forget()
	d.began = n.now()
	n.arm(&d.step, d.began+1)
	defer context.AfterFunc(ctx, d.look)()
	for !d.done {
		if err := h.gone(op, transport.Group{}); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, transport.Explain(op, transport.Group{}, err)
		}
		d.ready.Wait()
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.conn, nil
}

// look wakes the dialer so that it sees its context.
func (d *dial) look() {
	d.host.net.mu.Lock()
	defer d.host.net.mu.Unlock()
	d.ready.Broadcast()
}

func (h *Host) newDial(op string, local, remote netip.AddrPort) (*dial, error) {
	if err := h.gone(op, transport.Group{}); err != nil {
		return nil, err
	}
	i := h.route(remote.Addr())
	if i == nil {
		return nil, unroutable(op, remote.Addr())
	}
	a := local.Addr().Unmap().WithZone("")
	switch {
	case !a.IsValid() || a.IsUnspecified():
		if a = i.addr(remote.Addr()); i.loopback() {
			a = remote.Addr()
		}
	case a.Is4() != remote.Addr().Is4():
		return nil, fail(op, transport.WSAEAFNOSUPPORT, "the local address %v is of the other family", a)
	case !h.owns(a):
		return nil, fail(op, transport.WSAEADDRNOTAVAIL, "%v is no address of host %s", a, h.name)
	}
	port := local.Port()
	if port == 0 {
		port, _ = freePort(&h.nextTCP, h.tcpTaken)
	}
	if port == 0 || h.tcpTaken(port) {
		return nil, fail(op, transport.WSAEADDRINUSE, "TCP port %d is taken; choose another port, or 0 for any", port)
	}
	d := &dial{host: h, local: netip.AddrPortFrom(a, port), remote: remote}
	d.dice = newDice(h.net.seed, "dial", h.name, d.local.String(), remote.String())
	d.ready.L = &h.net.mu
	d.step = node{k1: key(classDial, i.id, int(port)), fire: d.ask}
	if to := h.neighbour(i, remote.Addr()); to != nil {
		d.way, d.back = i.pair(to), to.pair(i)
	}
	h.tcpPorts[port]++
	h.dials = append(h.dials, d)
	return d, nil
}

// neighbour finds who has an address on i's segment.
func (h *Host) neighbour(i *iface, a netip.Addr) *iface {
	for _, to := range i.segment.ifaces {
		if to.owns(a) {
			return to
		}
	}
	return nil
}

func (h *Host) tcpTaken(p uint16) bool { return h.tcpPorts[p] > 0 || len(h.listeners[p]) > 0 }

// forget gives back what a dial holds; a connection has its own port by now.
func (d *dial) forget() {
	h := d.host
	h.net.disarm(&d.step)
	if d.listener != nil {
		d.listener.pending--
		d.listener = nil
	}
	for i, other := range h.dials {
		if other == d {
			h.dials = append(h.dials[:i:i], h.dials[i+1:]...)
		}
	}
	if h.tcpPorts[d.local.Port()]--; h.tcpPorts[d.local.Port()] <= 0 {
		delete(h.tcpPorts, d.local.Port())
	}
}

// next sets the next step.
func (d *dial) next(step func(int64), at int64) {
	d.step.fire = step
	d.host.net.arm(&d.step, at)
}

// ask sends the first word.
func (d *dial) ask(at int64) {
	switch {
	case d.way == nil:
		d.next(func(int64) {
			d.end(fail("dial "+d.remote.String(), transport.WSAEHOSTUNREACH, "%v does not answer on this link", d.remote.Addr()))
		}, at+int64(unanswered))
	case d.lost(d.way):
		d.again(at)
	default:
		d.next(d.asked, max(at, at-1+int64(d.way.link.Delay)))
	}
}

// lost draws whether a word gets through.
func (d *dial) lost(way *pair) bool {
	l := way.link
	return way.blocked() || d.dice.hit(min(1, l.Loss+l.BatchLoss+l.Burst.mean()))
}

func (d *dial) again(at int64) {
	wait := int64(time.Second) << min(d.tries, 10)
	d.tries++
	if at+wait > d.began+int64(d.host.net.patience) {
		d.end(fail("dial "+d.remote.String(), transport.WSAETIMEDOUT, "%v did not answer in time", d.remote))
		return
	}
	d.next(d.ask, at+wait)
}

// asked: the first word is at the other host.
func (d *dial) asked(at int64) {
	l := d.back.from.host.listening(d.remote)
	back := at + max(1, int64(d.back.link.Delay))
	switch {
	case l != nil && l.full(), d.lost(d.back):
		d.again(at)
	case l == nil:
		d.next(d.refused, back)
	default:
		l.pending++
		d.listener = l
		d.next(d.answered, back)
	}
}

func (d *dial) refused(int64) {
	d.end(fail("dial "+d.remote.String(), transport.WSAECONNREFUSED, "nobody listens on %v", d.remote))
}

// answered: the dialer has its connection, and the listener will in a moment.
func (d *dial) answered(at int64) {
	l := d.listener
	if l.closed || l.host.killed {
		d.refused(at)
		return
	}
	dialed, accepted := connect(d.local, d.remote, d.way, d.back)
	d.host.net.tellStream(at, StreamOpened, dialed, accepted, 0)
	d.listener = nil // the reservation is the connection's now
	accepted.accepting = node{k1: d.step.k1, k2: d.step.k2, fire: func(int64) { l.offer(accepted) }}
	d.host.net.arm(&accepted.accepting, at+max(1, int64(d.way.link.Delay)))
	d.conn = dialed
	d.end(nil)
}

func (d *dial) end(err error) {
	d.done, d.err = true, err
	d.ready.Broadcast()
}
