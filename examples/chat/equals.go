package main

import (
	"context"
	"strings"
	"sync"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/nonrooted"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// equals is a room that nobody owns.
func equals(ctx context.Context, o options, typed <-chan string) error {
	code, err := readCode(o.code, true)
	if err != nil {
		return err
	}
	g, err := transport.ParseGroup(o.group)
	if err != nil {
		return err
	}
	p, err := nonrooted.Join(ctx, g, nonrooted.Config{
		Identity: crypto.Identity{Code: code}, Interface: o.iface, Data: []byte(o.name),
	})
	if err != nil {
		return err
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	defer p.Close()
	show("* you are in the room, as %d", p.ID())
	busy.Go(func() {
		hear(ctx, func(ctx context.Context, b []byte) (rooted.Message, error) {
			m, err := p.Recv(ctx, b)
			return m.Message, err
		})
	})
	busy.Go(func() { watch(ctx, p) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.Done():
			return p.Err()
		case text, ok := <-typed:
			switch {
			case !ok:
				return p.Shutdown(ctx)
			case strings.HasPrefix(text, "/msg "):
				show("* there are no side chats among equals")
			default:
				if err := p.Send(ctx, say(o.name, text)); err != nil {
					return err
				}
			}
		}
	}
}

// watch shows who comes and goes.
func watch(ctx context.Context, p *nonrooted.Peer) {
	for {
		e, err := p.NextEvent(ctx)
		if err != nil {
			return
		}
		name := printable(string(e.Member.Data))
		switch {
		case e.Kind == nonrooted.Joined && e.Member.ID != p.ID():
			show("* %s joins as %d", name, e.Member.ID)
		case e.Kind == nonrooted.Left:
			show("* %s leaves", name)
		case e.Kind == nonrooted.Merged:
			show("* two rooms are one now; you are %d", p.ID())
		case e.Kind == nonrooted.InterfaceLost, e.Kind == nonrooted.InterfaceBack:
			show("* %s", e.Text)
		}
	}
}
