package stage

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ThisMachine asks the machine.
func ThisMachine() Machine {
	m := Machine{
		Processor: field("/proc/cpuinfo", "model name"), Processors: runtime.NumCPU(), System: "Linux",
		Go: runtime.Version(), ReadBufferMost: number("/proc/sys/net/core/rmem_max"), Load: strings.TrimSpace(text("/proc/loadavg")),
		Joinleaf: revision(),
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.System += " " + unix.ByteSliceToString(u.Release[:])
	}
	if kib, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.Memory = kib << 10
	}
	return m
}

func text(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(b)
}

func number(file string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text(file)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// field is the value of the first "name: value" line.
func field(file, name string) string {
	for line := range strings.Lines(text(file)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// revision is the commit of the working directory, which is what `go run` has
// built; it leaves no mark of its own in the program.
func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
