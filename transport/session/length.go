package session

import "github.com/joinleaf/joinleaf/transport/flow"

// ethernet is what any packet of a session may have, whatever its symbols are.
const ethernet = 1472

// longestPacket is how many bytes a packet may have. A longer one was put together of
// fragments, which no member sends: it is dropped before anything is computed of it.
func (s *Session) longestPacket() int {
	return max(s.c.Symbol+flow.HeadSize, ethernet) + s.c.Sealer.Overhead()
}
