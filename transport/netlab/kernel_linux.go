package netlab

import "github.com/joinleaf/joinleaf/transport"

// Network is the kernel's network as the host has it: a session given this
// Network runs in the host, whatever thread it runs on.
func (h *Host) Network() transport.Network { return h.Within(transport.Kernel{}) }
