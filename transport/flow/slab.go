package flow

// SlabSize is the size of a slab: the largest read of a socket.
const SlabSize = 64 << 10

// Slab is a buffer that packets were read into and opened in place. Receivers
// keep references to it instead of copying. Like the Pool it belongs to, it is
// not safe for concurrent use: a session holds its receive lock.
type Slab struct {
	B    []byte // SlabSize bytes
	pool *Pool
	refs int
}

// Pool hands out slabs and counts what is held. One pool serves a session.
type Pool struct {
	budget int
	inUse  int
	made   int
	free   []*Slab
	decode decoder
}

// NewPool makes a pool that is Over when more than budget bytes of slabs are in
// use. Zero means 64 MiB; negative means none, so that only what fills gaps and
// a reserve for each sender is taken.
func NewPool(budget int) *Pool {
	if budget == 0 {
		budget = 64 << 20
	}
	return &Pool{budget: budget}
}

// Get gives a slab with one reference, the reader's. It always succeeds, or the
// repair that would free the budget could never be read; that is why Receivers
// refuse what is new once the pool is Over.
func (p *Pool) Get() *Slab {
	p.inUse++
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		s.refs = 1
		return s
	}
	p.made++
	return &Slab{B: make([]byte, SlabSize), pool: p, refs: 1}
}

// Put gives back the reader's reference.
func (p *Pool) Put(s *Slab) { s.release() }

// Over reports whether the budget is used up.
func (p *Pool) Over() bool { return p.inUse*SlabSize > p.budget }

// InUse is how many slabs somebody refers to.
func (p *Pool) InUse() int { return p.inUse }

func (s *Slab) release() {
	if s.refs--; s.refs > 0 {
		return
	}
	p := s.pool
	p.inUse--
	if len(p.free)*SlabSize < p.budget {
		p.free = append(p.free, s)
		return
	}
	p.made--
}
