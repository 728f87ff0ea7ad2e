package session

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// busyPoll is that of the sessions that newOnLo makes.
var busyPoll time.Duration

// Whoever polls without an end is ended, and served, like one who sleeps.
func TestTurn_TheSameWhileRecvPolls(t *testing.T) {
	busyPoll = time.Hour
	defer func() { busyPoll = 0 }()
	for name, f := range map[string]func(*testing.T){
		"reads":     TestTurn_RecvReadsTheGroupItself,
		"confirms":  TestTurn_ASlowApplicationStillConfirmsAndAsks,
		"ends":      TestTurn_EverythingThatEndsAWaitEndsItAtTheSocket,
		"same ctx":  TestTurn_ACtxThatCameOftenStillEndsTheWait,
		"done ctx":  TestTurn_WhoPollsWithADoneCtxReceives,
		"new group": TestTurn_GroupIsReplacedWhileRecvWaitsInIt,
		"elsewhere": TestTurn_WhatComesAnotherWayWakesWhoWaitsAtTheSocket,
		"reader":    TestTurn_WhoCameWhileTheReaderReadHasTheTurnThen,
		"three":     TestTurn_TwoThatReceiveGetEverythingOnce,
	} {
		t.Run(name, f)
	}
}

// The poll ends, and then Recv waits at its bell.
func TestTurn_APollThatIsOverLeavesAWaitThatIsServed(t *testing.T) {
	h := newOnLo(t, flow.Reliable, func(_, recv *Config) { recv.BusyPoll = time.Microsecond })
	for n := range uint64(20) {
		done := h.waiting(t, t.Context())
		h.say(t, n, 8)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
