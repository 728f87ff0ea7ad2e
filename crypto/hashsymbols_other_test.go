//go:build !amd64

package crypto

import "testing"

// eachWay runs f with the one way that there is.
func eachWay(t *testing.T, f func(t *testing.T)) { t.Run("one by one", f) }
