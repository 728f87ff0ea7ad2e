package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"unicode"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// room is the host's list of who is there.
type room struct {
	host string
	root *rooted.Root

	mu     sync.Mutex
	guests map[string]*rooted.Member
	taken  map[string]bool // by name: here, or on the way in
}

// host opens the room, admits guests and speaks.
func host(ctx context.Context, config rooted.Config, name, listen, group string, typed <-chan string) error {
	r := &room{host: name, guests: map[string]*rooted.Member{}, taken: map[string]bool{name: true}}
	var err error
	if config.Control, err = resolve(listen); err != nil {
		return err
	}
	g, err := transport.ParseGroup(group)
	if err != nil {
		return err
	}
	config.Condition = r.condition
	if r.root, err = rooted.Listen(ctx, g, config); err != nil {
		return err
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	defer r.root.Close()
	show("* the room is open at %v, on %s", r.root.Addr(), r.root.Choice().Interface.Name)
	busy.Go(func() { r.admit(ctx, &busy) })
	busy.Go(func() { hear(ctx, r.root.Recv) })
	return r.speak(ctx, typed)
}

// condition lets in who has a name of their own, and tells the host's.
func (r *room) condition(q *rooted.Request) rooted.Verdict {
	name := string(q.Data)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !plainName(name):
		q.Reason = "a name has 1 to 20 letters or digits"
		return rooted.Refuse
	case r.taken[name]:
		q.Reason = "somebody here is called " + name
		return rooted.Refuse
	}
	r.taken[name] = true
	q.Callee = []byte(r.host)
	return rooted.Accept
}

// admit ends when the root is closed.
func (r *room) admit(ctx context.Context, busy *sync.WaitGroup) {
	for {
		m, err := r.root.Accept(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		case err != nil: // refused, or gone before it was in
			continue
		}
		name := string(m.CallerData())
		r.mu.Lock()
		r.guests[name] = m
		r.mu.Unlock()
		show("* %s joins as %d", name, m.ID())
		busy.Go(func() { r.listen(ctx, name, m) })
	}
}

// listen shows what one guest says to the host alone, until the guest is gone.
func (r *room) listen(ctx context.Context, name string, m *rooted.Member) {
	p := make([]byte, 1<<16)
	for {
		n, err := m.RecvChat(ctx, p)
		if err != nil {
			break
		}
		show("(%s) %s", name, printable(string(p[:n])))
	}
	r.mu.Lock()
	delete(r.guests, name)
	delete(r.taken, name)
	r.mu.Unlock()
	show("* %s leaves", name)
}

func (r *room) speak(ctx context.Context, typed <-chan string) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case text, ok := <-typed:
			if !ok {
				return r.root.Shutdown(ctx)
			}
			if rest, side := strings.CutPrefix(text, "/msg "); side {
				r.whisper(ctx, rest)
				continue
			}
			if err := r.root.Send(ctx, say(r.host, text)); err != nil {
				return err
			}
		}
	}
}

// whisper sends to one guest over the side chat.
func (r *room) whisper(ctx context.Context, rest string) {
	name, text, _ := strings.Cut(rest, " ")
	r.mu.Lock()
	m := r.guests[name]
	r.mu.Unlock()
	if m == nil {
		show("* nobody here is called %s", name)
		return
	}
	if err := m.Chat(ctx, []byte(text)); err != nil {
		show("* %v", err)
	}
}

// hear shows what comes over the group until the session ends.
func hear(ctx context.Context, recv func(context.Context, []byte) (rooted.Message, error)) {
	p := make([]byte, 1<<20)
	for {
		m, err := recv(ctx, p)
		if err != nil {
			return
		}
		if m.Missed > 0 {
			show("* %d messages were lost", m.Missed)
		}
		if name, text, ok := strings.Cut(string(p[:m.N]), "\x00"); ok {
			show("<%s %d> %s", printable(name), m.From, printable(text))
		}
	}
}

func plainName(s string) bool {
	return s != "" && len(s) <= 20 && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) < 0
}

// printable keeps others from drawing on our screen.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
