package session

// LeaveGroup closes the group socket; ReplaceGroup brings another. In between the
// host is no member, so that it reports its membership anew to switches which
// forgot it: another socket beside the old one would change nothing for the kernel,
// and it would say nothing.
func (s *Session) LeaveGroup() {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	if s.rx.group != nil && !s.closed() { // Close closes it itself
		s.rx.group.Close()
		s.rx.group = nil
	}
}
