package session

import (
	"slices"
	"time"
)

// Who is in: members lists come between messages, news of the control channel
// when it likes. A sender is kept until both have said that it is gone.

// mostListed bounds a list of members.
const mostListed = 1 << 16

// expelled is called when nothing more comes of a member. It stays until the
// order says that it is out.
func (o *order) expelled(now time.Time, id uint32, p *peer) {
	_, past := o.past[id]
	delete(o.past, id)
	switch {
	case p == nil && !past && o.seq == nil:
		o.gone[id] = struct{}{}
	case p != nil && (p.out || past):
		o.forget(now, p)
	}
}

// forget drops a member that the order is done with.
func (o *order) forget(now time.Time, p *peer) {
	o.passRest(now, p)
	o.x.drop(p)
}

// torn is called where this member was not sent a stretch of the order: who
// left may have been out in it. The next VIEW tells.
func (o *order) torn() {
	o.stats.Broken++
	o.list, o.first = false, true
	o.x.markGone()
}

// view takes a part of a members list; the last one makes it hold.
func (o *order) view() {
	n := len(o.parts)
	at, list, begins, ends, ok := ParseView(o.message, o.parts)
	if !ok || at < o.at || len(list) > mostListed {
		o.x.drops[DropFrame]++
		o.list, o.parts = false, o.parts[:0]
		return
	}
	if begins {
		o.list, list = true, append(list[:0], list[n:]...)
	}
	switch o.parts = list; {
	case !o.list: // the beginning is not here
		o.parts = list[:0]
	case ends:
		o.list, o.parts = false, list[:0]
		o.at = at
		o.change(at, list)
	}
}

// change makes list the members. Who stands before this member was in before
// it: what is not known of them by now never will be.
func (o *order) change(at uint64, list []uint32) {
	before := slices.Contains(list, o.x.s.c.Self)
	o.told++
	for _, id := range list {
		before = before && id != o.x.s.c.Self
		_, known := o.in[id]
		if o.in[id] = o.told; known {
			continue
		}
		if before && o.x.peers[id] == nil && o.seq == nil {
			o.gone[id] = struct{}{}
		}
		o.tell(id, true, at)
	}
	for _, id := range o.roster {
		if told, in := o.in[id]; in && told != o.told {
			o.outNow(id, at)
		}
	}
	o.roster = append(o.roster[:0], list...)
	if o.first {
		o.first = false
		for _, id := range o.x.ids() {
			if _, in := o.in[id]; !in && o.x.peers[id].before {
				o.forget(o.x.now, o.x.peers[id])
			}
		}
	}
}

// outNow drops what a member sent that has no place.
func (o *order) outNow(id uint32, at uint64) {
	delete(o.in, id)
	_, gone := o.gone[id]
	delete(o.gone, id)
	switch p := o.x.peers[id]; {
	case p != nil && p.leaving:
		o.forget(o.x.now, p)
	case p != nil:
		p.out = true
	case !gone && o.seq == nil && len(o.past) < mostListed:
		o.past[id] = struct{}{}
	}
	o.tell(id, false, at)
}

func (o *order) tell(id uint32, in bool, at uint64) {
	if f := o.x.s.c.View; f != nil && id != o.x.s.c.Self {
		f(id, in, at)
	}
}
