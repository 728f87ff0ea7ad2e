package main

import (
	"crypto/sha256"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/joinleaf/joinleaf/transport"
)

func chatCommand(c *console) *cobra.Command {
	f := &peerFlags{}
	cmd := &cobra.Command{
		Use:   "chat ROOM [flags]",
		Short: "Talk in a room that nobody owns",
		Long: `Chat joins the room of that name, or opens it where there is none: everybody
hears everybody. A room is a session of equals on a group that follows from its
name. What you type goes to the others, after each line.

Without --code-file the join code is kept in a file of your own, so that two
terminals of one user meet with nothing more said; members elsewhere need a copy,
which chat names when it begins.`,
		Example: `  joinleaf chat lunch --iface eth0
  joinleaf chat lunch --iface eth0 --name ben --code-file code`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !roomName(args[0]) {
				return usage("chat takes the name of a room, 1 to 40 letters, digits, - or _")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.json = f.json
			if f.codeFile == "" && c.getenv(codeVariable) == "" {
				file, err := roomCode(args[0])
				if err != nil {
					return err
				}
				f.codeFile = file
			}
			code, err := c.senderCode(f.codeFile)
			if err != nil {
				return err
			}
			if f.codeFile != "" && isTerminal(c) {
				c.note("the join code is in %s", f.codeFile)
			}
			return (&talk{c: c, f: f, group: roomGroup(args[0]), code: code, room: args[0]}).run(cmd.Context())
		},
	}
	f.add(cmd)
	return cmd
}

func roomName(s string) bool {
	return s != "" && len(s) <= 40 && strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
	}) < 0
}

// roomGroup is where the room of that name is: like drawGroup's, but always the
// same.
func roomGroup(room string) transport.Group {
	h := sha256.Sum256([]byte("joinleaf room\x00" + room))
	a := netip.AddrFrom4([4]byte{239, 192 + h[0]%4, h[1], 1 + h[2]%254})
	port := 10_000 + (int(h[3])<<8|int(h[4]))%10_000*2 // even: the next one is the membership's
	return transport.Group{Addr: netip.AddrPortFrom(a, uint16(port))}
}

// roomCode is the file for a room's code where none was named.
func roomCode(room string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", usage("no join code: %w; %s", err, howToGiveACode)
	}
	dir = filepath.Join(dir, "joinleaf")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", usage("no join code: %w; %s", err, howToGiveACode)
	}
	return filepath.Join(dir, "room-"+room), nil
}
