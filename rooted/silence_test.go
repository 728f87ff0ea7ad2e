package rooted

import (
	"errors"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// silences counts the GroupSilent events so far.
func silences(l *Leaf) (n int) {
	for {
		e, ok := l.events.take()
		if !ok {
			return n
		}
		if e.Kind == GroupSilent {
			n++
		}
	}
}

func TestF8_AnInterfaceThatIsMadeAnewHearsTheGroupAgain(t *testing.T) {
	for _, class := range []flow.Class{flow.Reliable, flow.BestEffort} {
		inRoom(t, 61, quick, func(r *room) {
			root := r.listen(func(c *Config) { c.Streams = []flow.Class{class} })
			l, _ := r.join("leaf", nil, nil)
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
					}
					if err := root.Send(r.ctx, numbered(i)); err != nil {
						r.Error(err)
						return
					}
				}
			}()
			p := make([]byte, 64<<10)
			read := func(until time.Duration) (got, missed int) {
				for end := time.Now().Add(until); time.Now().Before(end); {
					m, err := l.Recv(r.ctx, p)
					if err != nil {
						r.Fatal(err)
					}
					got, missed = got+1, missed+int(m.Missed)
				}
				return got, missed
			}
			read(2 * time.Second)
			r.net.Host("leaf").Recreate("sim0")
			_, missed := read(10 * time.Second)
			if class == flow.Reliable && missed != 0 || class == flow.BestEffort && missed == 0 {
				r.Errorf("class %d: %d messages missed", class, missed)
			}
			if _, missed = read(10 * time.Second); missed != 0 {
				r.Errorf("class %d: %d messages missed after that", class, missed)
			}
			if n := silences(l); n != 1 {
				r.Errorf("class %d: %d silences were told", class, n)
			}
			close(stop)
			<-stopped
			l.Close()
		})
	}
}

func TestGroupSilent_IsNotToldOfWhoReadsSlowlyNorOfAnIdleRoot(t *testing.T) {
	inRoom(t, 62, quick, func(r *room) {
		root := r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		time.Sleep(20 * time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 200 { // more than the windows hold: the reader pauses
				if err := root.Send(r.ctx, make([]byte, 1<<16)); err != nil {
					if !errors.Is(err, transport.WSA_OPERATION_ABORTED) {
						r.Error(err)
					}
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		time.Sleep(30 * time.Second)
		if n := silences(l); n != 0 {
			r.Errorf("%d silences were told", n)
		}
		select {
		case <-done:
			r.Error("the root was not held up: this shows nothing")
		default:
		}
		root.Close()
		<-done
		l.Close()
	})
}

func TestGroupSilent_IsToldAgainWhileItLasts(t *testing.T) {
	inRoom(t, 63, quick, func(r *room) {
		root := r.listen(nil)
		l, _ := r.join("leaf", nil, nil)
		time.Sleep(2 * time.Second)
		r.net.Filter(func(p simnet.Packet) bool { return !p.Dst.Addr().IsMulticast() })
		go root.Send(r.ctx, []byte("nobody hears"))
		time.Sleep(20 * time.Second)
		if n := silences(l); n < 3 || n > 8 {
			r.Errorf("%d silences were told in 20 s", n)
		}
		r.net.Filter(nil)
		p := make([]byte, 100)
		if m, err := l.Recv(r.ctx, p); err != nil || m.Missed != 0 || string(p[:m.N]) != "nobody hears" {
			r.Errorf("%q, %v", p[:m.N], err)
		}
		l.Close()
	})
}
