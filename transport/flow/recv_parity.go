package flow

// codedBlock keeps the parity of one block until its columns are whole.
type codedBlock struct {
	first uint64
	n     int
	depth uint8
	rows  []codedRow
}

type codedRow struct {
	column, row uint8
	b           []byte // as long as the symbols of the column at most
	slab        *Slab
}

// mostParity is how many rows a stream keeps with a small window; of more only
// those of the block that is read next, which ends the wait.
const mostParity = 512

func (k *codedBlock) end() uint64 { return k.first + uint64(k.n) }

// parityRoom is how many rows a stream keeps: a quarter of a window.
func (st *stream) parityRoom() int { return max(mostParity, int(st.r.window/4)) }

// column is how many rows of a column are here.
func (k *codedBlock) column(c int) (n int) {
	for i := range k.rows {
		if int(k.rows[i].column) == c {
			n++
		}
	}
	return n
}

// handleParity keeps a row, or uses it at once.
func (r *Receiver) handleParity(t moment, m *Meta, frame []byte, s *Slab) Drop {
	var f parity
	if !parseParity(frame, &f) || len(f.symbol) > r.c.Symbol {
		return DropMalformed
	}
	if int(f.stream) >= len(r.streams) || f.class != r.c.Streams[f.stream] || !f.class.asks() {
		return DropStream
	}
	r.hear(t, r.stamp24(f.sent), m)
	st := r.stream(int(f.stream))
	r.stats.Parity++
	end := f.first + uint64(f.n)
	full := r.pool.Over() || st.parityHeld >= st.parityRoom()
	if f.first < st.kept || end <= st.base || end > st.last || end-st.base > r.window || full && f.first > st.contigOrBase() ||
		st.parityHeld >= st.parityRoom()+mostColumns*codePlaces {
		r.stats.ParityUnused++
		return DropNone
	}
	if end > st.known { // the tail of a block was lost
		st.addSection(t, end, t+r.guard())
		st.known = end
	}
	k := st.codedFor(&f)
	if k == nil || st.lacking(k, f.column) == 0 || k.has(&f) {
		r.stats.ParityUnused++
		return DropNone
	}
	k.rows = append(k.rows, codedRow{uint8(f.column), f.row, f.symbol, s})
	st.parityHeld++
	if s != nil {
		s.refs++
	}
	st.put(t, k, f.column)
	st.comes(t, k)
	return DropNone
}

// stamp24 puts the 24 bits of a parity's stamp behind the newest one heard.
func (r *Receiver) stamp24(low uint32) uint32 {
	if !r.echoed {
		return low
	}
	return r.echo + uint32(int32(low<<8-r.echo<<8)>>8)
}

// codedFor is the block that f belongs to; nil: it contradicts what is here.
func (st *stream) codedFor(f *parity) *codedBlock {
	for i := range st.coded {
		if k := &st.coded[i]; k.first == f.first {
			if k.n != f.n || k.depth != f.interleave {
				return nil
			}
			return k
		}
	}
	n := len(st.coded)
	if n == cap(st.coded) {
		st.coded = append(st.coded, codedBlock{})
	}
	st.coded = st.coded[:n+1]
	k := &st.coded[n]
	*k = codedBlock{first: f.first, n: f.n, depth: f.interleave, rows: k.rows[:0]}
	return k
}

func (k *codedBlock) has(f *parity) bool {
	for i := range k.rows {
		if r := &k.rows[i]; int(r.column) == f.column && r.row == f.row {
			return true
		}
	}
	return false
}

// lacking counts the symbols of a column that are not here.
func (st *stream) lacking(k *codedBlock, column int) (n int) {
	for i := column; i < k.n; i += 1 << k.depth {
		if seq := k.first + uint64(i); seq >= st.contigOrBase() && !(seq < st.hi && st.holds(seq)) {
			n++
		}
	}
	return n
}

