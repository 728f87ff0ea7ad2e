package aesgcm

import "unsafe"

// mustFit panics unless out begins where in does or is apart from it, and is
// apart from data. These are the rules of crypto/cipher.
func mustFit(out, in, data []byte) {
	if unsafe.SliceData(out) != unsafe.SliceData(in) && meet(out, in) {
		panic("aesgcm: output and input overlap")
	}
	if meet(out, data) {
		panic("aesgcm: output and additional data overlap")
	}
}

// meet reports whether x and y have a byte in common.
func meet(x, y []byte) bool {
	a, b := uintptr(unsafe.Pointer(unsafe.SliceData(x))), uintptr(unsafe.Pointer(unsafe.SliceData(y)))
	return len(x) > 0 && len(y) > 0 && a < b+uintptr(len(y)) && b < a+uintptr(len(x))
}
