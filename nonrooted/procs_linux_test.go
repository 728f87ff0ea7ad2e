package nonrooted

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// What only processes can show: real sockets, real clocks, kill -9. The test
// program runs itself in namespaces, as one member each.

var labMiB = flag.Int("mib", 2, "MiB that each member sends in the tests with processes")

const memberEnv = "JOINLEAF_TEST_MEMBER"

func TestMain(m *testing.M) {
	if os.Getenv(memberEnv) != "" {
		if err := runMember(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// task is what a member is to do.
type task struct {
	Code    string
	Who, Of int
	Size    int  // of a message
	Count   int  // messages to send
	Linger  bool // says who is in before it leaves
}

// word is what it says on its standard output.
type word struct {
	What   string
	Millis int64             // joined: how long it took
	ID     uint32            // joined
	View   uint64            // joined, done, ended
	Counts map[string]int    // done: messages, by who sent them
	Missed map[string]int    // done: of these, told as missed
	Sums   map[string]string // done: SHA-256 of them all
	Apart  bool              // done: this member or another came in again, under a new id
	Stall  int64             // done: the longest pause between two messages, ms
	Lag    int64             // done: the longest that this process waited for a processor, ms
	Text   string            // failed
}

func (t task) content(i int) []byte {
	b := numbered(t.Who, i)
	for len(b) < t.Size {
		b = append(b, byte(len(b)*31+i*7+t.Who))
	}
	return b
}

// runMember is a member's process: it joins, waits for all others, sends all
// and takes all, says what it got, and leaves when its standard input ends.
func runMember() error {
	var t task
	if err := json.Unmarshal([]byte(os.Getenv(memberEnv)), &t); err != nil {
		return err
	}
	say := func(w word) { b, _ := json.Marshal(w); fmt.Println(string(b)) }
	code, err := crypto.ParseCode(t.Code)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	lag := lags(ctx)
	began := time.Now()
	p, err := Join(ctx, testGroup, Config{Identity: crypto.Identity{Code: code}, Interface: netlab.Device, Data: []byte(strconv.Itoa(t.Who))})
	if err != nil {
		return err
	}
	say(word{What: "joined", Millis: time.Since(began).Milliseconds(), ID: p.ID(), View: p.View().Number})
	for len(p.View().Members) < t.Of || p.used.Load() != p.View().Number {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond) // the others see it a moment later
	say(word{What: "begun"})
	sent := make(chan error, 1)
	go func() {
		for i := range t.Count {
			if err := p.Send(ctx, t.content(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- p.Drain(ctx)
	}()
	w, err := t.take(ctx, p)
	if err != nil {
		return err
	}
	w.Lag = lag.Load()
	say(w)
	if err := <-sent; err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	say(word{What: "sent"})
	io.Copy(io.Discard, os.Stdin)
	if t.Linger {
		v := p.View()
		say(word{What: "ended", ID: v.Self, View: v.Number, Counts: map[string]int{"members": len(v.Members)}})
		time.Sleep(time.Second) // until all have
	}
	return p.Shutdown(ctx)
}

// lags measures how late a timer is at worst, in ms: what a process waits for a
// processor.
func lags(ctx context.Context) *atomic.Int64 {
	var worst atomic.Int64
	go func() {
		const tick = 10 * time.Millisecond
		for last := time.Now(); ctx.Err() == nil; last = time.Now() {
			time.Sleep(tick)
			worst.Store(max(worst.Load(), (time.Since(last) - tick).Milliseconds()))
		}
	}()
	return &worst
}

// take reads until everything of everybody who is still in has come. Who was left
// behind and came in again sent some of its own to those who were with it, which
// may be nobody: then others have a gap without a word, and they only.
func (t task) take(ctx context.Context, p *Peer) (word, error) {
	w := word{What: "done", Counts: map[string]int{}, Missed: map[string]int{}, Sums: map[string]string{}}
	due, sums, ids := map[string]int{}, map[string]hash.Hash{}, map[string]uint32{}
	buf, last, stall := make([]byte, t.Size), time.Now(), time.Duration(0)
	whole := func() bool {
		if w.Apart && time.Since(last) > 5*time.Second {
			return true
		}
		for _, m := range p.View().Members {
			if who := string(m.Data); who != strconv.Itoa(t.Who) && due[who] < t.Count {
				return false
			}
		}
		return true
	}
	for self := p.ID(); !whole(); {
		wait, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		m, err := p.Recv(wait, buf)
		cancel()
		if err != nil && wait.Err() != nil && ctx.Err() == nil {
			continue // look again who is in
		}
		if err != nil {
			return w, err
		}
		stall, last = max(stall, time.Since(last)), time.Now()
		who := string(m.Member.Data)
		from, i := read(buf[:m.N])
		again := p.ID() != self || ids[who] != 0 && ids[who] != m.Member.ID
		self, ids[who] = p.ID(), m.Member.ID
		w.Apart = w.Apart || again
		w.Missed[who] += int(m.Missed)
		due[who] += int(m.Missed)
		if strconv.Itoa(from) != who || i < due[who] || i > due[who] && !w.Apart {
			return w, fmt.Errorf("message %d of %d came where number %d of member %s was due, %d missed", i, from, due[who], who, m.Missed)
		}
		if sums[who] == nil {
			sums[who] = sha256.New()
		}
		sums[who].Write(buf[:m.N])
		w.Counts[who]++
		due[who] = i + 1
	}
	w.View, w.Stall = p.View().Number, stall.Milliseconds()
	for who, h := range sums {
		w.Sums[who] = hex.EncodeToString(h.Sum(nil))
	}
	return w, nil
}

// crowd is a lab of members, each a process in a namespace of its own.
type crowd struct {
	*testing.T
	lab   *netlab.Lab
	procs []*proc
}

type proc struct {
	task  task
	cmd   *exec.Cmd
	stdin io.WriteCloser
	words chan word
}

func newCrowd(t *testing.T, n int, loss float64, size, count int) *crowd {
	return newCrowdOf(t, n, loss, task{Size: size, Count: count})
}

// newCrowdOf starts n members with the same to do.
func newCrowdOf(t *testing.T, n int, loss float64, each task) *crowd {
	t.Helper()
	netlab.Require(t)
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("m", i))
	}
	c := &crowd{T: t, lab: netlab.New(t, netlab.Options{Hosts: names})}
	t.Cleanup(func() {
		for _, p := range c.procs {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	for i, name := range names {
		h := c.lab.Host(name)
		if loss > 0 {
			if err := h.SetOffload(false); err != nil {
				t.Fatal(err)
			}
			if err := h.SetLoss(netlab.In, loss); err != nil {
				t.Fatal(err)
			}
		}
		each.Code, each.Who, each.Of = code.Reveal(), i, n
		c.start(h, each)
	}
	return c
}

func (c *crowd) start(h *netlab.Host, t task) {
	c.Helper()
	b, _ := json.Marshal(t)
	cmd := h.Exec(c.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), memberEnv+"="+string(b))
	cmd.Stderr = os.Stderr
	p := &proc{task: t, cmd: cmd, words: make(chan word, 16)}
	out, err := cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.Fatal(err)
	}
	c.procs = append(c.procs, p)
	go func() {
		defer close(p.words)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var w word
			if json.Unmarshal(lines.Bytes(), &w) == nil {
				p.words <- w
			}
		}
	}()
}

// hear waits until a member says so.
func (c *crowd) hear(p *proc, what string, within time.Duration) word {
	c.Helper()
	limit := time.After(within)
	for {
		select {
		case w, ok := <-p.words:
			if !ok {
				c.Fatalf("member %d ended before it was %s", p.task.Who, what)
			}
			if w.What == what {
				return w
			}
		case <-limit:
			c.Fatalf("member %d was not %s within %v", p.task.Who, what, within)
		}
	}
}

// sum is what everybody should have of a member's messages.
func (t task) sum(count int) string {
	h := sha256.New()
	for i := range count {
		h.Write(t.content(i))
	}
	return hex.EncodeToString(h.Sum(nil))
}
