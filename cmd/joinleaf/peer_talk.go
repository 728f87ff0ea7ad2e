package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/nonrooted"
	"github.com/joinleaf/joinleaf/transport"
)

// longestLine bounds a line that goes to the group.
const longestLine = 64 << 10

// talk is one run of peer or chat.
type talk struct {
	c     *console
	f     *peerFlags
	group transport.Group
	code  crypto.JoinCode
	room  string // chat's; lines then show who said them

	peer   *nonrooted.Peer
	missed atomic.Uint64
}

func (t *talk) run(parent context.Context) error {
	ctx, done := t.c.untilStopped(parent)
	defer done()
	var err error
	if t.peer, err = nonrooted.Join(ctx, t.group, t.config()); err != nil {
		if interruptedBy(ctx) {
			return errInterrupted
		}
		return cannotMeet(t.group, err)
	}
	defer t.peer.Close()
	t.c.say(met{t.room, t.peer.View(), t.peer.Interface(), t.group, t.f.codeFile})
	go t.events()
	heard := make(chan error, 1)
	go func() { heard <- t.hear() }()
	err = t.speak(ctx)
	if err == nil && t.f.stay && !interruptedBy(ctx) {
		select {
		case <-ctx.Done():
		case <-t.peer.Done():
			err = t.peer.Err()
		}
	}
	leave, cancel := context.WithTimeout(parent, 10*time.Second)
	defer cancel()
	if end := t.peer.Shutdown(leave); err == nil && !errors.Is(end, net.ErrClosed) {
		err = end
	}
	<-heard
	switch {
	case interruptedBy(ctx):
		return errInterrupted
	case err != nil:
		return failed(exitRefused, "the session ended: %w", err)
	case t.missed.Load() > 0:
		return failed(exitLost, "%d messages were missed", t.missed.Load())
	}
	return nil
}

// speak sends line by line until stdin ends.
func (t *talk) speak(ctx context.Context) error {
	lines, failed := make(chan string), make(chan error, 1)
	go func() {
		s := bufio.NewScanner(t.c.stdin)
		s.Buffer(nil, longestLine)
		for s.Scan() {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			case <-t.peer.Done():
				return
			}
		}
		failed <- s.Err()
	}()
	for {
		select {
		case line := <-lines:
			if err := t.peer.Send(ctx, []byte(line)); err != nil && ctx.Err() == nil {
				return err
			}
		case err := <-failed:
			if errors.Is(err, bufio.ErrTooLong) {
				return fmt.Errorf("a line has more than %d bytes: %w", longestLine, err)
			}
			return err
		case <-t.peer.Done():
			return t.peer.Err()
		case <-ctx.Done():
			return nil
		}
	}
}

// hear writes what others say, until the session ends.
func (t *talk) hear() error {
	b := make([]byte, 1<<20)
	for {
		m, err := t.peer.Recv(context.Background(), b)
		if err != nil {
			return err
		}
		if m.Missed > 0 {
			t.missed.Add(m.Missed)
			t.c.warn("%d messages were lost", m.Missed)
		}
		line := printable(string(b[:m.N]))
		if t.room != "" {
			line = "<" + callName(m.Member) + "> " + line
		}
		if _, err := io.WriteString(t.c.stdout, line+"\n"); err != nil {
			return err
		}
	}
}

// callName is what to call a member: names are their own word, ids are not.
func callName(m *nonrooted.Member) string {
	if m == nil {
		return "?"
	}
	return printable(string(m.Data)) + " " + strconv.FormatUint(uint64(m.ID), 10)
}

// events tells who comes and goes.
func (t *talk) events() {
	for {
		e, err := t.peer.NextEvent(context.Background())
		if err != nil {
			return
		}
		if e.Kind == nonrooted.Rekeyed || e.Kind == nonrooted.Joined && e.Member.ID == t.peer.ID() {
			continue
		}
		t.c.say(happening{Kind: e.Kind.String(), Member: e.Member.ID, Called: printable(string(e.Member.Data)), Text: e.Text, View: e.View,
			before: e.Member.ID < t.peer.ID()})
	}
}

// happening is news of the session.
type happening struct {
	Kind   string `json:"kind"`
	Member uint32 `json:"member,omitempty"`
	Called string `json:"called,omitempty"`
	Text   string `json:"text,omitempty"`
	View   uint64 `json:"view,omitempty"`

	before bool // it came before this member did: ids rise
}

func (happening) name() string { return "membership" }

func (h happening) String() string {
	switch h.Kind {
	case "joined":
		if h.before {
			return fmt.Sprintf("* %s %d is here", h.Called, h.Member)
		}
		return fmt.Sprintf("* %s %d joins", h.Called, h.Member)
	case "left":
		return fmt.Sprintf("* %s %d is gone", h.Called, h.Member)
	case "leads":
		return fmt.Sprintf("* %s %d coordinates", h.Called, h.Member)
	case "merged":
		return "* two sessions are one now"
	case "parted", "interface lost", "interface back":
		return "* " + h.Text
	case "quarantined":
		return fmt.Sprintf("* %s %d drags the others and may miss what is said: %s", h.Called, h.Member, h.Text)
	case "returned":
		return fmt.Sprintf("* %s %d keeps up again", h.Called, h.Member)
	}
	return ""
}

// met is the start-up block.
type met struct {
	room   string
	view   nonrooted.View
	choice transport.Choice
	group  transport.Group
	file   string
}

func (met) name() string { return "joined" }

func (m met) MarshalJSON() ([]byte, error) {
	return facts{Session: m.room, Group: m.group, Interface: m.choice.Interface.Name, Why: m.choice.Reason}.json(map[string]any{
		"member": m.view.Self, "members": len(m.view.Members), "coordinator": m.view.Coordinator,
	})
}

func (m met) String() string {
	who := "nobody else is here yet"
	if n := len(m.view.Members); n > 1 {
		who = fmt.Sprintf("%d are here, member %d coordinates", n, m.view.Coordinator)
	}
	s := fmt.Sprintf("joinleaf %s\n  group       %v and the next port (UDP)\n  interface   %s%s\n  member      %d; %s",
		version(), m.group.Addr, m.choice.Interface.Name, because(m.choice.Reason), m.view.Self, who)
	if m.room != "" {
		s += "\n  room        " + m.room
	}
	return s
}
