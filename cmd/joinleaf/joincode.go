package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/terminal"
	"github.com/joinleaf/joinleaf/crypto"
)

// codeVariable may hold the join code. It is unset once read, so that no child
// process inherits it.
const codeVariable = "JOINLEAF_CODE"

// howToGiveACode ends every sentence about a missing code (F-27).
const howToGiveACode = "name a file with --code-file, or set " + codeVariable

// senderCode finds the sender's code, and makes a fresh one where --code-file
// names a file that is not there yet.
func (c *console) senderCode(file string) (crypto.JoinCode, error) {
	code, found, err := c.givenCode(file)
	switch {
	case err != nil || found:
		return code, err
	case file == "":
		return code, usage("no join code: %s; a code file that is missing is created with a fresh code", howToGiveACode)
	}
	return c.createCode(file)
}

// receiverCode finds the receiver's code, and asks for it on a terminal.
func (c *console) receiverCode(file string) (crypto.JoinCode, error) {
	code, found, err := c.givenCode(file)
	switch {
	case err != nil || found:
		return code, err
	case file != "":
		return code, usage("cannot read the join code: %s is not there; copy the file that the sender made", file)
	}
	in, ok := c.stdin.(*os.File)
	if !ok || !terminal.Is(in) {
		return code, usage("no join code: %s", howToGiveACode)
	}
	remove := func() {}
	line, err := terminal.ReadSecret(in, c.stderr, "Join code (not shown): ", func(back func()) { remove = c.last.add(back) })
	remove()
	if err != nil {
		return code, usage("no join code was typed: %w; %s", err, howToGiveACode)
	}
	return parseCode("what was typed", line)
}

// givenCode reads the environment, then the file if it is there.
func (c *console) givenCode(file string) (code crypto.JoinCode, found bool, err error) {
	text := c.getenv(codeVariable)
	if text != "" {
		if err := c.unsetenv(codeVariable); err != nil {
			return code, false, usage("cannot unset %s: %w", codeVariable, err)
		}
		if file == "" {
			code, err = parseCode(codeVariable, text)
			return code, true, err
		}
	}
	if file == "" {
		return code, false, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return code, false, nil
	}
	if err != nil {
		return code, false, usage("cannot read the join code: %w", err)
	}
	defer f.Close()
	c.warnIfReadable(f)
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return code, false, usage("cannot read the join code: %w", err)
	}
	code, err = parseCode(file, string(b))
	return code, true, err
}

// parseCode never repeats the text: what is not a valid code is often nearly one.
func parseCode(where, text string) (crypto.JoinCode, error) {
	code, err := crypto.ParseCode(strings.TrimSpace(text))
	if err != nil {
		return code, usage("%s holds no valid join code; copy the sender's code file again", where)
	}
	return code, nil
}

// warnIfReadable tells of a code file that others can read.
func (c *console) warnIfReadable(f *os.File) {
	info, err := f.Stat()
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		c.warn("others on this host can read %s; run: chmod 600 %s", f.Name(), f.Name())
	}
}

// createCode makes a fresh code and a file for it, which appears whole: who
// waits for the file must not find it empty.
func (c *console) createCode(file string) (crypto.JoinCode, error) {
	code, err := crypto.NewCode()
	if err != nil {
		return code, usage("cannot make a join code: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".joincode-*") // mode 0600
	if err != nil {
		return code, usage("cannot create the code file %s: %w", file, bare(err))
	}
	defer os.Remove(temp.Name())
	err = writeCode(temp, code)
	if err == nil {
		err = os.Link(temp.Name(), file) // unlike a rename it never replaces a file
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
		var f *os.File
		if f, err = os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			err = writeCode(f, code)
		}
	}
	switch {
	case err == nil:
		c.note("created %s with a fresh join code; receivers need a copy", file)
		return code, nil
	case errors.Is(err, fs.ErrExist): // another sender was quicker: its code counts
		code, _, err = c.givenCode(file)
		return code, err
	}
	return code, usage("cannot create the code file %s: %w", file, err)
}

// bare takes the path off a file system's error, for sentences that have it.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

func writeCode(f *os.File, code crypto.JoinCode) error {
	_, err := f.WriteString(code.Reveal() + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// refuseCodes finds a join code among the arguments, where every user of the
// host can read it, and refuses it without repeating it (F-27).
func refuseCodes(args []string) error {
	for _, a := range args {
		_, value, _ := strings.Cut(a, "=")
		for _, s := range []string{a, value} {
			if _, err := crypto.ParseCode(s); s != "" && err == nil || nearCode(s) {
				return errCodeInArguments
			}
		}
	}
	return nil
}

// nearCode reports whether s reads like a code that was cut or mistyped: most of a
// secret. It has five groups of four or more, one of another length at most, a
// letter, and a digit or nothing in small letters, which names of files seldom have.
func nearCode(s string) bool {
	groups, odd := strings.Split(s, "-"), 0
	for _, g := range groups {
		if len(g) != 4 {
			odd++
		}
	}
	const digits, small, big = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return len(groups) >= 5 && odd <= 1 && strings.Trim(s, digits+small+big+"-") == "" && strings.ContainsAny(s, small+big) &&
		(strings.ContainsAny(s, digits) || !strings.ContainsAny(s, small))
}

var errCodeInArguments = usage("a join code on the command line is seen by every user of this host: make a new one, and %s", howToGiveACode)
