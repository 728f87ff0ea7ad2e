package door

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// option is one word that may stand after the ? of an address.
type option struct {
	name    string
	aliases []string // the same in other tools
	in, out bool
	set     func(e *Endpoint, value string) error
}

// options are the words of ffmpeg's, GStreamer's, VLC's and SRT's addresses
// that mean something here.
var options = []option{
	{"iface", []string{"localaddr", "interface", "multicast-iface", "adapter", "miface"}, true, true, func(e *Endpoint, v string) error {
		if v == "" || v == "all" || strings.Contains(v, ",") {
			return fmt.Errorf("names one interface: its name, index, address or auto")
		}
		e.Interface = v
		return nil
	}},
	{"ttl", []string{"ttl-mc"}, false, true, intoInt(func(e *Endpoint) *int { return &e.TTL }, 1, 255)},
	{"dscp", []string{"qos-dscp"}, false, true, intoInt(func(e *Endpoint) *int { return &e.DSCP }, 0, 63)},
	{"pkt_size", []string{"packet_size", "pkt-size"}, false, true, intoInt(func(e *Endpoint) *int { return &e.PacketSize }, 1, maxDatagram)},
	{"buffer_size", []string{"buffer-size", "udpReadBufferSize"}, true, true, intoInt(func(e *Endpoint) *int { return &e.Buffer }, 1, 1<<30)},
	{"fifo_size", nil, true, false, func(e *Endpoint, v string) error {
		if err := intoInt(func(e *Endpoint) *int { return &e.FIFO }, 1, 1<<23)(e, v); err != nil {
			return err
		}
		e.FIFO *= tsPacket
		return nil
	}},
	{"sources", []string{"source"}, true, false, intoAddrs(func(e *Endpoint) *[]netip.Addr { return &e.Sources })},
	{"block", nil, true, false, intoAddrs(func(e *Endpoint) *[]netip.Addr { return &e.Block })},
	{"timeout", nil, true, false, setTimeout},
	{"pace", nil, false, true, func(e *Endpoint, v string) error {
		switch v {
		case "arrival":
			e.Pace = PaceArrival
		case "none":
			e.Pace = PaceNone
		default:
			return fmt.Errorf("is arrival or none, not %q", v)
		}
		return nil
	}},
	{"reuse", nil, true, true, noted("reuse= changes nothing: group ports are always shared, unicast ports never")},
	{"overrun_nonfatal", nil, true, false, noted("overrun_nonfatal= changes nothing: an overrun is always counted and never fatal")},
}

// options reads "a=1&b=2" into e.
func (e *Endpoint) options(dir Direction, query string) error {
	if query == "" {
		return nil
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		value, err := url.QueryUnescape(value)
		if err != nil {
			return fmt.Errorf("option %s: %v", name, err)
		}
		o, err := find(dir, name)
		if err != nil {
			return err
		}
		if err := o.set(e, value); err != nil {
			return fmt.Errorf("option %s %w", name, err)
		}
	}
	return nil
}

// find gives the option of that name, or an error that tells the near ones (E-0).
func find(dir Direction, name string) (option, error) {
	here := func(o option) bool { return dir == In && o.in || dir == Out && o.out }
	var all []string
	for _, o := range options {
		if o.name == name || slices.Contains(o.aliases, name) {
			if !here(o) {
				side := map[Direction]string{In: "an output", Out: "an input"}[dir]
				return o, fmt.Errorf("option %s belongs to %s", name, side)
			}
			return o, nil
		}
		if here(o) {
			all = append(append(all, o.name), o.aliases...)
		}
	}
	if near := Near(name, all); len(near) > 0 {
		return option{}, fmt.Errorf("unknown option %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	var names []string
	for _, o := range options {
		if here(o) {
			names = append(names, o.name)
		}
	}
	return option{}, fmt.Errorf("unknown option %q; there are %s", name, strings.Join(names, ", "))
}

func intoInt(field func(*Endpoint) *int, low, high int) func(*Endpoint, string) error {
	return func(e *Endpoint, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			return fmt.Errorf("is a number from %d to %d, not %q", low, high, v)
		}
		*field(e) = n
		return nil
	}
}

func intoAddrs(field func(*Endpoint) *[]netip.Addr) func(*Endpoint, string) error {
	return func(e *Endpoint, v string) error {
		for s := range strings.SplitSeq(v, ",") {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return fmt.Errorf("lists IP addresses, and %q is none", s)
			}
			*field(e) = append(*field(e), a.Unmap())
		}
		return nil
	}
}

// setTimeout takes a Go duration; a bare number is microseconds, as ffmpeg has it.
func setTimeout(e *Endpoint, v string) error {
	d, err := time.ParseDuration(v)
	if n, bare := strconv.ParseInt(v, 10, 53); bare == nil {
		d, err = time.Duration(n)*time.Microsecond, nil
	}
	if err != nil || d < 0 {
		return fmt.Errorf("is a time such as 5s, or microseconds as in ffmpeg, not %q", v)
	}
	e.Timeout = d
	return nil
}

func noted(note string) func(*Endpoint, string) error {
	return func(e *Endpoint, _ string) error {
		e.Notes = append(e.Notes, note)
		return nil
	}
}
