package session

// SendKeys sends news of the group's keys to the group: a packet of another kind
// than data, which is Config.Keys' at the other members. It takes a packet number
// like any other and is neither paced nor repaired.
func (s *Session) SendKeys(kind uint8, body []byte) error {
	if s.closed() {
		return errClosed("send keys")
	}
	_, _, err := s.wr.sendAs(kind, s.c.GroupAddr, 0, false, [][]byte{body}, nil)
	return err
}

// keys hands a packet that is not data to who knows what it says.
func (r *reader) keys(o *Opened, overflow uint32) {
	if r.s.c.Keys == nil {
		r.drops[DropKind]++
		return
	}
	x := &r.s.rx
	x.mu.Lock()
	if p := x.peers[o.Sender]; p != nil && p.started { // it was not lost
		p.r.Heard(metaOf(o, overflow))
	}
	x.mu.Unlock()
	if !r.s.c.Keys(o.Kind, o.Payload, o.Sender, o.Pairwise) {
		r.drops[DropKind]++
	}
}
