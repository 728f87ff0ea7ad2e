package rooted

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// host listens for invitations.
func (r *room) host(condition func(*Request) Verdict) (*LeafListener, netip.AddrPort) {
	r.Helper()
	c := r.config("guest")
	c.Condition = condition
	l, err := ListenLeaf(r.ctx, testRoot, c)
	if err != nil {
		r.Fatal(err)
	}
	return l, netip.AddrPortFrom(r.net.Host("guest").Addr(), testRoot.Port())
}

func TestR93_ADeferredInvitationStaysFirstInLine(t *testing.T) {
	inRoom(t, 51, quick, func(r *room) {
		root := r.listen(nil)
		var seen []string
		host, at := r.host(func(q *Request) Verdict {
			seen = append(seen, string(q.Data))
			if len(seen) == 1 {
				return Defer
			}
			return Accept
		})
		defer host.Close()
		for _, name := range []string{"first", "second"} {
			go root.Invite(r.ctx, at, []byte(name))
			time.Sleep(100 * time.Millisecond)
		}
		if _, err := host.Accept(r.ctx); !errors.Is(err, transport.WSATRY_AGAIN) {
			r.Errorf("a deferred invitation: %v", err)
		}
		for range 2 {
			l, err := host.Accept(r.ctx)
			if err != nil {
				r.Fatal(err)
			}
			defer l.Close()
		}
		if !slices.Equal(seen, []string{"first", "first", "second"}) {
			r.Errorf("the condition saw %q", seen)
		}
	})
}

func TestInvitations_AreBoundedAndMakeRoomWhenTheyGoAway(t *testing.T) {
	inRoom(t, 52, quick, func(r *room) {
		root := r.listen(nil)
		host, at := r.host(nil)
		defer host.Close()
		ctx, cancel := context.WithCancel(r.ctx)
		gone := make(chan error)
		for range invitationRoom {
			go func() {
				_, err := root.Invite(ctx, at, nil)
				gone <- err
			}()
			time.Sleep(50 * time.Millisecond)
		}
		if _, err := root.Invite(r.ctx, at, nil); !errors.Is(err, transport.WSAECONNREFUSED) || !strings.Contains(err.Error(), "too many") {
			r.Errorf("one too many: %v", err)
		}
		cancel()
		for range invitationRoom {
			if err := <-gone; !errors.Is(err, context.Canceled) {
				r.Errorf("a cancelled invitation: %v", err)
			}
		}
		time.Sleep(time.Second)
		in := make(chan *Leaf, 1)
		go func() {
			l, err := host.Accept(r.ctx)
			for errors.Is(err, transport.WSAECONNRESET) { // those that went away (R100)
				l, err = host.Accept(r.ctx)
			}
			if err != nil {
				r.Error(err)
			}
			in <- l
		}()
		if _, err := root.Invite(r.ctx, at, nil); err != nil {
			r.Errorf("when the others are gone: %v", err)
		}
		if l := <-in; l != nil {
			l.Close()
		}
		if n := len(root.pending) + len(root.arriving); n != 0 {
			r.Errorf("%d are still awaited", n)
		}
	})
}

func TestInvitations_EndWithTheListener(t *testing.T) {
	inRoom(t, 53, quick, func(r *room) {
		root := r.listen(nil)
		deciding, decide := make(chan struct{}), make(chan struct{})
		host, at := r.host(func(*Request) Verdict {
			close(deciding)
			<-decide
			return Defer // nobody is there to come back to it
		})
		invited := make(chan error)
		for range 3 {
			go func() {
				_, err := root.Invite(r.ctx, at, nil)
				invited <- err
			}()
		}
		accepted := make(chan error)
		go func() {
			_, err := host.Accept(r.ctx)
			accepted <- err
		}()
		<-deciding
		time.Sleep(time.Second)
		host.Close()
		close(decide)
		if err := <-accepted; !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("the accept that was under way: %v", err)
		}
		for range 3 {
			if err := <-invited; !errors.Is(err, transport.WSAECONNREFUSED) {
				r.Errorf("an invitation to who stopped listening: %v", err)
			}
		}
		if _, err := host.Accept(r.ctx); !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
			r.Errorf("Accept after Close: %v", err)
		}
	})
}

func TestInvitations_AConditionThatPanicsRefuses(t *testing.T) {
	inRoom(t, 54, quick, func(r *room) {
		root := r.listen(nil)
		host, at := r.host(func(*Request) Verdict { panic("oops") })
		defer host.Close()
		refused := make(chan error, 1)
		go func() {
			_, err := root.Invite(r.ctx, at, nil)
			refused <- err
		}()
		func() {
			defer func() {
				if p := recover(); p != "oops" {
					r.Errorf("the panic came out as %v", p)
				}
			}()
			host.Accept(r.ctx)
		}()
		if err := <-refused; !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("the root hears %v", err)
		}
	})
}

func TestArrivals_ThatFailDoNotEndOthersProbes(t *testing.T) {
	inRoom(t, 55, quick, func(r *room) {
		root := r.listen(nil)
		host, at := r.host(func(*Request) Verdict { return Refuse })
		defer host.Close()
		go func() {
			for {
				if _, err := host.Accept(r.ctx); errors.Is(err, transport.WSA_OPERATION_ABORTED) {
					return
				}
			}
		}()
		for i := range 5 {
			for range 3 { // refusals while the leaf comes in
				go root.Invite(r.ctx, at, nil)
			}
			start := time.Now()
			l, _ := r.join(fmt.Sprintf("leaf%d", i), nil, nil)
			if d := time.Since(start); d >= hearWithin {
				r.Errorf("a join took %v: the group was not heard", d)
			}
			l.Close()
		}
	})
}
