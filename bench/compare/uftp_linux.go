package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/compare/drivers"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// uftp is uftp and uftpd, clear or with AES-256-GCM. Its rate is set by hand:
// of its own accord it sends 1 Mbit/s.
type uftp struct{ sealed bool }

func (u *uftp) name() string {
	if u.sealed {
		return "uftp-aes"
	}
	return "uftp"
}

func (u *uftp) about() string {
	s := "-b 1400, -B 4194304 at all, round trip told (-r 0.01:0.005:0.5), receivers named (-H), up to 10 rounds of too many losses (-m 10)"
	if u.sealed {
		return s + ", -Y aes256-gcm -h sha256 -K 2048, which seals as joinleaf does"
	}
	return s + ", no encryption"
}

func (*uftp) find(*place) (string, error) {
	for _, program := range []string{"uftp", "uftpd"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("no %s (Debian: uftp)", program)
		}
	}
	return drivers.Packaged("uftp"), nil
}

func (*uftp) ladder(n int) []setting { return rates(n) }

func (*uftp) under(_ cell, clean setting) []setting { return lower(clean) }

func (u *uftp) run(p *place, c cell, s setting) (o outcome, err error) {
	leaves := p.leaves[:c.Leaves]
	if err := bulk.Prepare(p.root, leaves, c.Loss, false); err != nil {
		return o, err
	}
	sides, copies, ids, err := u.start(p, leaves)
	if err != nil {
		halt(sides)
		return o, err
	}
	args := []string{"-R", fmt.Sprintf("%.0f", s.Rate*1000), "-I", netlab.Device, "-M", "239.192.78.1", "-P", "239.192.78.2",
		"-H", strings.Join(ids, ","), "-b", "1400", "-B", "4194304", "-r", "0.01:0.005:0.5", "-m", "10"}
	if u.sealed {
		args = append(args, "-Y", "aes256-gcm", "-h", "sha256", "-K", "2048")
	}
	sender, err := stage.Run(p.root, p.limit, "uftp", append(args, p.files.source)...)
	if err != nil {
		halt(sides)
		return o, err
	}
	await(copies, sender)
	// It ends well too when receivers were dropped; the copies tell.
	if o.RootUsage, err = sender.Wait(); err != nil {
		o.Failed = fmt.Sprintf("%v: %s", err, last(sender.Errors()))
	}
	for _, side := range sides { // daemons: they end when killed
		side.Stop()
		used, _ := side.Wait()
		o.LeafUsage = append(o.LeafUsage, used)
	}
	p.files.judge(&o, copies)
	return o, nil
}

// start runs the receivers, and returns when they listen.
func (u *uftp) start(p *place, leaves []*netlab.Host) (sides []*stage.Side, copies []copied, ids []string, err error) {
	for i, h := range leaves {
		dir, err := p.files.room(h.Name())
		if err != nil {
			return sides, nil, nil, err
		}
		id := fmt.Sprintf("0x%08x", i+2)
		args := []string{"-d", "-q", "-I", netlab.Device, "-M", "239.192.78.1", "-D", dir, "-U", id, "-B", "4194304"}
		if u.sealed {
			// The key that it makes by default suits no sender.
			args = append(args, "-K", "rsa:2048")
		}
		side, err := stage.Run(h, p.limit, "uftpd", args...)
		if err != nil {
			return sides, nil, nil, err
		}
		sides, ids = append(sides, side), append(ids, id)
		copies = append(copies, copied{path: filepath.Join(dir, filepath.Base(p.files.source))})
	}
	mark := "UFTP version"
	if u.sealed {
		mark = "Loaded" // the key, which took a while to make
	}
	for _, side := range sides {
		for !strings.Contains(side.Errors(), mark) && !side.Gone() {
			time.Sleep(5 * time.Millisecond)
		}
	}
	time.Sleep(settle)
	return sides, copies, ids, nil
}
