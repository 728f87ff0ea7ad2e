package crypto

import "fmt"

// Level is how sure a member is that data is its sender's, and not another
// member's. It is part of the session's parameters, and so of every key.
type Level uint8

// The levels. The zero Level is the safest.
const (
	LevelSigned      Level = 0 // data waits until a signed manifest covers it
	LevelSignedEager Level = 1 // data is delivered at once; a forgery is told afterwards
	LevelGroup       Level = 2 // the group's key alone: every member trusts every other
)

// Valid reports whether l is a level that this version knows.
func (l Level) Valid() bool { return l <= LevelGroup }

// Manifests reports whether senders sign manifests at this level.
func (l Level) Manifests() bool { return l < LevelGroup }

// Waits reports whether data must not be delivered before it is covered.
func (l Level) Waits() bool { return l == LevelSigned }

// String returns the level's name.
func (l Level) String() string {
	switch l {
	case LevelSigned:
		return "signed"
	case LevelSignedEager:
		return "signed eagerly"
	case LevelGroup:
		return "group"
	}
	return fmt.Sprintf("level %d", uint8(l))
}
