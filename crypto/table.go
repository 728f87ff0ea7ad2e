package crypto

import "sync/atomic"

// A table maps member ids to values for readers that take no lock: every packet
// asks it. One writer at a time; a reader sees the table before or after a
// change. Open addressing in an array at most half full, whose order the id
// alone does not give away as runs (ids are dense, runs would make misses slow).
type table[V any] struct {
	array atomic.Pointer[[]atomic.Pointer[row[V]]]
	used  int // rows in the array, deleted ones too
	live  int
}

type row[V any] struct {
	id    uint32
	value *V // nil: deleted
}

// firstSize is the array's first length. Lengths are powers of two.
const firstSize = 8

// slot spreads ids by Fibonacci hashing.
func slot(id uint32, size int) int {
	return int(uint64(id*2654435769) * uint64(size) >> 32)
}

// get returns the value of id, or nil.
func (t *table[V]) get(id uint32) *V {
	p := t.array.Load()
	if p == nil {
		return nil
	}
	rows := *p
	for i := slot(id, len(rows)); ; i = (i + 1) & (len(rows) - 1) {
		r := rows[i].Load()
		if r == nil {
			return nil
		}
		if r.id == id {
			return r.value
		}
	}
}

// set stores a value for id; nil deletes it.
func (t *table[V]) set(id uint32, value *V) {
	if t.get(id) == nil {
		if value == nil {
			return
		}
		t.live++
	} else if value == nil {
		t.live--
	}
	if p := t.array.Load(); p == nil || 2*(t.used+1) > len(*p) {
		t.rebuild()
	}
	if put(*t.array.Load(), &row[V]{id, value}) {
		t.used++
	}
}

// rebuild makes room for the live rows and as many again, and forgets deleted ones.
func (t *table[V]) rebuild() {
	size := firstSize
	for size < 4*(t.live+1) {
		size *= 2
	}
	rows := make([]atomic.Pointer[row[V]], size)
	t.used = 0
	t.each(func(id uint32, v *V) {
		put(rows, &row[V]{id, v})
		t.used++
	})
	t.array.Store(&rows)
}

// put places r and reports whether it took an empty place.
func put[V any](rows []atomic.Pointer[row[V]], r *row[V]) bool {
	for i := slot(r.id, len(rows)); ; i = (i + 1) & (len(rows) - 1) {
		old := rows[i].Load()
		if old == nil || old.id == r.id {
			rows[i].Store(r)
			return old == nil
		}
	}
}

// each calls f for every value; f must not change the table.
func (t *table[V]) each(f func(id uint32, v *V)) {
	p := t.array.Load()
	if p == nil {
		return
	}
	for i := range *p {
		if r := (*p)[i].Load(); r != nil && r.value != nil {
			f(r.id, r.value)
		}
	}
}
