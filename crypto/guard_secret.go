//go:build goexperiment.runtimesecret && linux && (amd64 || arm64)

package crypto

import runtimesecret "runtime/secret"

// guard runs f and clears the registers, stack and heap that f used.
func guard(f func()) { runtimesecret.Do(f) }
