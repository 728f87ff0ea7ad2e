package session

import "github.com/joinleaf/joinleaf/transport"

// roomOf is how many packets the socket is sure to hold: half of the buffer as
// single packets, three quarters where reads are merged (a merged buffer wastes
// less), less a quarter kept for repairs.
func roomOf(i transport.SocketInfo) int {
	share := 50
	if i.ReceiveOffload {
		share = 75
	}
	const kernelDoubles = 2 // what the kernel accounts against, Linux
	mtu := i.MTU
	if mtu <= 0 || mtu > 9000 {
		mtu = 1500
	}
	return max(8, i.ReadBuffer*kernelDoubles/100*share*3/4/mtu)
}
