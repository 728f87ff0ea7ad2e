// Veth compares the whole data path with plain sockets: one sender and one
// receiver, each a process in a network namespace of its own, a bridge between
// them, nothing else on it.
//
//	go run ./bench/veth            # as root, Linux; five rounds of two seconds
//
// The rounds are interleaved, because shared machines drift; quote the ratios.
// Plain is WriteToUDPAddrPort and ReadFromUDPAddrPort, one datagram a call;
// sealed is a rooted session with one leaf, best effort, AES-256-GCM, with
// segmentation offload and without, authenticated by the group's key; signed is
// one whose root signs.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// work is what one process of a run does.
type work struct {
	Role      string        // plain-send, plain-recv, root, leaf
	Size      int           // bytes of a datagram (plain) or a message (sealed)
	For       time.Duration // how long it sends
	Peer      string        // leaf: the root's address
	Code      string        // join code of root and leaf
	NoOffload bool
	Reliable  bool
	Source    rooted.SourceLevel
}

// result is what a receiver counted between its first and last packet.
type result struct {
	Packets, Bytes, Missed uint64
	Seconds                float64
}

func (r result) pps() float64  { return float64(r.Packets) / r.Seconds }
func (r result) gbit() float64 { return float64(r.Bytes) * 8 / r.Seconds / 1e9 }

type series struct {
	name    string
	of      work
	results []result
}

func main() {
	stage.Play(func(w work) error {
		stop := profile(fmt.Sprint(w.Role, map[bool]string{true: "-plain"}[w.NoOffload]))
		defer stop()
		return w.do()
	})
	rounds := flag.Int("rounds", 5, "interleaved rounds")
	length := flag.Duration("for", 2*time.Second, "length of each run")
	asJSON := flag.Bool("json", false, "JSON in place of the table")
	reliable := flag.Bool("reliable", false, "add the reliable class")
	signed := flag.Bool("signed", false, "add the reliable class, signed, with offload")
	flag.Parse()
	if err := netlab.Missing(); err != nil {
		fail(err)
	}
	all, err := compare(*rounds, *length, *reliable, *signed)
	if err != nil {
		fail(err)
	}
	if *asJSON {
		json.NewEncoder(os.Stdout).Encode(report(all))
		return
	}
	show(all)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "veth:", err)
	os.Exit(1)
}

// compare runs every series once a round, in turn.
func compare(rounds int, length time.Duration, reliable, signed bool) ([]series, error) {
	lab, err := netlab.Open(netlab.Options{Hosts: []string{"a", "b"}})
	if err != nil {
		return nil, err
	}
	defer lab.Close()
	of := func(noOffload, reliable bool, source rooted.SourceLevel) work {
		return work{Size: 1384 - 2, NoOffload: noOffload, Reliable: reliable, Source: source}
	}
	all := []series{{name: "plain sockets, 1400 B"}, {name: "sealed, offload", of: of(false, false, rooted.Group)}, {name: "sealed, no offload", of: of(true, false, rooted.Group)}}
	if reliable {
		all = append(all, series{name: "reliable, offload", of: of(false, true, rooted.Group)}, series{name: "reliable, no offload", of: of(true, true, rooted.Group)})
	}
	if signed {
		all = append(all, series{name: "signed, offload", of: of(false, true, rooted.Signed)})
	}
	for range rounds {
		for i := range all {
			var r result
			if i == 0 {
				r, err = plain(lab, length)
			} else {
				r, err = sealed(lab, length, all[i].of)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			all[i].results = append(all[i].results, r)
			fmt.Fprintf(os.Stderr, "%-24s %10.0f packets/s %7.2f Gbit/s %8d missed\n", all[i].name, r.pps(), r.gbit(), r.Missed)
		}
	}
	return all, nil
}

func plain(lab *netlab.Lab, length time.Duration) (result, error) {
	w := work{Size: 1400, For: length}
	w.Role = "plain-recv"
	recv, err := start(lab.Host("b"), w)
	if err != nil {
		return result{}, err
	}
	if _, err := recv.Line(); err != nil { // it listens
		return result{}, err
	}
	w.Role = "plain-send"
	send, err := start(lab.Host("a"), w)
	if err != nil {
		return result{}, err
	}
	return finish(recv, send)
}

func sealed(lab *netlab.Lab, length time.Duration, w work) (result, error) {
	code, err := newCode()
	if err != nil {
		return result{}, err
	}
	w.For, w.Code, w.Role = length, code, "root"
	send, err := start(lab.Host("a"), w)
	if err != nil {
		return result{}, err
	}
	peer, err := send.Line()
	if err != nil {
		return result{}, err
	}
	w.Role, w.Peer = "leaf", peer
	recv, err := start(lab.Host("b"), w)
	if err != nil {
		return result{}, err
	}
	return finish(recv, send)
}

func start(h *netlab.Host, w work) (*stage.Side, error) {
	return stage.Start(h, w.For+20*time.Second, w)
}

// finish reads what the receiving side counted and waits for both.
func finish(recv, send *stage.Side) (r result, err error) {
	err = recv.Decode(&r)
	for _, s := range []*stage.Side{recv, send} {
		_, e := s.Wait()
		if e != nil && err == nil {
			err = fmt.Errorf("%w: %s", e, s.Errors())
		}
		if said := s.Errors(); e == nil && said != "" { // VETH_STATS
			fmt.Fprintln(os.Stderr, said)
		}
	}
	return r, err
}

// row is a series as the report shows it.
type row struct {
	Name             string
	PacketsPerSecond float64
	GbitPerSecond    float64
	Missed           float64
	Ratio            float64 // of packets, median of the rounds' ratios to plain
	Runs             []result
}

func report(all []series) (rows []row) {
	for _, s := range all {
		var ratios []float64
		for i, r := range s.results {
			ratios = append(ratios, r.pps()/all[0].results[i].pps())
		}
		rows = append(rows, row{
			Name: s.name, PacketsPerSecond: stage.Medians(s.results, result.pps), GbitPerSecond: stage.Medians(s.results, result.gbit),
			Missed: stage.Medians(s.results, func(r result) float64 { return float64(r.Missed) }), Ratio: stage.Median(ratios), Runs: s.results,
		})
	}
	return rows
}

func show(all []series) {
	fmt.Printf("%s/%s, %d processors, medians of %d interleaved rounds; payload bits\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), len(all[0].results))
	fmt.Printf("%-24s %12s %9s %9s %8s\n", "", "packets/s", "Gbit/s", "missed", "x plain")
	for _, r := range report(all) {
		fmt.Printf("%-24s %12.0f %9.2f %9.0f %8.2f\n", r.Name, r.PacketsPerSecond, r.GbitPerSecond, r.Missed, r.Ratio)
	}
}

// profile writes a CPU profile per side to the directory that VETH_PROFILE
// names.
func profile(role string) (stop func()) {
	dir := os.Getenv("VETH_PROFILE")
	if dir == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(dir, role+".pprof"))
	if err != nil {
		fail(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		fail(err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}
}
