package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/nonrooted"
	"github.com/joinleaf/joinleaf/transport"
)

// peerFlags are what the user typed, of peer and of chat.
type peerFlags struct {
	iface, codeFile, name string
	ttl                   int
	stay, json            bool
}

func (f *peerFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.iface, "iface", "auto", "interface: name, index, address or auto")
	fl.StringVar(&f.codeFile, "code-file", "", "file with the join code; created with a fresh one if missing")
	fl.StringVar(&f.name, "name", "", "what the others see you called; left out, your user name")
	fl.IntVar(&f.ttl, "ttl", 1, "how far it goes: 1 stays on this network, each router takes one")
	fl.BoolVar(&f.json, "json", false, "lines of JSON on stderr in place of text")
}

func peerCommand(c *console) *cobra.Command {
	f := &peerFlags{}
	cmd := &cobra.Command{
		Use:   "peer GROUP:PORT [flags]",
		Short: "Join a session of equals: lines to all others, theirs to stdout",
		Long: `Peer joins the session on a group, or founds it where there is none. Nobody
owns it: whoever leaves, or dies, the others go on. Lines of stdin go to all
other members, in order and whole; their lines go to stdout.

The membership uses the next port as well: let GROUP:PORT and GROUP:PORT+1 pass.

At the end of stdin it leaves, once everybody has everything; with --stay it
goes on listening until it is interrupted.

Exit codes: 0 done, 1 usage, 2 refused or timed out, 3 something was missed, 130
interrupted.`,
		Example: `  joinleaf peer 239.192.7.4:17004 --iface eth0 --code-file code
  tail -f log | joinleaf peer 239.192.7.4:17004 --iface eth0 --code-file code`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("peer takes one group, the same at all members, such as 239.192.7.4:17004")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.json = f.json
			g, err := transport.ParseGroup(args[0])
			if err != nil {
				return usage("%w", err)
			}
			code, err := c.senderCode(f.codeFile)
			if err != nil {
				return err
			}
			return (&talk{c: c, f: f, group: g, code: code}).run(cmd.Context())
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.stay, "stay", false, "go on listening after the end of stdin")
	return cmd
}

// config is the member's.
func (t *talk) config() nonrooted.Config {
	return nonrooted.Config{
		Network: kernel(), Interface: t.f.iface, Identity: crypto.Identity{Code: t.code}, Name: t.room,
		Data: []byte(t.name()), TTL: t.f.ttl,
	}
}

// name is what the others see.
func (t *talk) name() string {
	name := t.f.name
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	if name = printable(name); name == "" {
		name = "somebody"
	}
	return string([]rune(name)[:min(len([]rune(name)), 40)])
}

// printable keeps others from drawing on our screen, and a line one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\t' {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
}

// cannotMeet turns what stands in the way of joining into a failure.
func cannotMeet(group transport.Group, err error) error {
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case errors.Is(err, crypto.ErrProof):
		return &failure{exit: exitRefused, err: err, text: fmt.Sprintf(
			"cannot join %v: the session there has another join code; copy a member's code file and name it with --code-file", group.Addr)}
	case unreachable(err), timedOut(err), errors.Is(err, transport.WSAEACCES), errors.Is(err, transport.WSAECONNREFUSED):
		return failed(exitRefused, "cannot join %v: %w", group.Addr, err)
	}
	return usage("cannot join %v: %w", group.Addr, err)
}

// interruptedBy tells the first interrupt from other ends.
func interruptedBy(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errInterrupted) }

// isTerminal is for hints that only people need.
func isTerminal(c *console) bool {
	f, ok := c.stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
