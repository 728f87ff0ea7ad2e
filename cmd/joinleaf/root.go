package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// execute runs one command line and returns the exit code.
func execute(c *console, args []string) int {
	return executeWith(c, library{}, args)
}

// executeWith is execute over sessions of the caller's choice.
func executeWith(c *console, open opener, args []string) int {
	err := refuseCodes(args)
	cmd := rootCommand(c, open)
	if err == nil {
		cmd.SetArgs(args)
		err = cmd.ExecuteContext(context.Background())
	}
	if err != nil {
		c.say(trouble{Text: sentence(err), Exit: exitOf(err)})
	}
	return exitOf(err)
}

func rootCommand(c *console, open opener) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "joinleaf",
		Short: "Send once, reach many: reliable, encrypted multicast",
		Long: `Joinleaf sends files, streams and datagrams once to many receivers over IP
multicast: admitted one by one, encrypted, repaired.

Try it:          joinleaf demo
Then, to send:   joinleaf send --in FILE --code-file code
and to receive:  the line that send shows, on the other machine

The join code is a secret: it comes from a file or from ` + codeVariable + `, never
from the command line.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetOut(c.stdout)
	cmd.SetErr(c.stderr)
	cmd.SetIn(c.stdin)
	cmd.AddCommand(demoCommand(c, open), sendCommand(c, open), recvCommand(c, open), peerCommand(c), chatCommand(c), benchCommand(c, open), versionCommand(c))
	for _, sub := range cmd.Commands() {
		refuseCodeFlag(sub)
		for _, below := range sub.Commands() {
			refuseCodeFlag(below)
		}
	}
	return cmd
}

// refuseCodeFlag answers those who look for a flag that takes the code itself.
func refuseCodeFlag(cmd *cobra.Command) {
	if cmd.Flags().Lookup("code-file") == nil {
		return
	}
	for _, name := range []string{"code", "key", "password", "passphrase", "secret"} {
		cmd.Flags().Var(literalCode{}, name, "refused")
		_ = cmd.Flags().MarkHidden(name)
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if errors.Is(err, errCodeInArguments) || strings.Contains(err.Error(), errCodeInArguments.Error()) {
			return errCodeInArguments // pflag's own words repeat the value
		}
		return usage("%w; run %s --help", err, cmd.CommandPath())
	})
}

// literalCode is a flag that takes no value.
type literalCode struct{}

func (literalCode) Set(string) error { return errCodeInArguments }
func (literalCode) String() string   { return "" }
func (literalCode) Type() string     { return "string" }

// trouble is the one sentence of a command that failed.
type trouble struct {
	Text string `json:"text"`
	Exit int    `json:"exit"`
}

func (trouble) name() string     { return "error" }
func (t trouble) String() string { return "joinleaf: " + t.Text }

// sentence makes one line of an error's text.
func sentence(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

func versionCommand(c *console) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c.json = asJSON
			c.report(buildFacts{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object in place of text")
	return cmd
}

type buildFacts struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (buildFacts) name() string { return "version" }
func (b buildFacts) String() string {
	return fmt.Sprintf("joinleaf %s (%s, %s)", b.Version, b.Go, b.Platform)
}

// version is the module's, as go install or a build of a checkout recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