// put rebuilds what a column lacks if there are as many rows, and lets go of
// rows that are not needed any more.
func (st *stream) put(t moment, k *codedBlock, column int) {
	lacking := st.lacking(k, column)
	if lacking > k.column(column) {
		return
	}
	if lacking > 0 && k.first >= st.kept {
		st.rebuild(t, k, column, lacking)
	}
	kept := k.rows[:0]
	for _, row := range k.rows {
		if int(row.column) == column {
			st.letGo(&row)
			continue
		}
		kept = append(kept, row)
	}
	clear(k.rows[len(kept):])
	k.rows = kept
}

func (st *stream) letGo(row *codedRow) {
	if row.slab != nil {
		row.slab.release()
	}
	st.parityHeld--
}

// rebuild gives back the symbols of a column that are lost, from rows.
func (st *stream) rebuild(t moment, k *codedBlock, column, lacking int) {
	r := st.r
	d := r.pool.decoder(lacking, r.c.Symbol)
	lost := 0
	for i := column; i < k.n; i += 1 << k.depth {
		if seq := k.first + uint64(i); seq >= st.contigOrBase() && !(seq < st.hi && st.holds(seq)) {
			d.lost[lost] = uint8(i >> k.depth)
			lost++
		}
	}
	n := 0
	for i := range k.rows {
		if row := &k.rows[i]; int(row.column) == column && n < lacking {
			d.rows[n] = row.row
			d.fill(n, row.b)
			n++
		}
	}
	if !d.solver.solve(d.lost[:lacking], d.rows[:lacking]) {
		return // rows that no sender makes
	}
	next := 0
	for i := column; i < k.n; i += 1 << k.depth {
		if next < lacking && int(d.lost[next]) == i>>k.depth {
			next++
			continue
		}
		at := &st.ring[(k.first+uint64(i))&st.mask]
		d.solver.removeAll(d.syndromes[:lacking], at.b[HeadSize:], i>>k.depth)
	}
	for i := range lacking {
		pos := int(d.lost[i])<<k.depth + column
		st.restore(t, k, d, i, pos)
	}
}

// restore puts one rebuilt symbol in its place, unless it is none.
func (st *stream) restore(t moment, k *codedBlock, d *decoder, i, pos int) {
	r := st.r
	frame, slab := r.roomFor(HeadSize + r.c.Symbol)
	d.solver.rebuild(frame[HeadSize:], i, d.syndromes[:d.n])
	f := data{interleave: k.depth, class: st.class, stream: st.id, seq: k.first + uint64(pos), pos: uint16(pos)}
	sym := frame[HeadSize:]
	n := int(sym[0])<<8 | int(sym[1])
	if n == 0 || n > len(sym)-symbolHead {
		r.stats.Garbled++
		return
	}
	f.head, f.payload = uint16(sym[2])<<8|uint16(sym[3]), sym[symbolHead:symbolHead+n]
	f.message = uint32(sym[4])<<24 | uint32(sym[5])<<16 | uint32(sym[6])<<8 | uint32(sym[7])
	putDataHead(frame, &f)
	if !parseData(frame, &f) {
		r.stats.Garbled++ // who holds the group's key can make such parity
		return
	}
	r.used += (HeadSize + symbolHead + n + 63) &^ 63
	switch st.place(t, &f, frame[:HeadSize+symbolHead+n], slab, nil) {
	case DropNone:
		r.stats.Rebuilt++
		st.ring[f.seq&st.mask].repaired = true
		st.progress = true
	case DropForged:
		r.stats.Garbled++ // of forged symbols, or forged parity
	}
}

// tidyParity lets go of blocks that were read, or are whole.
func (st *stream) tidyParity() {
	kept := 0
	for i := range st.coded {
		k := &st.coded[i]
		if k.end() <= st.contigOrBase() || k.first < st.kept || len(k.rows) == 0 {
			for j := range k.rows {
				st.letGo(&k.rows[j])
				st.r.stats.ParityUnused++
			}
			clear(k.rows)
			continue
		}
		st.coded[kept], st.coded[i] = st.coded[i], st.coded[kept]
		kept++
	}
	st.coded = st.coded[:kept]
}

// codedAt is the block with parity that holds seq, or nil.
func (st *stream) codedAt(seq uint64) *codedBlock {
	for i := range st.coded {
		if k := &st.coded[i]; seq >= k.first && seq < k.end() {
			return k
		}
	}
	return nil
}

