package joinleaf

import (
	"testing"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// Nothing negotiates down. Where data has a root it is signed unless the provider
// says otherwise, at both ends: a leaf that was told nothing joins no session whose
// data any member could forge, though the application never hears of levels.
func TestC9_ALeafTakesNoLessThanSignedDataUnlessItsProviderSaysSo(t *testing.T) {
	onStage(t, 90, func(s *stage) {
		at := func(level rooted.SourceLevel) func(*Config) {
			return func(c *Config) { c.Session.Source = level }
		}
		weak := s.root(s.provider("weak", at(rooted.Group)), "weak")
		sound := s.root(s.provider("sound", nil), "sound")
		for _, c := range []struct {
			leaf string
			at   rooted.SourceLevel
			root *Socket
			host string
			want transport.Code
		}{
			{"told nothing", rooted.Signed, sound, "sound", 0},
			{"told nothing", rooted.Signed, weak, "weak", transport.WSAEACCES},
			{"told that Group will do", rooted.Group, weak, "weak", 0},
			{"told that Group will do", rooted.Group, sound, "sound", 0},
		} {
			leaf := s.leaf(s.provider("leaf", at(c.at)))
			accepting(c.root, nil)
			_, err := joinTo(leaf, s.addr(c.host, 7001))
			want(t, "a leaf "+c.leaf+" joins "+c.host, err, c.want)
			s.must(leaf.Close())
		}
	})
}
