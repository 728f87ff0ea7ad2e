package main

import (
	"bytes"
	"testing"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

const told = `the condition sees "anna"
anna has joined, and hears "welcome"
FD_QOS: anna may send 500000 bytes a second
the condition sees "come in"
bert has been invited
carl has to wait
carl has joined
dora is told WSAECONNREFUSED
leaf 1 receives "hello, everybody"
leaf 2 receives "hello, everybody"
leaf 3 receives "hello, everybody"
the root receives "hello, root"
leaf 2 receives "between us", private: true
beside it, without a root: "among ourselves"
FD_CLOSE at the root: anna has left
FD_CLOSE at bert: the root has let him go
FD_CLOSE at carl: the session is over
`

// The example is run on the loopback interface, as Linux names it.
func Example() {
	main()
	// Output:
	// the condition sees "anna"
	// anna has joined, and hears "welcome"
	// FD_QOS: anna may send 500000 bytes a second
	// the condition sees "come in"
	// bert has been invited
	// carl has to wait
	// carl has joined
	// dora is told WSAECONNREFUSED
	// leaf 1 receives "hello, everybody"
	// leaf 2 receives "hello, everybody"
	// leaf 3 receives "hello, everybody"
	// the root receives "hello, root"
	// leaf 2 receives "between us", private: true
	// beside it, without a root: "among ourselves"
	// FD_CLOSE at the root: anna has left
	// FD_CLOSE at bert: the root has let him go
	// FD_CLOSE at carl: the session is over
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
