package main

import (
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/rooted"
)

func TestSource_ReachesTheSessionAndIsSignedUnlessSaidOtherwise(t *testing.T) {
	for word, want := range map[string]rooted.SourceLevel{"signed": rooted.Signed, "eager": rooted.SignedEager, "group": rooted.Group} {
		s, err := parseSource(word)
		if err != nil || s.String() != word {
			t.Fatalf("%q: %v, %v", word, s, err)
		}
		if c := (library{}).config(plan{Source: s}); c.Source != want || c.Source.String() != word {
			t.Errorf("%q is %v to the library", word, c.Source)
		}
	}
	if c := (library{}).config(plan{}); c.Source != rooted.Signed {
		t.Errorf("the default is %v", c.Source)
	}
	for _, word := range []string{"", "Signed", "none", "0"} {
		if _, err := parseSource(word); exitOf(err) != exitUsage {
			t.Errorf("%q: %v", word, err)
		}
	}
}

// A sender that does not sign says so, and gives the other side the word to copy.
func TestSource_IsToldWhereItIsNotTheDefault(t *testing.T) {
	for source, told := range map[string]bool{"signed": false, "eager": true, "group": true} {
		hall, env := &fakeHall{}, codeEnv(t)
		send := start(t, hall, strings.NewReader("x"), env, "send", "--in", "-", "--iface", "lo", "--source", source)
		send.until(t, "other side")
		recv := start(t, hall, nil, env, "recv", "127.0.0.1:7654", "--out", "-", "--source", source)
		wantExit(t, "send", send, exitDone)
		wantExit(t, "recv", recv, exitDone)
		said := send.stderr.String()
		if strings.Contains(said, "--source "+source) != told || strings.Contains(said, "could pose as this sender") != (source == "group") {
			t.Errorf("--source %s: %s", source, said)
		}
	}
}
