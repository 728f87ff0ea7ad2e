package rooted

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// inLab is a session of a root and a leaf with hosts of their own, over IPv4.
func inLab(t *testing.T, ctx context.Context, c Config) (lab *netlab.Lab, root *Root, member *Member, leaf *Leaf) {
	t.Helper()
	lab = netlab.New(t, netlab.Options{Hosts: []string{"root", "leaf"}})
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	c.Identity, c.Interface = crypto.Identity{Code: code}, netlab.Device
	rc := c
	rc.Network, c.Network = lab.Host("root").Network(), lab.Host("leaf").Network()
	rc.Control = netip.AddrPortFrom(lab.Host("root").Addr4(), 7001)
	if root, err = Listen(ctx, testGroup, rc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	accepted := make(chan *Member, 1)
	go func() {
		m, _ := root.Accept(ctx)
		accepted <- m
	}()
	if leaf, err = Join(ctx, root.Addr(), nil, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leaf.Close() })
	return lab, root, <-accepted, leaf
}

// After an outage TCP tries again at doubled intervals only, long after the data
// is back.
func TestR225_ALeafWhoseControlStandsStillLivesByItsData(t *testing.T) {
	netlab.Require(t)
	const silence = time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	lab, root, member, leaf := inLab(t, ctx, Config{Silence: silence})

	filter := func(rules string) {
		t.Helper()
		c := lab.Host("leaf").Exec(ctx, "nft", "-f", "-")
		c.Stdin = strings.NewReader(rules)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("nft: %v: %s", err, out)
		}
	}
	p := make([]byte, 64<<10)
	filter("table inet still { chain in { type filter hook input priority 0; meta l4proto tcp drop; }; chain out { type filter hook output priority 0; meta l4proto tcp drop; }; }")
	for i, end := 0, time.Now().Add(3*silence); time.Now().Before(end); i++ {
		if err := root.Send(ctx, numbered(i)); err != nil {
			t.Fatalf("send %d: %v", i, err)
		}
		if m, err := leaf.Recv(ctx, p); err != nil || m.Missed != 0 {
			t.Fatalf("message %d: %+v, %v", i, m, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	filter("delete table inet still")
	if err := leaf.Chat(ctx, []byte("here again")); err != nil {
		t.Fatal(err)
	}
	if n, err := member.RecvChat(ctx, p); err != nil || string(p[:n]) != "here again" {
		t.Fatalf("%q, %v", p[:n], err)
	}
	if err := lab.Partition(lab.Host("leaf")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-member.Done():
		if err := member.Err(); transport.CodeOf(err) != transport.WSAECONNABORTED {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("a leaf that is silent in both ways is still a member")
	}
}
