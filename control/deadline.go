package control

import (
	"container/heap"
	"time"
)

// deadlines is a heap of connections by when each next needs attention. A
// deadline that only moves later (every frame moves the silence limit) stays
// where it is until it comes up: a frame costs no heap work, so ten thousand
// leaves that beat every second are cheap.
type deadlines []*conn

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].due.Before(d[j].due) }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push is for heap.Push.
func (d *deadlines) Push(x any) {
	c := x.(*conn)
	c.place = len(*d)
	*d = append(*d, c)
}

// Pop is for heap.Remove.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	c := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return c
}

func (d *deadlines) add(c *conn, due time.Time) {
	c.due = due
	heap.Push(d, c)
}

func (d *deadlines) move(c *conn, due time.Time) {
	c.due = due
	heap.Fix(d, c.place)
}

func (d *deadlines) remove(c *conn) { heap.Remove(d, c.place) }

// first returns the connection that is due first, or nil.
func (d deadlines) first() *conn {
	if len(d) == 0 {
		return nil
	}
	return d[0]
}

// later returns the later of two times, zero meaning never.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earlier returns the earlier of two times, zero meaning never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
