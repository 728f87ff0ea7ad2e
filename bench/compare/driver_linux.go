package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// The drivers are our own programs on top of the peers' libraries; nothing of
// a peer's is in this tree.
//
//go:embed drivers
var sources embed.FS

// library is a peer that is a library.
type library struct {
	word, source, header, debian string
	settings                     string // in a sentence
	message                      int    // bytes
	flags                        func(dir string) ([]string, error)
	parity                       string // tried with loss; "": none
	device                       func(h *netlab.Host) string
	// What the driver is told besides, of receiver i and of the sender.
	receiver func(i int) []string
	sender   func(s setting, leaves int) []string
}

const normHeader = "/usr/include/normApi.h"

var norm = library{
	word: "norm", source: "norm.c", header: normHeader, debian: "libnorm-dev", message: message,
	settings: "stream of 1,400 B segments, 16 MiB buffers, rate by hand, repair by retransmission (with loss also tried: 8 parity for 64), flow control by watermarks, round trip told, no encryption",
	flags:    func(dir string) ([]string, error) { return []string{"-I" + dir, "-lnorm"}, cleanNorm(dir) },
	parity:   "8",
	device:   func(*netlab.Host) string { return netlab.Device },
	receiver: func(i int) []string { return []string{fmt.Sprint(i + 2)} }, // its node
	sender: func(s setting, leaves int) []string {
		return []string{fmt.Sprintf("%.0f", s.Rate*1e6), "0" + s.Parity, fmt.Sprint(leaves)}
	},
}

var openpgm = library{
	word: "openpgm", source: "openpgm.c", header: "/usr/include/pgm-5.3/pgm/pgm.h", debian: "libpgm-dev", message: 1440,
	settings: "over UDP, one 1,440 B message a packet, windows of 65,536 packets, rate by hand, NAKs after 2 ms, tail heartbeats from 4 ms, no encryption; it has no flow control",
	flags: func(string) ([]string, error) {
		return []string{"-I/usr/include/pgm-5.3", "-lpgm", "-lpthread", "-lm"}, nil
	},
	device:   func(h *netlab.Host) string { return h.Addr4().String() },
	receiver: func(int) []string { return nil },
	sender:   func(s setting, _ int) []string { return []string{fmt.Sprintf("%.0f", s.Rate*1e6)} },
}

// cleanNorm makes a copy of libnorm's header that a C compiler takes: that of
// 1.5.9 has references and a default argument left in it.
func cleanNorm(dir string) error {
	b, err := os.ReadFile(normHeader)
	if err != nil {
		return err
	}
	clean := strings.NewReplacer("unsigned int& ", "unsigned int* ", "UINT16& ", "UINT16* ", "bytesWanted = 0", "bytesWanted").Replace(string(b))
	return os.WriteFile(filepath.Join(dir, "normApi.h"), []byte(clean), 0o644)
}

// driven runs a driver.
type driven struct {
	library
	program string
}

func (d *driven) name() string { return d.word }

func (d *driven) about() string { return d.settings }

// find compiles the driver.
func (d *driven) find(p *place) (string, error) {
	if _, err := os.Stat(d.header); err != nil {
		return "", fmt.Errorf("no %s (Debian: %s)", d.header, d.debian)
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", fmt.Errorf("no cc to compile its driver with (Debian: gcc)")
	}
	dir := filepath.Join(p.files.dir, "driver-"+d.word)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{d.source, "content.h"} {
		b, err := sources.ReadFile("drivers/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	flags, err := d.flags(dir)
	if err != nil {
		return "", err
	}
	d.program = filepath.Join(dir, d.word)
	args := append([]string{"-std=gnu11", "-D_GNU_SOURCE", "-O2", "-w", "-o", d.program, filepath.Join(dir, d.source)}, flags...)
	if said, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("its driver does not compile: %s", last(strings.TrimSpace(string(said))))
	}
	return packaged(d.debian), nil
}

func (d *driven) ladder(n int) []setting { return rates(n) }

func (d *driven) under(_ cell, clean setting) []setting {
	all := lower(clean)
	if d.parity != "" {
		all = append(all, setting{Rate: clean.Rate * 0.7, Parity: d.parity})
	}
	return all
}

func (d *driven) run(p *place, c cell, s setting) (o outcome, err error) {
	leaves := p.leaves[:c.Leaves]
	if err := bulk.Prepare(p.root, leaves, c.Loss, false); err != nil {
		return o, err
	}
	messages := bulk.Spec{Size: p.size, Message: d.message}.Messages()
	start := func(h *netlab.Host, role string, more ...string) (*stage.Side, error) {
		args := []string{role, d.device(h), "239.192.79.1", "7600", fmt.Sprint(messages), fmt.Sprint(d.message)}
		return stage.Run(h, p.limit, d.program, append(args, more...)...)
	}
	var sides []*stage.Side
	for i, h := range leaves {
		side, err := start(h, "recv", d.receiver(i)...)
		if err != nil {
			halt(sides)
			return o, err
		}
		sides = append(sides, side)
	}
	if o := listening(sides); o.Failed != "" {
		return o, nil
	}
	time.Sleep(settle)
	sender, err := start(p.root, "send", d.sender(s, c.Leaves)...)
	if err != nil {
		halt(sides)
		return o, err
	}
	for _, side := range sides {
		var got bulk.Got
		if err := side.Decode(&got); err != nil {
			o = incomplete("%v: %s", err, last(side.Errors()))
			break
		}
		if rate := got.Goodput(); o.Goodput == 0 || rate < o.Goodput {
			o.Goodput = rate
		}
		o.Arrived = 1
	}
	o.finish(sender, sides)
	return o, nil
}
