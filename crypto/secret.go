package crypto

import (
	"fmt"
	"io"
)

// secret is 32 bytes that nobody may print. Types that others see hold it behind
// two pointers: in an unexported field of somebody else's struct fmt cannot call
// our methods, and for a verb that does not fit it follows one pointer.
type secret [32]byte

type hidden struct{ secret *secret }

// wipe clears what we can reach. Cipher objects keep copies that Go gives no
// way to clear; the package's Limitations say so.
func (s *secret) wipe() {
	if s != nil {
		clear(s[:])
	}
}

// redact writes text for every verb, so that no verb finds a way to the bytes.
func redact(f fmt.State, text string) { _, _ = io.WriteString(f, text) }
