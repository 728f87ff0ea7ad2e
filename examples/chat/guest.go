package main

import (
	"context"
	"strings"
	"sync"

	"github.com/joinleaf/joinleaf/rooted"
)

// guest joins the room and speaks.
func guest(ctx context.Context, config rooted.Config, name, join string, typed <-chan string) error {
	address, err := resolve(join)
	if err != nil {
		return err
	}
	leaf, err := rooted.Join(ctx, address, []byte(name), config)
	if err != nil {
		return err
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	defer leaf.Close()
	host := printable(string(leaf.CalleeData()))
	show("* you are in %s's room, as %d", host, leaf.ID())
	busy.Go(func() { hear(ctx, leaf.Recv) })
	busy.Go(func() {
		p := make([]byte, 1<<16)
		for {
			n, err := leaf.RecvChat(ctx, p)
			if err != nil {
				return
			}
			show("(%s) %s", host, printable(string(p[:n])))
		}
	})
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-leaf.Done():
			show("* the room is closed")
			return nil
		case text, ok := <-typed:
			if !ok {
				return leaf.Shutdown(ctx)
			}
			if rest, side := strings.CutPrefix(text, "/msg "); side {
				err = leaf.Chat(ctx, []byte(rest))
			} else {
				err = leaf.Send(ctx, say(name, text))
			}
			if err != nil {
				return err
			}
		}
	}
}
