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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// besiege keeps n connections to the root busy without ever proving anything,
// each from one of 40 hosts and made again when it is cut.
func besiege(ctx context.Context, r *room, n int) *sync.WaitGroup {
	to := r.root.Addr()
	var wg sync.WaitGroup
	for i := range n {
		host := r.net.Host(fmt.Sprintf("eve%d", i%40))
		d := rand.New(rand.NewPCG(uint64(i), 40))
		wg.Go(func() {
			for ctx.Err() == nil {
				if conn, err := host.Dial(ctx, netip.AddrPort{}, to); err == nil {
					stop := context.AfterFunc(ctx, func() { conn.Close() })
					pester(conn, i, d)
					stop()
					conn.Close()
				}
				sleep(ctx, time.Duration(d.IntN(3000))*time.Millisecond)
			}
		})
	}
	return &wg
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
	inRoom(t, 41, quick, func(r *room) {
		root := r.listen(nil)
		time.Sleep(time.Second)
		before := goroutines()
		ctx, cancel := context.WithCancel(r.ctx)
		defer cancel()
		besiegers := besiege(ctx, r, 400)
		time.Sleep(3 * time.Second)
		worst := time.Duration(0)
		for i := range 5 {
			time.Sleep(500 * time.Millisecond)
			if n := root.gate.inside(); n > unprovenAll || n < unprovenAll/3 {
				r.Errorf("%d connections are unproven at once", n)
			}
			start := time.Now()
			l, _ := r.join(fmt.Sprintf("honest%d", i), nil, nil)
			worst = max(worst, time.Since(start))
			l.Close()
		}
		if worst >= time.Second {
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
		t.Logf("the slowest join took %v", worst)
	})
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
			c.Authorize = func(ctx context.Context, _ crypto.PeerInfo, token []byte) error {
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
					return errors.New("not on the list")
				}
				return nil
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
			c.Authorize = func(ctx context.Context, _ crypto.PeerInfo, _ []byte) error {
				if asked.Add(1) == 1 {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
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
