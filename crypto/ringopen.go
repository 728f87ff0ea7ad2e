package crypto

// Open opens a packet in place: o.Payload aliases packet, and packet is spoilt
// whether it opened or not. drop is a [Drop]; zero means opened. It allocates
// nothing, but for the derivation of a key every 2^22 packets.
//
// Cheap checks come before dear ones, at most one key is tried, and the packet
// number is marked only after the packet opened: a forger burns no numbers.
func (r *Ring) Open(packet []byte) (o Opened, drop uint8) {
	if len(packet) < r.overhead {
		return o, uint8(DropShort)
	}
	var h header
	if d := h.parse(packet, r.version); d != 0 {
		return o, uint8(d)
	}
	if h.tag != r.tag {
		return o, uint8(DropSession)
	}
	in, epoch, d := r.find(&h)
	if d != 0 {
		return o, uint8(d)
	}
	key, d := in.check(h.number, r.build)
	if d != 0 {
		return o, uint8(d)
	}
	s := r.spare.Get().(*scratch)
	copy(s.aad[:headerSize], packet)
	payload, err := key.open(s, packet, h.number)
	r.spare.Put(s)
	if err != nil {
		return o, uint8(DropForged)
	}
	if d := in.mark(h.number, key); d != 0 {
		return o, uint8(d)
	}
	o = Opened{payload, h.sender, h.number, epoch, h.kind, h.flags, epoch == 0}
	return o, 0
}

// find says whose packet this claims to be. A group key id is looked for first;
// that a pair's key id equals it has odds of 2^-30, and then the pair's packets
// count as forged until the epoch ends.
func (r *Ring) find(h *header) (in *inbound, epoch uint64, d Drop) {
	v := r.view.Load()
	for i := len(v.live) - 1; i >= 0; i-- {
		e := &v.live[i]
		if e.keyID != h.keyID {
			continue
		}
		in := e.senders.get(h.sender)
		switch {
		case in == nil || !in.admitted.Load():
			return nil, 0, DropSender
		case e.only != 0 && e.only != h.sender:
			return nil, 0, DropClosed
		}
		return in, e.number, 0
	}
	if p := r.pairs.get(h.sender); p != nil && p.inKey == h.keyID && !v.closed {
		return p.in, 0, 0
	}
	if v.closed {
		return nil, 0, DropClosed
	}
	for _, id := range v.over {
		if id == h.keyID {
			return nil, 0, DropClosed
		}
	}
	return nil, 0, DropKey
}
