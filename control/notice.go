package control

// Notice tells a member that the root thinks of it otherwise now: that it is
// waited for no more, or again (U24). A member that is not told would take the
// messages it then misses for the network's doing.
type Notice struct {
	Standing uint8  // InStep or Quarantined
	Reason   uint8  // why, flow's number; 0: none given
	Text     string // the same in words
}

// The standings.
const (
	InStep      uint8 = 0 // it has a say in the pace
	Quarantined uint8 = 1 // it is not waited for, and repaired as far as that costs the others little
	standings   uint8 = 2
)

// NOTICE:
//
//	standing(1) reason(1) text(text)

// Append appends the whole frame to b.
func (n Notice) Append(b []byte) []byte {
	b, start := begin(b, TypeNotice)
	return finish(appendText(append(b, n.Standing, n.Reason), n.Text, MaxText), start)
}

// ParseNotice reads a NOTICE.
func ParseNotice(frame []byte) (Notice, error) {
	s := open(frame, TypeNotice)
	n := Notice{Standing: s.u8(), Reason: s.u8()}
	s.check(n.Standing < standings, FaultValue)
	text := s.text(MaxText)
	if err := s.end(); err != nil {
		return Notice{}, err
	}
	n.Text = string(text)
	return n, nil
}
