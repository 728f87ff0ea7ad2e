package main

import (
	"bytes"
	"testing"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

const told = `root: listens
anna: asks to join with caller data "anna here", to send 1000000 bytes a second
root: FD_ACCEPT: sees "anna here", accepts with "welcome" and 500000 bytes a second
anna: FD_CONNECT: has joined, with callee data "welcome"
anna: FD_QOS: may send 500000 bytes a second
bert: listens
root: invites bert with caller data "come in"
bert: FD_ACCEPT: sees "come in", accepts with "gladly"
root: FD_CONNECT: bert has joined, with callee data "gladly"
carl: asks to join
root: FD_ACCEPT: defers, so accepting ends with WSATRY_AGAIN and carl waits
root: accepts again, and now lets him in
carl: FD_CONNECT: has joined
dora: asks to join with caller data "dora here"
root: FD_ACCEPT: refuses
dora: FD_CONNECT: WSAECONNREFUSED
root: sends "hello, everybody"
anna: receives "hello, everybody"
bert: receives "hello, everybody"
carl: receives "hello, everybody"
anna: sends "hello, root"
root: receives "hello, root"
root: sends "between us" on its socket for bert
bert: receives "between us", marked private
anna: has joined 239.192.9.9:17099 as well, a session without a root
bert: has joined 239.192.9.9:17099 as well, a session without a root
bert: sends "among ourselves" there
anna: receives "among ourselves"
anna: closes her socket
root: FD_CLOSE on its socket for anna
root: closes its socket for bert
bert: FD_CLOSE on his socket
root: closes its own socket, and with it the session
carl: FD_CLOSE on his socket
`

// The example is run on the loopback interface, as Linux names it.
func Example() {
	main()
	// Output:
	// root: listens
	// anna: asks to join with caller data "anna here", to send 1000000 bytes a second
	// root: FD_ACCEPT: sees "anna here", accepts with "welcome" and 500000 bytes a second
	// anna: FD_CONNECT: has joined, with callee data "welcome"
	// anna: FD_QOS: may send 500000 bytes a second
	// bert: listens
	// root: invites bert with caller data "come in"
	// bert: FD_ACCEPT: sees "come in", accepts with "gladly"
	// root: FD_CONNECT: bert has joined, with callee data "gladly"
	// carl: asks to join
	// root: FD_ACCEPT: defers, so accepting ends with WSATRY_AGAIN and carl waits
	// root: accepts again, and now lets him in
	// carl: FD_CONNECT: has joined
	// dora: asks to join with caller data "dora here"
	// root: FD_ACCEPT: refuses
	// dora: FD_CONNECT: WSAECONNREFUSED
	// root: sends "hello, everybody"
	// anna: receives "hello, everybody"
	// bert: receives "hello, everybody"
	// carl: receives "hello, everybody"
	// anna: sends "hello, root"
	// root: receives "hello, root"
	// root: sends "between us" on its socket for bert
	// bert: receives "between us", marked private
	// anna: has joined 239.192.9.9:17099 as well, a session without a root
	// bert: has joined 239.192.9.9:17099 as well, a session without a root
	// bert: sends "among ourselves" there
	// anna: receives "among ourselves"
	// anna: closes her socket
	// root: FD_CLOSE on its socket for anna
	// root: closes its socket for bert
	// bert: FD_CLOSE on his socket
	// root: closes its own socket, and with it the session
	// carl: FD_CLOSE on his socket
}

func TestStory_OnFiveHostsWithRealMulticast(t *testing.T) {
	names := [5]string{"root", "anna", "bert", "carl", "dora"}
	l := netlab.New(t, netlab.Options{Hosts: names[:]})
	var hosts [5]host
	for i, name := range names {
		h := l.Host(name)
		hosts[i] = host{h.Network(), h.Addr4(), netlab.Device}
	}
	var out bytes.Buffer
	if err := story(&out, hosts); err != nil {
		t.Fatalf("%v\nafter\n%s", err, &out)
	}
	if out.String() != told {
		t.Errorf("the story went\n%s\nwant\n%s", &out, told)
	}
}
