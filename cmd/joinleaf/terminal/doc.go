// Package terminal knows two things about the screen and keyboard: whether a
// file is one, and how to read a secret from it without showing it.
//
// # Limitations
//
// Linux, macOS and the BSDs. Elsewhere [Is] says no and [ReadSecret] says
// errors.ErrUnsupported: on Windows a join code comes from a file or from the
// environment.
package terminal
