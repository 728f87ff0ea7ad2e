package simnet

import "time"

// deadline is a time after which calls fail.
type deadline struct {
	node   node
	passed bool
}

func (c *conn) SetDeadline(t time.Time) error {
	return c.setDeadline(t, &c.readBy, &c.writeBy)
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadline(t, &c.readBy) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.writeBy) }

func (c *conn) setDeadline(t time.Time, which ...*deadline) error {
	n := c.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := c.ended(nil); err != nil {
		return c.failed("set", err)
	}
	for _, d := range which {
		n.disarm(&d.node)
		d.passed = false
		if t.IsZero() {
			continue
		}
		if at := int64(t.Sub(n.start)); at > n.now() {
			n.arm(&d.node, at)
		} else {
			d.passed = true
		}
	}
	c.readable.Broadcast()
	c.writable.Broadcast()
	return nil
}
