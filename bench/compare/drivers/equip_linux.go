package drivers

import (
	"context"
	"fmt"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// Equip gives a host what other people's programs rely on and the lab does not
// have: a broadcast address, by which udpcast's sides find each other, and a
// route to groups.
func Equip(h *netlab.Host) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	address := h.Addr4().String() + "/24"
	for _, args := range [][]string{
		{"addr", "del", address, "dev", netlab.Device},
		{"addr", "add", address, "brd", "+", "dev", netlab.Device},
		{"route", "add", "224.0.0.0/4", "dev", netlab.Device},
	} {
		if said, err := h.Exec(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: ip %v: %w: %s", h.Name(), args, err, said)
		}
	}
	return nil
}
