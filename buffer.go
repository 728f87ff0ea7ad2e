package joinleaf

// WSABUF is a length apart from the memory, as C has it: as caller data Len
// bytes of Buf are meant, as a callee buffer Len is the room on the way in and
// what was written on the way out (R168).
type WSABUF struct {
	Len uint32
	Buf []byte
}

// Bytes are the Len bytes that are meant.
func (b *WSABUF) Bytes() []byte {
	if b == nil || !b.readable() {
		return nil
	}
	return b.Buf[:b.Len]
}

// readable reports whether the length has memory behind it (R180).
func (b *WSABUF) readable() bool { return uint64(b.Len) <= uint64(len(b.Buf)) }

// data is caller data as it travels: nil is none, which an empty one is not
// (R179). It is a copy: no reference to the caller's memory outlives the call
// (R181).
func (b *WSABUF) data() []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, b.Len), b.Bytes()...)
}

// received makes a buffer of data that came, nil of none (R88).
func received(p []byte) *WSABUF {
	if p == nil {
		return nil
	}
	return &WSABUF{Len: uint32(len(p)), Buf: p}
}

// room is how many bytes of callee data the caller takes; -1 is none, and so is
// a buffer without length (R175).
func (b *WSABUF) room() int {
	if b == nil || b.Len == 0 {
		return -1
	}
	return int(b.Len)
}

// fill writes what came back, if anything.
func (b *WSABUF) fill(p []byte) {
	if b != nil {
		b.Len = uint32(copy(b.Buf, p))
	}
}
