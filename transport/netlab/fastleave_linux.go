package netlab

import "fmt"

// SetFastLeave has the host's switch port forget a group at the first leave that it
// hears, without asking whether somebody else is left: a switch that is set up for
// one host a port. A leave that anybody behind that port forges then cuts the group
// off.
func (h *Host) SetFastLeave(on bool) error {
	return h.lab.sw.ip(batch{fmt.Sprintf("link set dev %s type bridge_slave fastleave %s", h.port(), onOff(on))})
}
