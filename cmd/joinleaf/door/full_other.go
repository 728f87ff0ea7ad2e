//go:build !unix

package door

import (
	"errors"
	"syscall"
)

// diskFull reports whether err says that there is no room left: Windows has
// ERROR_HANDLE_DISK_FULL (39) and ERROR_DISK_FULL (112).
func diskFull(err error) bool {
	return errors.Is(err, syscall.Errno(39)) || errors.Is(err, syscall.Errno(112))
}
