package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// usage is what a process holds.
type usage struct {
	Heap, Stacks, RSS int64
	Goroutines        int
}

func (u usage) held() int64 { return u.Heap + u.Stacks }

// memory collects the garbage, gives what is free to the system, and looks.
func memory() usage {
	runtime.GC() // what finalizers and pools held goes with the second
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int64(m.HeapAlloc), int64(m.StackInuse), rss(), runtime.NumGoroutine()}
}

func rss() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// work is what one of the two processes does.
type work struct {
	Leaves int
	Code   string
	Root   string // the root's address; "" for the root
}

// held is what a root says.
type held struct {
	Seconds       float64
	Before, After usage
}

func (w work) do() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	code, err := crypto.ParseCode(w.Code)
	if err != nil {
		return err
	}
	if w.Root == "" {
		return w.root(ctx, code)
	}
	return w.crowd(ctx, code)
}

func (w work) root(ctx context.Context, code crypto.JoinCode) error {
	r, err := rooted.Listen(ctx, transport.Group{Addr: group}, rooted.Config{Identity: crypto.Identity{Code: code}, Interface: netlab.Device})
	if err != nil {
		return err
	}
	defer r.Close()
	h := held{Before: memory()}
	fmt.Println(r.Addr())
	began := time.Now()
	if err := accept(ctx, r, w.Leaves); err != nil {
		return err
	}
	h.Seconds = time.Since(began).Seconds()
	time.Sleep(time.Second) // the last epoch reaches all
	h.After = memory()
	if n := len(r.Members()); n != w.Leaves {
		return fmt.Errorf("%d of %d leaves are in", n, w.Leaves)
	}
	return json.NewEncoder(os.Stdout).Encode(h)
}

// crowd is all leaves, until the input ends.
func (w work) crowd(ctx context.Context, code crypto.JoinCode) error {
	root, err := netip.ParseAddrPort(w.Root)
	if err != nil {
		return err
	}
	leaves, err := join(ctx, root, w.Leaves, fromOne, code, func(int) rooted.Config { return rooted.Config{Interface: netlab.Device} })
	defer closeAll(leaves)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// kernel is one round with sockets of the kernel.
func kernel(lab *netlab.Lab, n int) (h held, err error) {
	code, err := crypto.NewCode()
	if err != nil {
		return h, err
	}
	w := work{Leaves: n, Code: code.Reveal()}
	root, err := stage.Start(lab.Host("root"), limit, w)
	if err != nil {
		return h, err
	}
	sides := []*stage.Side{root}
	defer func() {
		for _, side := range sides {
			if err != nil {
				side.Stop()
			}
			side.End()
			if _, e := side.Wait(); e != nil && err == nil {
				err = e
			}
			if said := side.Errors(); said != "" && err != nil {
				err = fmt.Errorf("%w: %s", err, said)
			}
		}
	}()
	if w.Root, err = root.Line(); err != nil {
		return h, err
	}
	leaves, err := stage.Start(lab.Host("crowd"), limit, w)
	if err != nil {
		return h, err
	}
	sides = append(sides, leaves)
	return h, root.Decode(&h) // when leaves fail it does not come, and its time is limited
}
