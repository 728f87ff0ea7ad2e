package joinleaf

import "testing"

func TestR65_R67_R81_R107_LeafJoinsAndKeepsItsDescriptor(t *testing.T) {
	onStage(t, 1, func(s *stage) {
		c := s.session()
		if c.member == c.root || c.member == nil {
			t.Error("the root's accept gave no new socket")
		}
		n, err := c.root.Send([]byte("to all"))
		if n != 6 || err != nil {
			t.Error(n, err)
		}
		hears(t, c.leaf, "to all")
		if _, err := c.leaf.Send([]byte("to the root")); err != nil {
			t.Error(err)
		}
		hears(t, c.root, "to the root")
	})
}
