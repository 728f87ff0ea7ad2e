package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// fakeHall holds sessions in memory that do what no loopback does: lose what a
// test wants lost, at a leaf of its choice.
type fakeHall struct {
	lose   func(leaf uint32, message int) bool // nil: nothing
	epochs bool                                // a leaving leaf changes the epoch

	mu   sync.Mutex
	root *fakeRoot
}

type fakeRoot struct {
	hall    *fakeHall
	p       plan
	arrived chan *fakeLeaf
	closed  chan struct{}
	once    sync.Once

	news    chan standing // of leaves, for the root's Heed
	answers chan fakeAnswer

	mu     sync.Mutex
	leaves []*fakeLeaf
	sent   int
	epoch  uint64
}

// fakeLeaf is both ends of a leaf.
type fakeLeaf struct {
	root   *fakeRoot
	id     uint32
	callee []byte
	inbox  chan []byte
	chat   chan []byte
	news   chan standing
	gone   chan struct{}
	leave  sync.Once
}

func (h *fakeHall) Open(_ context.Context, p plan) (rootSession, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.Listen = netip.MustParseAddrPort("127.0.0.1:7654")
	h.root = &fakeRoot{hall: h, p: p, arrived: make(chan *fakeLeaf, 16), closed: make(chan struct{}), news: make(chan standing, 4), answers: make(chan fakeAnswer, 64), epoch: 1}
	return h.root, nil
}

func (h *fakeHall) Join(_ context.Context, p plan) (leafSession, error) {
	h.mu.Lock()
	root := h.root
	h.mu.Unlock()
	switch {
	case root == nil:
		return nil, &transport.Error{Op: "join", Code: transport.WSAECONNREFUSED, Err: syscall.ECONNREFUSED}
	case !root.p.Code.Equal(p.Code):
		return nil, fmt.Errorf("join: %w", crypto.ErrProof)
	}
	callee, refusal := root.p.Admit(p.CallerData, p.Root)
	if refusal != "" {
		return nil, &transport.Error{Op: "join", Code: transport.WSAECONNREFUSED, Err: fmt.Errorf("%s", refusal)}
	}
	root.mu.Lock()
	defer root.mu.Unlock()
	l := &fakeLeaf{root: root, id: uint32(2 + len(root.leaves)), callee: callee,
		inbox: make(chan []byte, 4096), chat: make(chan []byte, 4), news: make(chan standing, 4), gone: make(chan struct{})}
	root.leaves = append(root.leaves, l)
	root.epoch++
	root.arrived <- l
	return l, nil
}

