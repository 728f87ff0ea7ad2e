package rooted

import (
	"context"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// apart is a session whose data has its root at the leaf that brings "top".
func (r *room) apart() {
	r.Helper()
	r.listen(func(c *Config) {
		c.Data = LeafRootedData
		c.Condition = func(q *Request) Verdict {
			q.DataRoot = string(q.Data) == "top"
			return Accept
		}
	})
}

// nothing fails where a member has something to read.
func nothing(t *testing.T, what string, recv func(context.Context, []byte) (Message, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if m, err := recv(ctx, make([]byte, 4096)); err == nil {
		t.Errorf("%s: a message of %d", what, m.From)
	}
}

// TestLeafRootedData_NobodyElseIsHeard has a member break the rules and send to the
// group, which only the data's root may: all but that one are deaf to it.
func TestLeafRootedData_NobodyElseIsHeard(t *testing.T) {
	inRoom(t, 61, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		r.apart()
		liar, _ := r.join("liar", nil, nil)
		other, _ := r.join("other", nil, nil)
		top, _ := r.join("top", []byte("top"), nil)
		time.Sleep(time.Second)
		for _, id := range []uint32{liar.DataRoot(), other.DataRoot(), top.DataRoot(), r.root.DataRoot()} {
			if id != top.ID() {
				t.Errorf("the data's root is %d, said to be %d", top.ID(), id)
			}
		}
		liar.s.Aim(0)
		if err := liar.Send(r.ctx, []byte("listen, all of you")); err != nil {
			t.Error(err)
		}
		p := make([]byte, 100)
		if m, err := top.Recv(r.ctx, p); err != nil || m.From != liar.ID() {
			t.Errorf("the data's root heard %+v, %v", m, err)
		}
		nothing(t, "another leaf", other.Recv)
		nothing(t, "the root", r.root.Recv)
		if err := r.root.s.Send(r.ctx, 0, []byte("from the root")); err != nil {
			t.Error(err)
		}
		if m, err := top.Recv(r.ctx, p); err != nil || m.From != 1 {
			t.Errorf("the data's root heard %+v, %v", m, err)
		}
		nothing(t, "a leaf", other.Recv)
	})
}

// TestLeafRootedData_WhoDoesNotGetInIsNoDataRoot: the place is free again when a data
// root that was accepted goes before it is in.
func TestLeafRootedData_WhoDoesNotGetInIsNoDataRoot(t *testing.T) {
	inRoom(t, 62, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		r.apart()
		ctx, cancel := context.WithCancel(r.ctx)
		first := make(chan error, 1)
		go func() { // it gives up while it listens for the group
			_, err := Join(ctx, r.root.Addr(), []byte("top"), r.config("early"))
			first <- err
		}()
		r.net.Filter(func(p simnet.Packet) bool { return p.Dst.Addr() != testGroup.Addr.Addr() })
		go func() { time.Sleep(100 * time.Millisecond); cancel() }()
		if m, err := r.root.Accept(r.ctx); err == nil {
			t.Errorf("%v is in", m.Addr())
		}
		if err := <-first; err == nil {
			t.Error("it has joined")
		}
		r.net.Filter(nil)
		if err := r.root.Send(r.ctx, nil); transport.CodeOf(err) != transport.WSAENOTCONN {
			t.Errorf("send: %v", err)
		}
		l, _ := r.join("late", []byte("top"), nil)
		if l.DataRoot() != l.ID() {
			t.Errorf("the second is not the data's root: %d", l.DataRoot())
		}
	})
}

func TestLeafRootedData_WhatItNeeds(t *testing.T) {
	inRoom(t, 63, simnet.Link{}, func(r *room) {
		for what, change := range map[string]func(*Config){
			"signed":  func(c *Config) { c.Source = Signed },
			"ordered": func(c *Config) { c.Ordered = true },
		} {
			c := r.config("root")
			c.Data, c.Control, c.Streams = LeafRootedData, testRoot, []flow.Class{flow.Reliable}
			change(&c)
			if root, err := Listen(r.ctx, testGroup, c); err == nil {
				root.Close()
				t.Errorf("%s: it listens", what)
			}
		}
		ssm := testGroup
		ssm.Source = r.net.Host("root").Addr()
		c := r.config("root")
		c.Data, c.Control = LeafRootedData, testRoot
		if root, err := Listen(r.ctx, ssm, c); err == nil {
			root.Close()
			t.Error("a source-specific group: it listens")
		}
	})
}
