package netlab

import (
	"encoding/json"
	"fmt"
	"math"
)

// Way is a direction, seen from a host.
type Way uint8

const (
	In  Way = iota // what the host receives
	Out            // what the host sends
)

// String is "in" or "out".
func (w Way) String() string {
	if w == Out {
		return "out"
	}
	return "in"
}

// SetLoss drops UDP packets at random, each on its own: percent of them, 0 to
// 100 in steps of 0.01, IPv4 and IPv6. In is the host's input filter, behind
// its link, so every host draws for itself; packets that the host sent itself
// and hears again are spared. Out is the switch's end of the link, where a
// drop is not seen by the sender (a filter in the host would fail the send).
// Set it on a leaf's Out or on the root's In to lose feedback.
//
// The filter costs what it costs at 0 percent as well: a comparison of loss
// and no loss sets both. A host that never set a loss has no filter.
//
// A batch that was sent with UDP_SEGMENT is one packet here; see
// [Host.SetOffload].
func (h *Host) SetLoss(w Way, percent float64) error {
	if !(percent >= 0 && percent <= 100) {
		return fmt.Errorf("netlab: loss of %v percent", percent)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dress.loss[w] = percent
	return h.applyLoss(w)
}

func (h *Host) applyLoss(w Way) error {
	ns, family, table := h.lossTable(w)
	script := fresh(family, table)
	hook, spare := "hook input", fmt.Sprintf("iif lo accept\n\t\tip saddr %s accept\n\t\tip6 saddr { %s, %s } accept",
		h.Addr4(), h.Addr6(), linkLocal(h.number))
	if w == Out {
		hook, spare = fmt.Sprintf("hook ingress device %q", h.port()), ""
	}
	below := "< 0"
	if n := int(math.Round(h.dress.loss[w] * 100)); n > 0 {
		below = fmt.Sprintf("<= %d", n-1) // "< 10000" is out of nft's range
	}
	script += fmt.Sprintf(`table %s %s {
	chain drops {
		type filter %s priority 0; policy accept;
		%s
		meta l4proto udp numgen random mod 10000 %s counter drop
	}
}
`, family, table, hook, spare, below)
	_, err := ns.run(script, "nft", "-f", "-")
	return err
}

func (h *Host) lossTable(w Way) (ns *namespace, family, table string) {
	if w == Out {
		return h.lab.sw, "netdev", "loss_" + h.name
	}
	return h.ns, "inet", "loss"
}

// Lost counts the packets dropped since the last SetLoss of that way.
func (h *Host) Lost(w Way) (packets uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dress.loss[w] == 0 {
		return 0, nil
	}
	ns, family, table := h.lossTable(w)
	out, err := ns.run("", "nft", "-j", "list", "table", family, table)
	if err != nil {
		return 0, err
	}
	var listing struct {
		Nftables []struct {
			Rule struct {
				Expr []struct {
					Counter struct{ Packets uint64 }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &listing); err != nil {
		return 0, fmt.Errorf("netlab: nft listing: %w", err)
	}
	for _, item := range listing.Nftables {
		for _, e := range item.Rule.Expr {
			packets += e.Counter.Packets
		}
	}
	return packets, nil
}

// queue is the room of a limited link, about that of a cheap switch's port.
const queue = 256 << 10

// SetRate limits the host's link to so many bits a second one way; 0 is no
// limit. In is the switch's port: what does not fit its queue of 256 KiB is
// dropped. Out is the host's own device, whose queue holds the sender back as
// a slow NIC does, and drops only what many sockets send.
func (h *Host) SetRate(w Way, bits int64) error {
	if bits < 0 {
		return fmt.Errorf("netlab: rate of %d bits a second", bits)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.dress.rate[w]
	h.dress.rate[w] = bits
	if was == 0 && bits == 0 {
		return nil
	}
	return h.applyRate(w)
}

func (h *Host) applyRate(w Way) error {
	ns, dev := h.lab.sw, h.port()
	if w == Out {
		ns, dev = h.ns, Device
	}
	bits := h.dress.rate[w]
	if bits == 0 {
		_, err := ns.run("", "tc", "qdisc", "del", "dev", dev, "root")
		return err
	}
	// Two milliseconds of burst keep the bucket from starving between ticks.
	burst := max(bits/8/500, 2*int64(h.lab.o.MTU))
	_, err := ns.run("", "tc", "qdisc", "replace", "dev", dev, "root", "tbf",
		"rate", fmt.Sprintf("%dbit", bits), "burst", fmt.Sprint(burst), "limit", fmt.Sprint(queue))
	return err
}

// SetOffload says whether the host's link takes a batch of UDP_SEGMENT whole.
// Off, the kernel cuts it into single packets before the link, as it does for a
// NIC without the feature: switch it off on the sender when packets are to be
// lost, limited or counted one by one.
func (h *Host) SetOffload(on bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dress.noOffload = !on
	return h.applyOffload()
}

func (h *Host) applyOffload() error {
	_, err := h.ns.run("", "ethtool", "-K", Device, "tx-udp-segmentation", onOff(!h.dress.noOffload))
	return err
}

// redress puts a host's settings on a link that was made anew.
func (h *Host) redress() error {
	if h.dress.noOffload {
		if err := h.applyOffload(); err != nil {
			return err
		}
	}
	for _, w := range []Way{In, Out} {
		if h.dress.loss[w] > 0 {
			if err := h.applyLoss(w); err != nil {
				return err
			}
		}
		if h.dress.rate[w] > 0 {
			if err := h.applyRate(w); err != nil {
				return err
			}
		}
	}
	return nil
}
