//go:build !linux

package transport

import "net"

// linkKinds: only the names tell, outside Linux.
func linkKinds() map[int]string { return nil }

// wireless is not known here without a call of the system's own frameworks.
func wireless(net.Interface) bool { return false }
