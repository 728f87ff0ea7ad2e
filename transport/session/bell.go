package session

// bell wakes waiters without an allocation and without a lock held: it has room
// for one ring, and whoever is woken while others wait passes it on.
type bell chan struct{}

func newBell() bell { return make(chan struct{}, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
