package rooted

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// besiege keeps n connections to the root busy without ever proving anything,
// each from one of so many hosts and made again when it is cut. Some hold the join
// code, prove themselves and then say next to nothing.
func besiege(ctx context.Context, r *room, n, hosts int) *sync.WaitGroup {
	to := r.root.Addr()
	var wg sync.WaitGroup
	for i := range n {
		host := r.net.Host(fmt.Sprintf("eve%d", i%hosts))
		d := rand.New(rand.NewPCG(uint64(i), 40))
		wg.Go(func() {
			for ctx.Err() == nil {
				if conn, err := host.Dial(ctx, netip.AddrPort{}, to); err == nil {
					stop := context.AfterFunc(ctx, func() { conn.Close() })
					if i%50 == 7 {
						drawl(ctx, r, conn, i)
					} else {
						pester(conn, i, d)
					}
					stop()
					conn.Close()
				}
				sleep(ctx, time.Duration(d.IntN(3000))*time.Millisecond)
			}
		})
	}
	return &wg
}

// drawl proves itself, and says a JOIN a byte a second, or a whole one and then a
// frame that never ends, and reads nothing.
func drawl(ctx context.Context, r *room, conn net.Conn, i int) {
	ch, err := Config{Identity: crypto.Identity{Code: r.code}}.prove(ctx, conn, crypto.RoleLeaf)
	if err != nil {
		return
	}
	join := control.Join{Suites: []uint8{1}, Data: make([]byte, 1000)}.Append(nil)
	if i%100 == 7 {
		ch.Write(join)
		join = []byte{0, 0, 0xff, 0xff, 9}
	}
	for _, b := range join {
		if _, err := ch.Write([]byte{b}); err != nil {
			return
		}
		sleep(ctx, time.Second)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// pester holds one connection until the root cuts it.
func pester(conn net.Conn, i int, d *rand.Rand) {
	switch i % 8 {
	case 0, 1, 2, 3: // half-open: says nothing
	case 4, 5, 6: // the start of a TLS record, a byte a second
		for _, b := range []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3} {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	default:
		if i%16 == 7 { // TLS without the right protocol
			tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
			break
		}
		junk := make([]byte, 4096)
		for i := range junk {
			junk[i] = byte(d.Uint32())
		}
		conn.Write(junk) // and nothing is read
	}
	conn.Read(make([]byte, 1<<16))
	conn.Read(make([]byte, 1))
}

func TestC4_ASiegeKeepsNobodyOut(t *testing.T) {
	for _, hosts := range []int{1, 200} {
		t.Run(fmt.Sprint("addresses=", hosts), func(t *testing.T) { siege(t, 1000, hosts) })
	}
}

func siege(t *testing.T, n, hosts int) {
	inRoom(t, 41, quick, func(r *room) {
		root := r.listen(func(c *Config) {
			c.Condition = func(q *Request) Verdict {
				if len(q.Data) == 1000 {
					return Refuse
				}
				return Accept
			}
		})
		time.Sleep(time.Second)
		before := goroutines()
		ctx, cancel := context.WithCancel(r.ctx)
		defer cancel()
		besiegers := besiege(ctx, r, n, hosts)
		time.Sleep(3 * time.Second)
		var took []time.Duration
		for i := range 10 {
			time.Sleep(300 * time.Millisecond)
			if in := root.gate.inside(); in > unprovenAll || hosts == 1 && in > unprovenHost+1 {
				r.Errorf("%d connections are unproven at once", in)
			}
			start := time.Now()
			l := r.joinAmong(fmt.Sprintf("honest%d", i))
			took = append(took, time.Since(start))
			l.Close()
		}
		if worst := slices.Max(took); worst >= time.Second {
			r.Errorf("a join took %v", worst)
		}
		if st := root.Stats(); st.Pushed == 0 || st.Unproven == 0 {
			r.Errorf("nobody was pushed out (%d) or refused (%d)", st.Pushed, st.Unproven)
		}
		cancel()
		besiegers.Wait()
		time.Sleep(2 * provenWithin)
		if n := root.gate.inside(); n != 0 {
			r.Errorf("%d connections are left in the gate", n)
		}
		if after := goroutines(); after > before || before == 0 {
			r.Errorf("%d goroutines before, %d after", before, after)
		}
		t.Logf("joins took %v", took)
	})
}

// joinAmong takes a leaf in while others ask as well.
func (r *room) joinAmong(host string) *Leaf {
	r.Helper()
	ctx, cancel := context.WithCancel(r.ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			r.root.Accept(ctx)
		}
	}()
	l, err := Join(r.ctx, r.root.Addr(), nil, r.config(host))
	cancel()
	<-over
	if err != nil {
		r.Fatalf("join of %s: %v", host, err)
	}
	r.in = append(r.in, l)
	return l
}

// goroutines counts those of this package and of what it uses.
func goroutines() (n int) {
	synctest.Wait()
	b := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		if strings.Contains(stack, "/joinleaf/rooted.(*") {
			n++
		}
	}
	return n
}

