package simnet_test

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func TestPartition_CutsUntilHeal(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		var ears []*ear
		var speakers []transport.PacketConn
		for _, name := range []string{"a", "b", "c", "d"} {
			ears = append(ears, listen(member(t, n.Host(name), group, transport.SocketOptions{})))
			speakers = append(speakers, speaker(t, n.Host(name), transport.SocketOptions{}))
		}
		all := func(step int) {
			for i, s := range speakers {
				say(t, s, group, 10*step+i, 1, 64)
			}
			after(time.Second)
		}
		n.Partition([]string{"a"}, []string{"b"}) // c and d are the rest
		all(1)
		n.Heal()
		n.PartitionOneWay([]string{"a"}, []string{"b", "c"})
		all(2)
		n.Heal()
		all(3)
		for i, want := range [][]int{
			{10, 20, 21, 22, 23, 30, 31, 32, 33},
			{11, 21, 22, 23, 30, 31, 32, 33},
			{12, 13, 21, 22, 23, 30, 31, 32, 33},
			{12, 13, 20, 21, 22, 23, 30, 31, 32, 33},
		} {
			got := ears[i].numbers()
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("host %d heard %v; want %v", i, got, want)
			}
		}
		if got := n.Stats().Dropped[simnet.DropPartition]; got != 10+2 {
			t.Errorf("%d dropped by partitions; want 12", got)
		}
	})
}

func TestPartition_CoversHostsToCome(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		n.Host("a")
		n.Partition([]string{"a"})
		if e := hear(t, n, 10, "b")[0]; len(e.packets) != 0 {
			t.Errorf("b heard %d", len(e.packets))
		}
	})
}

func TestKill_EndsEverythingAndTheNameCanComeBack(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		ga, ub := member(t, a, group, transport.SocketOptions{}), speaker(t, b, transport.SocketOptions{})
		read := make(chan error, 1)
		go func() {
			_, err := ga.ReadBatch([]transport.Datagram{{B: make([]byte, 100)}})
			read <- err
		}()
		time.Sleep(time.Millisecond)
		say(t, ub, group, 0, 1, 64) // under way when a dies
		time.Sleep(time.Microsecond)
		n.Kill("a")
		err := <-read
		wantCode(t, "ReadBatch on a killed host", err, transport.WSAENETDOWN)
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v does not match net.ErrClosed", err)
		}
		_, err = a.OpenGroup(t.Context(), transport.Group{Addr: group, Interface: "sim0"}, transport.SocketOptions{})
		wantCode(t, "OpenGroup on a killed host", err, transport.WSAENETDOWN)
		after(time.Second)

		again := n.Host("a")
		if again == a || again.Addr() != a.Addr() {
			t.Errorf("host a came back as %p at %v; it was %p at %v", again, again.Addr(), a, a.Addr())
		}
		e := listen(member(t, again, group, transport.SocketOptions{}))
		say(t, ub, group, 1, 1, 64)
		after(time.Second)
		if !slices.Equal(e.numbers(), []int{1}) {
			t.Errorf("heard %v after coming back; want [1]", e.numbers())
		}
		if got := n.Stats().Dropped[simnet.DropNobody]; got != 1 {
			t.Errorf("%d found nobody; want the one that was under way", got)
		}
	})
}
