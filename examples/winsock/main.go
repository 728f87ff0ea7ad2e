// Winsock is a multipoint session in Winsock's idiom: a root that listens, a leaf
// that joins by itself, one that is invited, one that is deferred and then let in, and
// one that is refused. Connect data goes both ways, the condition lowers a flow
// specification, the root has a side chat with one leaf, and both ends hear of each
// other's closing. Two of the leaves are in a session without a root as well.
//
// All of it runs in one process on the loopback interface, called lo as on Linux.
// Each line begins with who does or hears something.
package main

import (
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"github.com/joinleaf/joinleaf"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// A host is where one of the programs runs.
type host struct {
	network transport.Network
	addr    netip.Addr
	device  string
}

func main() {
	lo := host{transport.Kernel{}, netip.MustParseAddr("127.0.0.1"), "lo"}
	if err := story(os.Stdout, [5]host{lo, lo, lo, lo, lo}); err != nil {
		log.Fatal(err)
	}
}

// stage is what the acts of the story share.
type stage struct {
	out       io.Writer
	providers [5]*joinleaf.Provider // the root's, then the leaves'
	hosts     [5]host
	root      *joinleaf.Socket
	name      joinleaf.Sockaddr // the root's
	accepts   *joinleaf.Event
}

// story plays the whole of it; the first host is the root's.
func story(out io.Writer, hosts [5]host) (err error) {
	s := &stage{out: out, hosts: hosts}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case failure:
			err = e.error
		default:
			panic(e)
		}
	}()
	code, err := crypto.NewCode() // the secret that all members share
	check(err)
	for i, h := range hosts {
		c := joinleaf.Config{Network: h.network, Identity: crypto.Identity{Code: code}, JoinWait: 20 * time.Second}
		c.Session.Interface = h.device
		s.providers[i], err = joinleaf.Startup(joinleaf.Version, c)
		check(err)
		defer s.providers[i].Cleanup()
	}
	s.listen()
	anna := s.joins()
	bert := s.invited()
	carl := s.deferred()
	s.refused()
	s.data(anna, bert, carl)
	s.equals()
	s.closing(anna, bert, carl)
	return nil
}

// failure ends the story.
type failure struct{ error }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func expect(err error, c transport.Code) {
	if transport.CodeOf(err) != c {
		panic(failure{fmt.Errorf("want %s, got %v", c.Name(), err)})
	}
}

func expectCode(got, want transport.Code) {
	if got != want {
		panic(failure{fmt.Errorf("want code %d, got %w", int(want), got)})
	}
}

// say prints a line of the story.
func (s *stage) say(who, f string, a ...any) {
	fmt.Fprintf(s.out, "%s: %s\n", who, fmt.Sprintf(f, a...))
}

// member is a leaf as the story has it: its socket, and the root's socket for it.
type member struct {
	name         string
	leaf, atRoot *joinleaf.Socket
}

func (s *stage) socket(i int, f joinleaf.Flags) *joinleaf.Socket {
	k, err := s.providers[i].Socket(joinleaf.AFInet, joinleaf.SockRDM, joinleaf.ProtoRootedRooted, nil, 0, f)
	check(err)
	return k
}

func (s *stage) leaf(i int) *joinleaf.Socket {
	return s.socket(i, joinleaf.FlagCLeaf|joinleaf.FlagDLeaf)
}

func selecting(k *joinleaf.Socket, mask uint32) *joinleaf.Event {
	e := joinleaf.NewEvent()
	check(k.EventSelect(e, mask))
	return e
}

// await waits for one of the events of mask.
func await(k *joinleaf.Socket, e *joinleaf.Event, mask uint32) joinleaf.NetworkEvents {
	limit := time.After(30 * time.Second)
	for {
		select {
		case <-e.Wait():
		case <-limit:
			panic(failure{fmt.Errorf("no event of %#x in 30 s", mask)})
		}
		got, err := k.EnumNetworkEvents(e)
		check(err)
		if got.Events&mask != 0 {
			return got
		}
	}
}

func send(k *joinleaf.Socket, text string) {
	_, err := k.Send([]byte(text))
	check(err)
}

func buffer(text string) *joinleaf.WSABUF {
	return &joinleaf.WSABUF{Len: uint32(len(text)), Buf: []byte(text)}
}

func room(n int) *joinleaf.WSABUF {
	return &joinleaf.WSABUF{Len: uint32(n), Buf: make([]byte, n)}
}

// accepting is a condition that says what it sees, halves a rate that the other side
// asks for, and answers.
func (s *stage) accepting(who, answer string) joinleaf.Condition {
	return func(_ joinleaf.Sockaddr, caller *joinleaf.WSABUF, sqos, _ *joinleaf.QOS, _ joinleaf.Sockaddr, callee *joinleaf.WSABUF, _ *uint32, _ any) int {
		granted := ""
		if sqos != nil {
			sqos.Sending.TokenRate /= 2
			granted = fmt.Sprintf(" and %d bytes a second", sqos.Sending.TokenRate)
		}
		callee.Len = uint32(copy(callee.Buf, answer))
		s.say(who, "FD_ACCEPT: sees %q, accepts with %q%s", caller.Bytes(), answer, granted)
		return joinleaf.CFAccept
	}
}

// always is a condition with one answer.
func always(answer int) joinleaf.Condition {
	return func(_ joinleaf.Sockaddr, _ *joinleaf.WSABUF, _, _ *joinleaf.QOS, _ joinleaf.Sockaddr, callee *joinleaf.WSABUF, _ *uint32, _ any) int {
		callee.Len = 0
		return answer
	}
}
