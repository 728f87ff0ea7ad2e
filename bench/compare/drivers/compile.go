package drivers

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed c
var sources embed.FS

// Library is one that has a driver.
type Library struct {
	Name   string
	header string // of its development files
	Debian string // the package that has it
	flags  func(dir string) ([]string, error)
}

const normHeader = "/usr/include/normApi.h"

// The libraries.
var (
	NORM = Library{"norm", normHeader, "libnorm-dev", func(dir string) ([]string, error) {
		return []string{"-I" + dir, "-lnorm"}, cleanNorm(dir)
	}}
	OpenPGM = Library{"openpgm", "/usr/include/pgm-5.3/pgm/pgm.h", "libpgm-dev", func(string) ([]string, error) {
		return []string{"-I/usr/include/pgm-5.3", "-lpgm", "-lpthread", "-lm"}, nil
	}}
	ZeroMQ = Library{"epgm", "/usr/include/zmq.h", "libzmq3-dev", func(string) ([]string, error) {
		return []string{"-lzmq"}, nil
	}}
)

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

// Compile makes the driver in a folder of its own below dir.
func (l Library) Compile(dir string) (program string, err error) {
	if _, err := os.Stat(l.header); err != nil {
		return "", fmt.Errorf("no %s (Debian: %s)", l.header, l.Debian)
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", errors.New("no cc to compile its driver with (Debian: gcc)")
	}
	dir = filepath.Join(dir, "driver-"+l.Name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{l.Name + ".c", "content.h", "pingpong.h"} {
		b, err := sources.ReadFile("c/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	flags, err := l.flags(dir)
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, l.Name)
	args := append([]string{"-std=gnu11", "-D_GNU_SOURCE", "-O2", "-w", "-o", program, filepath.Join(dir, l.Name+".c")}, flags...)
	if said, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		return "", fmt.Errorf("its driver does not compile: %s", lines[len(lines)-1])
	}
	return program, nil
}

// Version is that of the library, as Debian's packages have it.
func (l Library) Version() string { return Packaged(l.Debian) }

// Packaged is the version of a Debian package.
func Packaged(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
