package parcel

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// sent plays a sender: data of the given offsets out of "0123456789", then End.
func sent(t *testing.T, l *Ledger, how How, offsets ...int) Result {
	t.Helper()
	text := []byte("0123456789")
	for _, o := range offsets {
		p, ok, err := l.Take(Data{uint64(o), text[o : o+1]}.Append(nil))
		if err != nil || !ok || p.At != uint64(o) || string(p.B) != string(text[o:o+1]) {
			t.Fatalf("offset %d: %v %v %v", o, p, ok, err)
		}
	}
	if _, ok, err := l.Take(End{how, 10, sha256.Sum256(text)}.Append(nil)); ok || err != nil {
		t.Fatalf("end: %v %v", ok, err)
	}
	return l.Close()
}

func TestLedger_WhatItSaysOfAFile(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, c := range []struct {
		name    string
		how     How
		offsets []int
		verdict Verdict
		missing uint64
		words   string
	}{
		{"all of it", Finished, all, Complete, 0, ""},
		{"joined late", Finished, all[4:], FromLater, 0, "the first 4 bytes went before this receiver joined"},
		{"a hole", Finished, []int{0, 1, 4, 5, 6, 7, 8, 9}, Incomplete, 2, "2 bytes missing in 1 place: 2-3"},
		{"two holes, one at the end", Finished, []int{0, 1, 2, 3, 5, 6, 7}, Incomplete, 3, "2 places: 4, 8-9"},
		{"late and a hole", Finished, []int{3, 5, 6, 7, 8, 9}, Incomplete, 1, "the first 3 bytes went"},
		{"nothing came", Finished, nil, Incomplete, 10, "nothing came of the 10 bytes"},
		{"stopped", Interrupted, all, Incomplete, 0, "interrupted after 10 bytes"},
		{"unreadable", InputFailed, all, Incomplete, 0, "could not read its input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sent(t, NewLedger(Head{Kind: File, Size: 10}), c.how, c.offsets...)
			if r.Verdict != c.verdict || r.Missing != c.missing || !strings.Contains(r.Text, c.words) || (c.words == "") != (r.Text == "") {
				t.Fatalf("got %+v, want %v, %d missing, %q", r, c.verdict, c.missing, c.words)
			}
		})
	}
}

func TestLedger_EmptyFileIsComplete(t *testing.T) {
	l := NewLedger(Head{Kind: File})
	if _, _, err := l.Take(End{Sum: sha256.Sum256(nil)}.Append(nil)); err != nil || !l.Whole() {
		t.Fatalf("whole %v, err %v", l.Whole(), err)
	}
	if r := l.Close(); r.Verdict != Complete || r.Text != "" {
		t.Fatalf("%+v", r)
	}
}

func TestLedger_OtherBytesFailTheChecksum(t *testing.T) {
	l := NewLedger(Head{Kind: Stream, Size: UnknownSize})
	l.Take(Data{0, []byte("evil")}.Append(nil))
	l.Take(End{Total: 4, Sum: sha256.Sum256([]byte("good"))}.Append(nil))
	if r := l.Close(); r.Verdict != Incomplete || !strings.Contains(r.Text, "checksum") {
		t.Fatalf("%+v", r)
	}
}

func TestLedger_FileThatGrewIsNotComplete(t *testing.T) {
	l := NewLedger(Head{Kind: File, Size: 3})
	l.Take(Data{0, []byte("four")}.Append(nil))
	l.Take(End{Total: 4, Sum: sha256.Sum256([]byte("four"))}.Append(nil))
	if r := l.Close(); r.Verdict != Incomplete || !strings.Contains(r.Text, "changed while") {
		t.Fatalf("%+v", r)
	}
}

func TestLedger_SenderThatVanishedIsNotComplete(t *testing.T) {
	l := NewLedger(Head{Kind: Stream, Size: UnknownSize})
	l.Take(Data{0, []byte("abc")}.Append(nil))
	if r := l.Close(); r.Verdict != Incomplete || !strings.Contains(r.Text, "went away") {
		t.Fatalf("%+v", r)
	}
}

func TestLedger_DatagramsAreCountedAndAStopIsTheirEnd(t *testing.T) {
	l := NewLedger(Head{Kind: Datagrams, Size: UnknownSize})
	sum := sha256.New()
	for n := range uint64(5) {
		b := fmt.Append(nil, "datagram ", n)
		sum.Write(b)
		if p, ok, err := l.Take(Gram{n, n * 1000, b}.Append(nil)); !ok || err != nil || p.Micros != n*1000 {
			t.Fatal(p, ok, err)
		}
	}
	if l.Whole() {
		t.Fatal("whole before the end came")
	}
	l.Take(End{Interrupted, 5, [32]byte(sum.Sum(nil))}.Append(nil))
	if r := l.Close(); r.Verdict != Complete || r.Got != 50 {
		t.Fatalf("%+v", r)
	}
}

func TestLedger_RefusesASenderThatBreaksTheFraming(t *testing.T) {
	l := NewLedger(Head{Kind: Stream})
	l.Take(Data{5, []byte("abc")}.Append(nil))
	for name, m := range map[string][]byte{
		"backwards":            Data{2, []byte("x")}.Append(nil),
		"datagram in a stream": Gram{}.Append(nil),
		"nothing":              {},
		"unknown":              {77},
	} {
		if _, _, err := l.Take(m); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	_, _, err := l.Take(Data{2, []byte("x")}.Append(nil))
	if !errors.Is(err, ErrValue) {
		t.Fatal(err)
	}
}

func TestLedger_RemembersFewHolesAndCountsAll(t *testing.T) {
	l := NewLedger(Head{Kind: Datagrams})
	for n := uint64(0); n < 40; n += 2 {
		l.Take(Gram{Number: n}.Append(nil))
	}
	l.Take(End{Total: 40}.Append(nil))
	r := l.Close()
	if r.Missing != 20 || len(l.holes) != maxHoles || !strings.Contains(r.Text, "20 datagrams missing in 20 places") || !strings.Contains(r.Text, "and 12 more") {
		t.Fatalf("%+v", r)
	}
}
