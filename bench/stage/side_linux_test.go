package stage

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

type job struct {
	Say  string
	Hold int // bytes to use
	Fail bool
	Hang bool
	Read bool // until told to end
}

func (j job) do() error {
	held := make([]byte, j.Hold)
	for i := range held {
		held[i] = 1
	}
	fmt.Println(j.Say)
	switch {
	case j.Fail:
		return fmt.Errorf("it went wrong")
	case j.Hang:
		time.Sleep(time.Minute)
	case j.Read:
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
	case j.Hold > 0:
		time.Sleep(400 * time.Millisecond) // four samples
		fmt.Println(held[0])
	}
	return nil
}

func TestMain(m *testing.M) {
	Play(job.do)
	os.Exit(m.Run())
}

func begin(t *testing.T, limit time.Duration, j job) *Side {
	t.Helper()
	lab := netlab.New(t, netlab.Options{Hosts: []string{"a"}})
	s, err := Start(lab.Host("a"), limit, j)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSide_AnswersAndTellsWhatItCost(t *testing.T) {
	s := begin(t, 30*time.Second, job{Say: `{"N": 7}`, Hold: 64 << 20})
	var answer struct{ N int }
	if err := s.Decode(&answer); err != nil || answer.N != 7 {
		t.Fatal(answer, err)
	}
	if out := s.Output(); out != "1" {
		t.Errorf("the rest of the output is %q", out)
	}
	u, err := s.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if u.PeakRSS < 64<<20 || u.PeakRSS > 256<<20 || u.CPU() <= 0 {
		t.Errorf("a side that held 64 MiB cost %+v", u)
	}
}

func TestSide_ThatFailsTellsWhy(t *testing.T) {
	s := begin(t, 30*time.Second, job{Fail: true})
	_, err := s.Wait()
	if err == nil || !strings.Contains(s.Errors(), "it went wrong") {
		t.Fatalf("%v; it said %q", err, s.Errors())
	}
}

func TestSide_IsKilledAfterItsLimit(t *testing.T) {
	s := begin(t, 300*time.Millisecond, job{Hang: true})
	_, err := s.Wait()
	if err == nil || !strings.Contains(err.Error(), "not done after 300ms") {
		t.Fatal(err)
	}
}

func TestSide_EndsWhenAsked(t *testing.T) {
	s := begin(t, 30*time.Second, job{Read: true})
	s.End()
	if _, err := s.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestMachine_KnowsItself(t *testing.T) {
	m := ThisMachine()
	if m.Processors < 1 || m.Memory < 1<<20 || !strings.HasPrefix(m.System, "Linux ") || m.ReadBufferMost == 0 || m.Joinleaf == "" {
		t.Errorf("%+v", m)
	}
}
