package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

func TestChat_OneChangedLineAndNobodyOwnsTheRoom(t *testing.T) {
	w := new(wall)
	screen = w
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	kind := equals // the one line
	o := options{code: filepath.Join(t.TempDir(), "room"), group: "239.192.7.3:17014", iface: "lo"}
	enter := func(name string, typed <-chan string, done chan<- error) {
		o := o
		o.name = name
		go func() { done <- kind(ctx, o, typed) }()
	}
	anna, ben, cleo := make(chan string), make(chan string), make(chan string)
	done := make(chan error, 3)
	enter("anna", anna, done)
	w.until(t, 1, "* you are in the room, as 1")
	enter("ben", ben, done)
	w.until(t, 1, "* ben joins as 2")
	enter("cleo", cleo, done)
	w.until(t, 2, "* cleo joins as 3")
	cleo <- "hello"
	w.until(t, 2, "<cleo 3> hello")
	close(anna) // who opened the room goes, and it stays open
	w.until(t, 2, "* anna leaves")
	ben <- "still here"
	w.until(t, 1, "<ben 2> still here")
	close(ben)
	close(cleo)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
