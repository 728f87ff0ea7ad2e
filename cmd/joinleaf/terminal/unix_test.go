//go:build linux

package terminal

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// openPair makes a pseudo-terminal: keyboard and screen on one end, the
// program's terminal on the other.
func openPair(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	a, err := unix.IoctlGetTermios(int(f.Fd()), getAttributes)
	if err != nil {
		t.Fatal(err)
	}
	return a.Lflag&unix.ECHO != 0
}

func TestReadSecret_EchoIsOffWhileTypingAndOnAfterwards(t *testing.T) {
	keyboard, tty := openPair(t)
	if !Is(tty) || !echoes(t, tty) {
		t.Fatal("a new terminal should be one, with echo")
	}
	var screen bytes.Buffer
	asked := false
	got, err := ReadSecret(tty, &screen, "Join code: ", func(func()) {
		asked = true
		if echoes(t, tty) {
			t.Error("echo is on while the code is typed")
		}
		_, _ = keyboard.WriteString("  abcd-efgh \n")
	})
	if err != nil || got != "abcd-efgh" || !asked {
		t.Fatalf("%q, %v, asked %v", got, err, asked)
	}
	if !echoes(t, tty) || screen.String() != "Join code: \n" {
		t.Fatalf("echo %v, screen %q", echoes(t, tty), screen.String())
	}
}

func TestIs_APipeIsNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if Is(r) {
		t.Fatal("a pipe taken for a terminal")
	}
	if _, err := ReadSecret(r, w, "", func(func()) {}); err == nil {
		t.Fatal("read a secret from a pipe")
	}
}
