package control

// Role is what one side does in the data plane: send, receive, or both. At the
// root it is the root's own role towards that one leaf, and leaves may differ
// (R192).
type Role uint8

// The roles. The zero value is Both.
const (
	Both        Role = 0
	SendOnly    Role = 1 // JL_SENDER_ONLY (R184)
	ReceiveOnly Role = 2 // JL_RECEIVER_ONLY
	roles       Role = 3
)

// String names the role.
func (r Role) String() string {
	switch r {
	case Both:
		return "both"
	case SendOnly:
		return "send only"
	case ReceiveOnly:
		return "receive only"
	}
	return "unknown"
}

// Sends reports whether a member of this role may send.
func (r Role) Sends() bool { return r == Both || r == SendOnly }

// Receives reports whether a member of this role gets data.
func (r Role) Receives() bool { return r == Both || r == ReceiveOnly }

// Narrow is what one side really does where the other side is all that it talks
// to: it sends what is received, and receives what is sent (R192). Roles that
// Meet leave something to do.
func Narrow(own, other Role) Role {
	switch sends, receives := own.Sends() && other.Receives(), own.Receives() && other.Sends(); {
	case sends && receives:
		return Both
	case sends:
		return SendOnly
	}
	return ReceiveOnly
}

// Meet reports whether data can flow between root and leaf at all: one of them
// must send what the other receives (R193).
func Meet(root, leaf Role) bool {
	return root.Sends() && leaf.Receives() || leaf.Sends() && root.Receives()
}