// filledIn uses parity of the column whose hole was filled.
func (st *stream) filledIn(t moment, seq uint64) {
	if k := st.codedAt(seq); k != nil {
		st.put(t, k, int(seq-k.first)&(1<<k.depth-1))
	}
}

// comes puts off asking for what a block lacks: its repair is on the way.
func (st *stream) comes(t moment, k *codedBlock) {
	r := st.r
	if st.contigOrBase() >= k.end() {
		return
	}
	from, due := st.contigOrBase(), t+r.again(0)+r.draw(st, 0)
	for i := range st.sections {
		c := &st.sections[i]
		if from < k.end() && c.end > k.first {
			c.due = r.worthwhile(max(c.due, due), c.until)
		}
		from = c.end
	}
}

// handleNote leaves asking to others for what they have asked for already.
func (r *Receiver) handleNote(t moment, m *Meta, frame []byte) Drop {
	var f note
	if !parseNote(frame, &f) {
		return DropMalformed
	}
	if int(f.stream) >= len(r.streams) || !r.c.Streams[f.stream].asks() {
		return DropStream
	}
	r.stats.Notes++
	st := r.stream(int(f.stream))
	var b noteBlock
	for rest := f.blocks; len(rest) > 0; {
		rest = rest[nextNote(rest, &b):]
		k := codedBlock{first: b.first, n: b.n, depth: b.interleave}
		if k.end() <= st.base || k.end() > st.last || k.end()-st.base > r.window {
			continue
		}
		enough := true
		for c := range min(b.n, 1<<b.interleave) {
			enough = enough && st.lacking(&k, c)-st.rowsOf(&k, c) <= int(b.need[c])
		}
		if enough {
			st.comes(t, &k)
		}
	}
	return DropNone
}

// rowsOf is how many rows of a column of k are here: what was asked for is what
// lacks beyond them.
func (st *stream) rowsOf(k *codedBlock, column int) int {
	if h := st.codedAt(k.first); h != nil && h.first == k.first {
		return h.column(column)
	}
	return 0
}

// decoder is what rebuilding needs, one for a whole pool: it is used under the
// session's receive lock and keeps nothing between two columns.
type decoder struct {
	solver     solver
	n          int
	lost, rows [codePlaces]uint8
	syndromes  [][]byte
}

// decoder gives the pool's, with room for n rows.
func (p *Pool) decoder(n, symbol int) *decoder {
	d := &p.decode
	d.n = n
	for len(d.syndromes) < n {
		d.syndromes = append(d.syndromes, make([]byte, symbol))
	}
	for i := range d.syndromes[:n] {
		if len(d.syndromes[i]) != symbol {
			d.syndromes[i] = make([]byte, symbol)
		}
	}
	return d
}

// fill makes a syndrome of a received row: what lacks behind it is zeros.
func (d *decoder) fill(j int, row []byte) {
	clear(d.syndromes[j][copy(d.syndromes[j], row):])
}

// roomFor is room for one rebuilt frame in the slab kept for those.
func (r *Receiver) roomFor(n int) ([]byte, *Slab) {
	if r.rebuilt == nil || r.used+n > SlabSize {
		if r.rebuilt != nil {
			r.pool.Put(r.rebuilt)
		}
		r.rebuilt, r.used = r.pool.Get(), 0
	}
	return r.rebuilt.B[r.used : r.used+n : r.used+n], r.rebuilt
}

// unanswered is where the run of holes that is to be asked for ends: hole
// itself if a row that is here stands for it. Rows stand for the first holes of
// their column, whenever those are asked for: else each would be left out in
// turn, and all for ever.
func (st *stream) unanswered(hole, stop uint64) uint64 {
	k := st.codedAt(hole)
	if k == nil {
		for i := range st.coded { // up to the next block that has parity
			if f := st.coded[i].first; f > hole {
				stop = min(stop, f)
			}
		}
		return stop
	}
	before := *k
	before.n = int(hole - k.first)
	column := before.n & (1<<k.depth - 1)
	if st.lacking(&before, column) < k.column(column) {
		return hole
	}
	return hole + 1
}
