// Package dtls, in bench/interop, has our DTLS profile, which runs on version 2 of
// pion's library, talk to that library's version 3, and runs the attacks of
// crypto/dtls on both ends. It shows two things: that a peer can move to version 3
// alone, and that version 3 can stand behind the same guard when we do.
//
// It is a module of its own, so that version 3 is in nobody's module graph but its
// own: go test ./... of the parent does not run it, .ci/run does.
//
//	cd bench/interop && go test ./...
//
// guard.go, record.go, drop.go and envelope.go are links to the files of
// crypto/dtls: the guard here is the guard there, and not a copy of it.
//
// # Limitations
//
// A checkout that cannot make symbolic links (Windows, without the right to) has
// text files in their place, and this module does not build there. Version 3 has no
// part in any session: nothing but these tests uses it.
package dtls
