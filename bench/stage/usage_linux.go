package stage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// peak is the most that samples have shown.
type peak struct {
	mu   sync.Mutex
	most int64
}

func (p *peak) bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// sample looks at the side's peak memory: while it runs, and whenever it has
// said something, since a side of ours says its last just before its end.
//
// The kernel's own account at the end of a process (ru_maxrss) will not do: it
// includes what the process was before exec, a fork of this program, so a
// small side would look as big as its parent. VmHWM begins anew at exec.
func (s *Side) sample() {
	now := highWater(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	s.peak.mu.Lock()
	defer s.peak.mu.Unlock()
	s.peak.most = max(s.peak.most, now)
}

// watch samples until Wait is done, more often at first.
func (s *Side) watch() {
	wait := 5 * time.Millisecond
	for {
		select {
		case <-time.After(wait):
			s.sample()
			wait = min(2*wait, 100*time.Millisecond)
		case <-s.over:
			return
		}
	}
}

// highWater reads VmHWM in bytes; 0 when the process is gone.
func highWater(status string) int64 {
	b, err := os.ReadFile(status)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// Gone reports whether the side has ended by itself or was killed.
func (s *Side) Gone() bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return true
	}
	// The state follows the name, which stands in brackets and may hold any.
	_, state, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}
