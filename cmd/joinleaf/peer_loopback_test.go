package main

import (
	"crypto/fips140"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/crypto"
)

// startPeer starts a member whose keyboard the test has.
func startPeer(t *testing.T, env map[string]string, args ...string) (*process, io.WriteCloser) {
	t.Helper()
	if fips140.Enforced() {
		t.Skip("equals talk DTLS, which is refused in FIPS mode")
	}
	in, out := io.Pipe()
	t.Cleanup(func() { out.Close() })
	p := start(t, library{}, in, env, append(args, "--iface", loopback(t))...)
	if strings.Contains(strings.Join(args, " "), "--json") {
		p.until(t, `"event":"joined"`)
	} else {
		p.until(t, "member  ")
	}
	return p, out
}

func TestLoopback_PeersHearEachOtherAndGoOnWithoutTheFirst(t *testing.T) {
	group := fmt.Sprintf("239.192.7.9:%d", freePort(t)&^1)
	file := filepath.Join(t.TempDir(), "code")
	anna, annaSays := startPeer(t, nil, "peer", group, "--code-file", file, "--name", "anna")
	anna.until(t, "created "+file)
	ben, benSays := startPeer(t, nil, "peer", group, "--code-file", file, "--name", "ben")
	anna.until(t, "* ben 2 joins")
	ben.until(t, "* anna 1 is here")
	cleo, cleoSays := startPeer(t, nil, "peer", group, "--code-file", file, "--name", "cleo", "--json")
	ben.until(t, "* cleo 3 joins")
	fmt.Fprintln(annaSays, "hello \x1b[2J all")
	ben.untilOut(t, "hello ?[2J all\n")
	cleo.untilOut(t, "hello ?[2J all\n")
	annaSays.Close()
	wantExit(t, "anna", anna, exitDone)
	ben.until(t, "* ben 2 coordinates")
	cleo.until(t, `"called":"ben","view":8589934593}`)
	fmt.Fprintln(benSays, "still here")
	cleo.untilOut(t, "hello ?[2J all\nstill here\n")
	benSays.Close()
	wantExit(t, "ben", ben, exitDone)
	cleoSays.Close()
	wantExit(t, "cleo", cleo, exitDone)
}

func TestLoopback_PeerWithAnotherCodeIsToldSo(t *testing.T) {
	group := fmt.Sprintf("239.192.7.10:%d", freePort(t)&^1)
	_, says := startPeer(t, codeEnv(t), "peer", group)
	defer says.Close()
	p := start(t, library{}, strings.NewReader(""), codeEnv(t), "peer", group, "--iface", loopback(t))
	wantExit(t, "the stranger", p, exitRefused)
	if !strings.Contains(p.stderr.String(), "another join code") {
		t.Error(p.stderr.String())
	}
}

func TestLoopback_ChatMeetsByTheRoomsName(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	room := fmt.Sprintf("test-%d-%d", os.Getpid(), freePort(t))
	anna, annaSays := startPeer(t, nil, "chat", room, "--name", "anna")
	ben, benSays := startPeer(t, nil, "chat", room, "--name", "ben")
	anna.until(t, "* ben 2 joins")
	fmt.Fprintln(annaSays, "lunch?")
	ben.untilOut(t, "<anna 1> lunch?\n")
	anna.interrupt()
	wantExit(t, "anna", anna, exitInterrupted)
	benSays.Close()
	wantExit(t, "ben", ben, exitDone)
	annaSays.Close()
	b, err := os.ReadFile(filepath.Join(home, "joinleaf", "room-"+room))
	if err != nil {
		t.Skip("codes are kept elsewhere on this system: ", err)
	}
	if _, err := crypto.ParseCode(string(b)); err != nil {
		t.Error("the room's code: ", err)
	}
}

func TestPeer_WhatIsNoGroupIsRefused(t *testing.T) {
	for _, args := range [][]string{{"peer"}, {"peer", "10.0.0.1:7"}, {"peer", "239.1.2.3"}, {"chat"}, {"chat", "two words"}, {"chat", "../x"}} {
		p := start(t, library{}, strings.NewReader(""), codeEnv(t), args...)
		if code := p.wait(t); code != exitUsage {
			t.Errorf("%q exits %d", args, code)
		}
	}
}
