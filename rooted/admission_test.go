package rooted

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func TestCallerAndCalleeData(t *testing.T) {
	inRoom(t, 5, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		r.listen(func(c *Config) {
			c.Condition = func(q *Request) Verdict {
				if q.Room > 0 {
					q.Callee = append([]byte("welcome "), q.Data...)
				}
				return Accept
			}
		})
		l, m := r.join("leaf", []byte("ann\x00"), nil) // R183: any bytes
		if got := string(l.CalleeData()); got != "welcome ann\x00" {
			r.Errorf("callee data %q", got)
		}
		if got := string(m.CallerData()); got != "ann\x00" {
			r.Errorf("caller data %q", got)
		}
		l.Close()
		none, m := r.join("none", nil, func(c *Config) { c.CalleeRoom = -1 })
		if m.CallerData() != nil || none.CalleeData() != nil {
			r.Error("nil caller data or unwanted callee data came as something")
		}
		none.Close()
	})
}

func TestR90_R91_RefusedAndR92_Deferred(t *testing.T) {
	inRoom(t, 6, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		verdicts := []Verdict{Refuse, Defer, Defer, Accept}
		seen := []string{}
		root := r.listen(func(c *Config) {
			c.Condition = func(q *Request) Verdict {
				v := verdicts[0]
				verdicts = verdicts[1:]
				seen = append(seen, string(q.Data))
				q.Reason = "no room for bob"
				return v
			}
		})
		joined := make(chan error, 1)
		join := func(name string) {
			l, err := Join(r.ctx, root.Addr(), []byte(name), r.config(name))
			if err == nil {
				defer l.Close()
			}
			joined <- err
		}
		go join("bob")
		if _, err := root.Accept(r.ctx); !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("Accept of a refused leaf: %v", err)
		}
		err := <-joined
		if !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("the refused join: %v", err)
		}
		if err == nil || !strings.Contains(err.Error(), "no room for bob") {
			r.Errorf("the refused join does not say why: %v", err)
		}
		go join("eve")
		for range 2 {
			if _, err := root.Accept(r.ctx); !errors.Is(err, transport.WSATRY_AGAIN) {
				r.Errorf("Accept of a deferred leaf: %v", err)
			}
		}
		if _, err := root.Accept(r.ctx); err != nil {
			r.Error(err)
		}
		if err := <-joined; err != nil {
			r.Error(err)
		}
		if len(seen) != 4 || seen[1] != "eve" || seen[3] != "eve" { // R95
			r.Errorf("the condition saw %q", seen)
		}
	})
}

func TestR56_InvitedLeafComesIn(t *testing.T) {
	inRoom(t, 7, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		root := r.listen(nil)
		c := r.config("leaf")
		c.Condition = func(q *Request) Verdict {
			if string(q.Data) == "go away" {
				return Refuse
			}
			q.Callee = []byte("coming")
			return Accept
		}
		addr := testRoot
		ll, err := ListenLeaf(r.ctx, addr, c)
		if err != nil {
			r.Fatal(err)
		}
		defer ll.Close()
		at := r.net.Host("leaf").Addr()
		type result struct {
			l   *Leaf
			err error
		}
		in := make(chan result, 2)
		go func() {
			for range 2 {
				l, err := ll.Accept(r.ctx)
				in <- result{l, err}
			}
		}()
		to := netipPort(at, addr.Port())
		if _, err := root.Invite(r.ctx, to, []byte("go away")); !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("a refused invitation: %v", err)
		}
		if x := <-in; !errors.Is(x.err, transport.WSAECONNREFUSED) {
			r.Errorf("the refusing side: %v", x.err)
		}
		m, err := root.Invite(r.ctx, to, []byte("please"))
		if err != nil {
			r.Fatal(err)
		}
		x := <-in
		if x.err != nil {
			r.Fatal(x.err)
		}
		if string(m.CalleeData()) != "coming" || string(x.l.CallerData()) != "please" {
			r.Errorf("data: %q, %q", m.CalleeData(), x.l.CallerData())
		}
		if err := root.Send(r.ctx, []byte("hello")); err != nil {
			r.Fatal(err)
		}
		p := make([]byte, 100)
		if n, err := x.l.Recv(r.ctx, p); err != nil || string(p[:n.N]) != "hello" {
			r.Errorf("%q, %v", p[:n.N], err)
		}
		if _, err := root.Invite(r.ctx, netipPort(at, 9), nil); !errors.Is(err, transport.WSAECONNREFUSED) { // R63
			r.Errorf("inviting nobody: %v", err)
		}
		x.l.Close()
	})
}

