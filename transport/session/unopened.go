package session

// Unopened is how many packets did not open so far: Stats' DropForged, for who asks
// often.
func (s *Session) Unopened() uint64 {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.drops[DropForged]
}
