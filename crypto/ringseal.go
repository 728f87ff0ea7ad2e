package crypto

import "slices"

// Seal appends a packet to dst: for the group when to is 0, else for that
// member alone. kind is KindData, KindManifest, KindRekey or KindEpoch; flags
// travel in clear but cannot be altered. It allocates nothing when dst has room
// for len(payload) + Overhead bytes. payload must not overlap dst's free space.
//
// Every call takes a new packet number, so a repeat of the same payload is
// another packet: nothing sealed is ever kept to be sent twice.
func (r *Ring) Seal(dst []byte, to uint32, kind, flags uint8, payload []byte) ([]byte, error) {
	one := [1][]byte{payload}
	return r.SealAll(dst, to, kind, flags, one[:])
}

// SealAll is Seal for several payloads, whose packets follow one another in dst.
// With an error nothing is appended.
func (r *Ring) SealAll(dst []byte, to uint32, kind, flags uint8, payloads [][]byte) ([]byte, error) {
	if kind > KindEpoch {
		return dst, ErrKind
	}
	r.sealing.Lock()
	defer r.sealing.Unlock()
	out, err := r.outbound(to)
	if err != nil {
		return dst, err
	}
	s, b := &r.sealing.scratch, dst
	h := header{kind: kind, flags: flags, tag: r.tag, sender: r.self}
	for _, p := range payloads {
		number, key, err := out.take(r.build)
		if err != nil {
			return dst, err
		}
		h.keyID, h.number = out.keyID, number
		h.put((*[headerSize]byte)(s.aad[:]))
		s.aad[0] = r.version<<4 | kind
		b = key.seal(s, slices.Grow(b, r.overhead+len(p)), number, p)
	}
	return b, nil
}

// outbound finds what to seal with. Called with the sealing lock held.
func (r *Ring) outbound(to uint32) (*outbound, error) {
	if r.view.Load().closed {
		return nil, errClosed
	}
	if to == 0 {
		if r.sealing.active == nil {
			return nil, errNoEpoch
		}
		return &r.sealing.active.out, nil
	}
	p := r.pairs.get(to)
	if p == nil || p.out.secret == nil {
		return nil, errNoPair
	}
	return &p.out, nil
}
