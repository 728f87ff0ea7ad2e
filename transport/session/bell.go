package session

// bell wakes everybody who waits, without an allocation and without handing a
// lock on. Its owner's mutex guards it, but for the wait itself.
type bell struct {
	waiting []chan struct{}
	spare   []chan struct{}
}

// enter takes a place among those who wait; the caller then lets go of the
// mutex and waits for the channel or for something else.
func (b *bell) enter() chan struct{} {
	var c chan struct{}
	if n := len(b.spare); n > 0 {
		c, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		c = make(chan struct{}, 1)
	}
	b.waiting = append(b.waiting, c)
	return c
}

// leave gives the place back, whatever ended the wait.
func (b *bell) leave(c chan struct{}) {
	for i, w := range b.waiting {
		if w == c {
			last := len(b.waiting) - 1
			b.waiting[i] = b.waiting[last]
			b.waiting = b.waiting[:last]
			break
		}
	}
	select {
	case <-c:
	default:
	}
	b.spare = append(b.spare, c)
}

// ring wakes all who wait now.
func (b *bell) ring() {
	for _, c := range b.waiting {
		c <- struct{}{} // has room: each is rung once
	}
	b.waiting = b.waiting[:0]
}
