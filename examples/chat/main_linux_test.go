package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
)

// wall is a screen that everybody in the test writes on.
type wall struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *wall) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *wall) until(t *testing.T, n int, line string) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		w.mu.Lock()
		all := w.b.String()
		w.mu.Unlock()
		if strings.Count(all, line+"\n") == n {
			return
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("want %d times %q in\n%s", n, line, all)
		}
	}
}

func TestChat_EverybodyHearsEverybodyAndSideChatsStayAside(t *testing.T) {
	w := new(wall)
	screen = w
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	config := rooted.Config{Identity: crypto.Identity{Code: code}, Source: rooted.Group, Interface: "lo", Data: rooted.NonrootedData}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	anna, ben, cleo := make(chan string), make(chan string), make(chan string)
	done := make(chan error, 3)
	go func() { done <- host(ctx, config, "anna", at, "239.192.7.3:17013", anna) }()
	w.until(t, 1, "* the room is open at "+at+", on lo")
	go func() { done <- guest(ctx, config, "ben", at, ben) }()
	w.until(t, 1, "* ben joins as 2")
	go func() { done <- guest(ctx, config, "cleo", at, cleo) }()
	w.until(t, 1, "* cleo joins as 3")
	if err := guest(ctx, config, "ben", at, nil); err == nil || !strings.Contains(err.Error(), "somebody here is called ben") {
		t.Fatal("a second ben came in: ", err)
	}
	anna <- "welcome"
	w.until(t, 2, "<anna 1> welcome")
	ben <- "\x1b[2Jhello"
	w.until(t, 2, "<ben 2> ?[2Jhello")
	cleo <- "/msg for you alone"
	w.until(t, 1, "(cleo) for you alone")
	anna <- "/msg cleo thanks"
	w.until(t, 1, "(anna) thanks")
	close(ben)
	w.until(t, 1, "* ben leaves")
	close(anna)
	w.until(t, 1, "* the room is closed")
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
