package netlab

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain looks for what the tests as a whole may have left: goroutines of
// theirs, and namespaces of this process.
func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv(partVariable) == "" && code == 0 {
		code = leftovers()
	}
	os.Exit(code)
}

func leftovers() int {
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	own, err := ownPrefix()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	entries, err := os.ReadDir(namespaceDir)
	if err != nil && !os.IsNotExist(err) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), own+"-") {
			fmt.Fprintln(os.Stderr, "left behind:", e.Name())
			return 1
		}
	}
	return 0
}