func TestR214_R215_EitherSideHearsTheOtherClose(t *testing.T) {
	inRoom(t, 8, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		root := r.listen(nil)
		a, ma := r.join("a", nil, nil)
		b, mb := r.join("b", nil, nil)
		c, mc := r.join("c", nil, nil)
		before := root.Stats().Epoch
		a.Close()
		<-ma.Done()
		if ma.Err() != io.EOF {
			r.Errorf("the root hears of a's leaving: %v", ma.Err())
		}
		mb.Evict(transport.WSAEACCES, "too loud")
		<-b.Done()
		if !errors.Is(b.Err(), transport.WSAEACCES) || !strings.Contains(b.Err().Error(), "too loud") {
			r.Errorf("b hears: %v", b.Err())
		}
		if _, err := b.Recv(r.ctx, make([]byte, 10)); !errors.Is(err, transport.WSAEACCES) {
			r.Errorf("Recv of an evicted leaf: %v", err)
		}
		time.Sleep(time.Second)
		if after := root.Stats().Epoch; after <= before {
			r.Errorf("epoch %d after two leaves left, %d before", after, before)
		}
		if err := root.Send(r.ctx, []byte("still here")); err != nil { // R220
			r.Error(err)
		}
		p := make([]byte, 100)
		if m, err := c.Recv(r.ctx, p); err != nil || string(p[:m.N]) != "still here" {
			r.Errorf("c: %v", err)
		}
		r.net.Kill("c")
		<-mc.Done()
		if err := mc.Err(); !errors.Is(err, transport.WSAECONNRESET) && !errors.Is(err, transport.WSAECONNABORTED) { // R225
			r.Errorf("the root hears of c's death: %v", err)
		}
		b.Close()
		c.Close()
	})
}

func TestR230_SideChat(t *testing.T) {
	inRoom(t, 9, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		r.listen(nil)
		l, m := r.join("leaf", nil, nil)
		p := make([]byte, 100)
		if err := m.Chat(r.ctx, []byte("psst")); err != nil {
			r.Fatal(err)
		}
		if n, err := l.RecvChat(r.ctx, p); err != nil || string(p[:n]) != "psst" {
			r.Errorf("%q, %v", p[:n], err)
		}
		if err := l.Chat(r.ctx, []byte("what")); err != nil {
			r.Fatal(err)
		}
		if n, err := m.RecvChat(r.ctx, p); err != nil || string(p[:n]) != "what" {
			r.Errorf("%q, %v", p[:n], err)
		}
		if err := l.Chat(r.ctx, make([]byte, 65<<10)); !errors.Is(err, transport.WSAEMSGSIZE) {
			r.Errorf("a chat message that is too long: %v", err)
		}
		l.Close()
	})
}

func TestR187_RolesHold(t *testing.T) {
	inRoom(t, 10, simnet.Link{Delay: time.Millisecond}, func(r *room) {
		root := r.listen(func(c *Config) { c.Role = SendOnly })
		l, _ := r.join("leaf", nil, func(c *Config) { c.Role = ReceiveOnly })
		if err := l.Send(r.ctx, []byte("x")); !errors.Is(err, transport.WSAEOPNOTSUPP) {
			r.Errorf("sending on a receive-only leaf: %v", err)
		}
		failed := make(chan error, 1)
		go func() {
			c := r.config("mute")
			c.Role = SendOnly
			_, err := Join(r.ctx, root.Addr(), nil, c)
			failed <- err
		}()
		if _, err := root.Accept(r.ctx); !errors.Is(err, transport.WSAECONNREFUSED) { // R193
			r.Errorf("a leaf that only sends to a root that only sends: %v", err)
		}
		if err := <-failed; !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("that leaf: %v", err)
		}
		l.Close()
	})
}