// inside counts the connections that prove themselves now.
func (g *gate) inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.order.Len()
}

func TestC4_WhoIsProvenAndSaysNothingGoes(t *testing.T) {
	inRoom(t, 42, quick, func(r *room) {
		root := r.listen(nil)
		conn, err := r.net.Host("idle").Dial(r.ctx, netip.AddrPort{}, root.Addr())
		if err != nil {
			r.Fatal(err)
		}
		ch, err := Config{Identity: crypto.Identity{Code: r.code}}.prove(r.ctx, conn, crypto.RoleLeaf)
		if err != nil {
			r.Fatal(err)
		}
		defer conn.Close()
		start := time.Now()
		n, err := ch.Read(make([]byte, 1000)) // REFUSE, then the end
		for err == nil && n > 0 {
			n, err = ch.Read(make([]byte, 1000))
		}
		if d := time.Since(start); d > 10*time.Second {
			r.Errorf("it was kept for %v", d)
		}
		root.mu.Lock()
		defer root.mu.Unlock()
		if len(root.links) != 0 {
			r.Errorf("%d links are left", len(root.links))
		}
	})
}

func TestC7_TheAuthorizerFailsClosedAndHoldsUpNobodyElse(t *testing.T) {
	inRoom(t, 43, quick, func(r *room) {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			r.Fatal(err)
		}
		root := r.listen(func(c *Config) {
			c.Identity = crypto.Identity{Key: key}
			c.Authorize = func(ctx context.Context, _ crypto.PeerInfo, token []byte) (time.Time, error) {
				switch string(token) {
				case "slow":
					time.Sleep(time.Minute) // and deaf to ctx
				case "panic":
					panic("oops")
				case "goexit":
					runtime.Goexit()
				case "late":
					<-ctx.Done()
				case "no":
					return time.Time{}, errors.New("not on the list")
				}
				return time.Time{}, nil
			}
		})
		for range 3 {
			go func() {
				for !errors.Is(acceptOnce(r, root), net.ErrClosed) {
				}
			}()
		}
		pin, err := root.Pin()
		if err != nil {
			r.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, token := range []string{"slow", "panic", "goexit", "late", "no", "yes"} {
			wg.Go(func() {
				c := r.config(token)
				c.Identity = crypto.Identity{RootPin: pin, Token: []byte(token)}
				start := time.Now()
				l, err := Join(r.ctx, root.Addr(), nil, c)
				d := time.Since(start)
				switch {
				case token == "yes" && (err != nil || d > time.Second):
					r.Errorf("an honest leaf got in after %v: %v", d, err)
				case token != "yes" && (!errors.Is(err, transport.WSAEACCES) || !strings.Contains(err.Error(), "not authorized")):
					r.Errorf("%s: %v", token, err)
				case d > authorizeWithin+time.Second:
					r.Errorf("%s: the answer took %v", token, d)
				}
				if l != nil {
					l.Close()
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		root.Close()
		time.Sleep(time.Minute) // the slow one ends by itself
	})
}

func acceptOnce(r *room, root *Root) error {
	_, err := root.Accept(r.ctx)
	return err
}

func TestC7_AnAcceptThatGivesUpLeavesTheRequestToTheNext(t *testing.T) {
	inRoom(t, 44, quick, func(r *room) {
		var asked atomic.Int32
		root := r.listen(func(c *Config) {
			c.Authorize = func(ctx context.Context, _ crypto.PeerInfo, _ []byte) (time.Time, error) {
				if asked.Add(1) == 1 {
					<-ctx.Done()
					return time.Time{}, ctx.Err()
				}
				return time.Time{}, nil
			}
		})
		joined := make(chan *Leaf, 1)
		go func() {
			l, err := Join(r.ctx, root.Addr(), nil, r.config("leaf"))
			if err != nil {
				r.Error(err)
			}
			joined <- l
		}()
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		if _, err := root.Accept(ctx); !errors.Is(err, transport.WSAETIMEDOUT) {
			r.Errorf("the accept that gave up: %v", err)
		}
		if _, err := root.Accept(r.ctx); err != nil {
			r.Errorf("the next one: %v", err)
		}
		if l := <-joined; l != nil {
			l.Close()
		}
	})
}

func TestAccept_AConditionThatPanicsRefuses(t *testing.T) {
	inRoom(t, 45, quick, func(r *room) {
		root := r.listen(func(c *Config) { c.Condition = func(*Request) Verdict { panic("oops") } })
		refused := make(chan error, 1)
		go func() {
			_, err := Join(r.ctx, root.Addr(), nil, r.config("leaf"))
			refused <- err
		}()
		func() {
			defer func() {
				if p := recover(); p != "oops" {
					r.Errorf("the panic came out as %v", p)
				}
			}()
			root.Accept(r.ctx)
		}()
		start := time.Now()
		if err := <-refused; !errors.Is(err, transport.WSAECONNREFUSED) || time.Since(start) > time.Second {
			r.Errorf("after %v the leaf hears %v", time.Since(start), err)
		}
	})
}