func (r *fakeRoot) Accept(ctx context.Context) (memberSession, error) {
	select {
	case l := <-r.arrived:
		return fakeMember{l}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *fakeRoot) Send(ctx context.Context, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.leaves {
		m := bytes.Clone(p)
		if r.hall.lose != nil && r.hall.lose(l.id, r.sent) {
			m = nil // a gap
		}
		select {
		case l.inbox <- m:
		case <-l.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.sent++
	return nil
}

func (r *fakeRoot) SendLast(ctx context.Context, p []byte) error { return r.Send(ctx, p) }
func (r *fakeRoot) Flush(context.Context) error                  { return nil }
func (r *fakeRoot) Drain(context.Context) error                  { return nil }
func (r *fakeRoot) Shutdown(context.Context) error               { return r.Close() }
func (r *fakeRoot) Close() error                                 { r.once.Do(func() { close(r.closed) }); return nil }

func (r *fakeRoot) Holder() (uint32, bool) { return 2, true }

func (r *fakeRoot) Answer(ctx context.Context, p []byte) (int, uint32, error) {
	select {
	case a := <-r.answers:
		return copy(p, a.said), a.leaf, nil
	case <-r.closed:
		return 0, 0, io.EOF
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
}

func (l *fakeLeaf) Answer(_ context.Context, p []byte) error {
	l.root.answers <- fakeAnswer{l.id, bytes.Clone(p)}
	return nil
}

// fakeAnswer is what a leaf says over the data plane.
type fakeAnswer struct {
	leaf uint32
	said []byte
}

func (r *fakeRoot) Heed(ctx context.Context) (standing, error) {
	return heedFake(ctx, r.news, r.closed)
}
func (l *fakeLeaf) Heed(ctx context.Context) (standing, error) { return heedFake(ctx, l.news, l.gone) }

func heedFake(ctx context.Context, news <-chan standing, over <-chan struct{}) (standing, error) {
	select {
	case st := <-news:
		return st, nil
	case <-over:
		return standing{}, io.EOF
	case <-ctx.Done():
		return standing{}, ctx.Err()
	}
}

func (r *fakeRoot) Figures() figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	return figures{Epoch: r.epoch}
}

func (r *fakeRoot) Facts() facts {
	return facts{Session: "fake", Control: r.p.Listen, Group: r.p.Group, Interface: "lo", Encryption: "none"}
}

func (l *fakeLeaf) ID() uint32         { return l.id }
func (l *fakeLeaf) CalleeData() []byte { return l.callee }
func (l *fakeLeaf) Figures() figures   { return l.root.Figures() }
func (l *fakeLeaf) Facts() facts       { return l.root.Facts() }

func (l *fakeLeaf) Recv(ctx context.Context, p []byte) (int, uint64, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, 0, err
	}
	got := func(m []byte) (int, uint64, error) {
		if m == nil {
			return 0, 1, nil
		}
		return copy(p, m), 0, nil
	}
	select {
	case m := <-l.inbox:
		return got(m)
	default:
	}
	select {
	case m := <-l.inbox:
		return got(m)
	case <-l.root.closed:
		return 0, 0, io.EOF
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
}

func (l *fakeLeaf) Say(_ context.Context, p []byte) error { l.chat <- bytes.Clone(p); return nil }

func (l *fakeLeaf) Shutdown(context.Context) error {
	l.leave.Do(func() {
		close(l.gone)
		if l.root.hall.epochs {
			l.root.mu.Lock()
			l.root.epoch++
			l.root.mu.Unlock()
		}
	})
	return nil
}
func (l *fakeLeaf) Close() error { return l.Shutdown(context.Background()) }

type fakeMember struct{ *fakeLeaf }

func (m fakeMember) Addr() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(4000+m.id))
}
func (m fakeMember) Err() error { return io.EOF }

func (m fakeMember) Hear(_ context.Context, p []byte) (int, error) {
	for {
		select {
		case b := <-m.chat:
			return copy(p, b), nil
		default:
		}
		select {
		case b := <-m.chat:
			return copy(p, b), nil
		case <-m.gone:
			if len(m.chat) == 0 {
				return 0, io.EOF
			}
		case <-m.root.closed:
			if len(m.chat) == 0 {
				return 0, io.EOF
			}
		}
	}
}

// output collects what a command writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is one command running in a test.
type process struct {
	c              *console
	stdout, stderr output
	interrupt      func()
	done           chan int
}

// start runs a command line over sessions of open.
func start(t *testing.T, open opener, stdin io.Reader, env map[string]string, args ...string) *process {
	t.Helper()
	stop := make(chan struct{})
	p := &process{done: make(chan int, 1), interrupt: sync.OnceFunc(func() { close(stop) })}
	vars := map[string]string{}
	for k, v := range env {
		vars[k] = v
	}
	p.c = &console{
		stdin: stdin, stdout: &p.stdout, stderr: &p.stderr, stop: stop, last: new(lastWords),
		getenv: func(k string) string { return vars[k] }, unsetenv: func(k string) error { delete(vars, k); return nil },
	}
	go func() { p.done <- executeWith(p.c, open, args) }()
	t.Cleanup(func() {
		p.interrupt()
		if t.Failed() {
			t.Logf("joinleaf %q\nstderr:\n%s", args, p.stderr.String())
		}
	})
	return p
}

// wait returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-p.done:
		p.done <- code
		return code
	case <-time.After(30 * time.Second):
		t.Fatal("the command does not end")
		return -1
	}
}

// until waits for text on stderr, untilOut for all of stdout.
func (p *process) until(t *testing.T, text string) {
	t.Helper()
	eventually(t, "stderr has "+text, func() bool { return strings.Contains(p.stderr.String(), text) })
}

func (p *process) untilOut(t *testing.T, text string) {
	t.Helper()
	eventually(t, "stdout is "+text, func() bool { return p.stdout.String() == text })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("never: %s", what)
		}
	}
}
