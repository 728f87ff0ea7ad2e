package crypto

import (
	"testing"
	"time"
)

// A manifest is signed and checked every few hundred packets, without end.
func TestAuthor_SigningAndCheckingAllocateNothing(t *testing.T) {
	a, err := NewAuthor(SessionID{1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	w, room, body := NewWitness(SessionID{1}, 1, a.Public()), make([]byte, 0, 2048), make([]byte, 1300)
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		if _, o := w.Signed(now, "word", a.AppendSigned(room, "word", body), false); o != Taken {
			t.Fatal(o)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
