package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(work.do)
	os.Exit(m.Run())
}

// TestCompare_SmallOneIsComplete runs all peers that the machine has; those
// that it has not must be named, and are no failure.
func TestCompare_SmallOneIsComplete(t *testing.T) {
	netlab.Require(t)
	small(t, 1, "-loss", "0")
}

// With loss it is joinleaf that is tested here, and what is quick.
func TestCompare_SmallOneIsCompleteWithLoss(t *testing.T) {
	netlab.Require(t)
	small(t, 2, "-loss", "0,5", "-peers", "raw,tcp,openpgm,joinleaf,joinleaf-group-offload,joinleaf-clear")
}

func small(t *testing.T, cells int, args ...string) {
	out := filepath.Join(t.TempDir(), "results")
	before := folders(t) // of a run that was killed
	if err := compare(append(args, "-size", "2MB", "-rounds", "1", "-leaves", "1", "-rates", "200", "-out", out)); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var r struct {
		Machine stage.Machine
		Peers   []found
		Rows    []row
		Runs    []run
	}
	if err := json.Unmarshal(read("compare.json"), &r); err != nil {
		t.Fatal(err)
	}
	text := string(read("compare.txt"))
	if cells == 1 && len(r.Peers) != len(peers()) {
		t.Errorf("%d of %d peers are accounted for", len(r.Peers), len(peers()))
	}
	for _, f := range r.Peers {
		if f.Missing != "" {
			t.Logf("%s: %s", f.Name, f.Missing)
			if !strings.Contains(text, f.Name+" ("+f.Missing+")") {
				t.Errorf("the table does not say that %s is not installed:\n%s", f.Name, text)
			}
			continue
		}
		rows := 0
		for _, w := range r.Rows {
			if w.Peer != f.Name {
				continue
			}
			rows++
			if w.Of != 1 || w.Leaves != 1 {
				t.Errorf("%+v", w)
			}
			// Other people's programs may fail at what they are asked here; ours,
			// and plain sockets, must not.
			if ours(f.Name) && (w.Complete != 1 || w.Goodput <= 0 || w.Raw <= 0 || w.RootRSS == 0) {
				t.Errorf("%+v", w)
			}
		}
		if rows != cells {
			t.Errorf("%s has %d rows:\n%s", f.Name, rows, text)
		}
	}
	for _, name := range []string{"compare.svg", "compare-leaves.svg"} {
		if err := xml.Unmarshal(read(name), new(struct{})); err != nil {
			t.Error(name, err)
		}
	}
	if after := folders(t); !slices.Equal(before, after) {
		t.Errorf("left behind: %v; before: %v", after, before)
	}
}

func folders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("/dev/shm/joinleaf-compare-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFind_SaysWhatIsNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	f, err := newFiles(1e5)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	for _, x := range peers() {
		_, err := x.find(&place{files: f})
		switch {
		case ours(x.name()):
			if err != nil {
				t.Errorf("%s: %v", x.name(), err)
			}
		case err == nil || !strings.Contains(err.Error(), "Debian: "):
			t.Errorf("%s is found on a machine without programs: %v", x.name(), err)
		}
	}
}

// invented makes a run that nobody ran.
func invented(round int, name string, goodput float64) run {
	x := run{Round: round, trial: trial{Peer: name, cell: cell{Leaves: 2, Loss: 1}, outcome: outcome{Goodput: goodput, Arrived: 1}}}
	if goodput == 0 {
		x.Failed = "not done"
	}
	return x
}

func TestRows_CompareWithinTheRound(t *testing.T) {
	r := report{Settings: settings{Leaves: stage.Numbers{List: []float64{2}}, Loss: stage.Numbers{List: []float64{1}}}}
	for round, g := range []map[string]float64{
		{"raw": 100, "udpcast": 50, "uftp": 40, "joinleaf": 80},
		{"raw": 200, "udpcast": 0, "uftp": 70, "joinleaf": 180},
		{"raw": 50, "udpcast": 30, "uftp": 20, "joinleaf": 45},
	} {
		for name, goodput := range g {
			r.Runs = append(r.Runs, invented(round, name, goodput))
		}
	}
	var there []peer
	for _, x := range peers() {
		if len(r.of(x.name(), cell{2, 1})) > 0 {
			there = append(there, x)
		}
	}
	r.summarize(there)
	got := map[string]row{}
	for _, w := range r.Rows {
		got[w.Peer] = w
	}
	// uftp has the higher median: udpcast's is of 50, 0 and 30.
	if w := got["joinleaf"]; w.BestPeer != "uftp" || w.Raw != 0.9 || w.Best != 2.25 || w.Complete != 3 || w.Goodput != 80 {
		t.Errorf("%+v", w)
	}
	if w := got["udpcast"]; w.Complete != 2 || w.Of != 3 || w.Goodput != 30 || w.Low != 0 || w.Raw != 0.5 {
		t.Errorf("%+v", w)
	}
	if w := got["raw"]; w.Raw != 1 || w.Best != 0 {
		t.Errorf("%+v", w)
	}
	for _, want := range []string{"2 of 3", "2.25", "best of the others is uftp"} {
		if text := string(r.table()); !strings.Contains(text, want) {
			t.Errorf("no %q in the table:\n%s", want, text)
		}
	}
}

func TestBounds_AreJudgedBesideTheBestRival(t *testing.T) {
	r := report{Settings: settings{Leaves: stage.Numbers{List: []float64{1, 2}}, Loss: stage.Numbers{List: []float64{0}}}}
	there := peers()
	for _, n := range []int{1, 2} {
		for _, x := range there {
			goodput := map[string]float64{"raw": 100, "iperf": 99, "tcp": 500, "udpcast": 50, "uftp": 40, "joinleaf-clear-offload": 300, "joinleaf-group-offload": 199, "joinleaf-group": 65}[x.name()]
			made := invented(1, x.name(), max(1, goodput))
			made.cell = cell{Leaves: n}
			r.Runs = append(r.Runs, made)
		}
	}
	r.summarize(there)
	broken := r.broken()
	if len(broken) != 1 || !strings.Contains(broken[0], "joinleaf-group-offload, 2 receivers: 3.98 of udpcast, not 4.0") {
		t.Errorf("%v", broken)
	}
	r.Settings.Leaves.List = []float64{1}
	if r.summarize(there); len(r.broken()) != 1 || !strings.Contains(r.broken()[0], "no bound could be judged") {
		t.Errorf("%v", r.broken())
	}
}

func TestParse_ReadsIperfAndDDSPerf(t *testing.T) {
	rate, lost, n, ok := parseIperf("19700101000000,10.99.0.1,40051,239.192.79.9,5001,1,0.0-0.1,20972920,1372618213,0.000,10,1000,1.000,0")
	if !ok || rate != 1372618213/8.0 || lost != 0.01 || n != 20972920 {
		t.Error(rate, lost, n, ok)
	}
	for _, bad := range []string{"", "a,b", "19700101000000,10.99.0.1,40051,239.192.79.9,5001,1,0.0-0.1,20972920,x,0.000,0,1,0,0"} {
		if _, _, _, ok := parseIperf(bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
	line := func(at float64, total, lost int) string {
		return fmt.Sprintf("[12] %.3f  size 8192 total %d lost %d delta 1 lost 0 rate 4.05 kS/s 265.74 Mb/s (0.41 kS/s 26.57 Mb/s)\n", at, total, lost)
	}
	rate, bytes, err := readHeard("[12] participant vm:12: new (self)\n" + line(1, 0, 0) + line(2, 100, 0) + line(3, 1100, 0) + line(4, 2100, 0) + line(5, 2150, 0) + line(6, 2150, 0))
	if err != nil || rate != 1000*8192 || bytes != 2150*8192 {
		t.Error(rate, bytes, err)
	}
	for _, bad := range []string{"", line(2, 100, 0) + line(3, 200, 0), line(2, 100, 0) + line(3, 200, 0) + line(4, 300, 1)} {
		if _, _, err := readHeard(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// stairs is a peer whose goodput follows from the rate alone.
type stairs struct {
	raw
	gives map[float64]float64
	tried []float64
}

func (*stairs) ladder(int) []setting {
	return []setting{{Rate: 100}, {Rate: 200}, {Rate: 400}, {Rate: 800}}
}

func (s *stairs) run(_ *place, _ cell, with setting) (outcome, error) {
	s.tried = append(s.tried, with.Rate)
	if s.gives[with.Rate] == 0 {
		return incomplete("too fast"), nil
	}
	return outcome{Goodput: s.gives[with.Rate]}, nil
}

func TestClimb_FindsTheRateThatAHandWouldSet(t *testing.T) {
	for name, c := range map[string]struct {
		gives map[float64]float64
		want  float64
		tries int
	}{
		"the top":                      {map[float64]float64{100: 10, 200: 20, 400: 40, 800: 80}, 800, 4},
		"the step before the fall":     {map[float64]float64{100: 10, 200: 20, 400: 15, 800: 16}, 200, 4},
		"the last that completes":      {map[float64]float64{100: 10, 200: 20}, 200, 4},
		"the lowest of equals":         {map[float64]float64{100: 10, 200: 19.8, 400: 20, 800: 19}, 200, 4},
		"the top beyond a bad moment":  {map[float64]float64{100: 10, 200: 5, 400: 40, 800: 20}, 400, 4},
		"lower, where all is too fast": {map[float64]float64{25: 2, 10: 1}, 25, 5},
		"the lowest, where all fails":  {nil, 10, 5},
	} {
		x := &stairs{gives: c.gives}
		s, err := new(report).climb(nil, x, cell{Leaves: 1}, x.ladder(1))
		if err != nil || s.Rate != c.want || len(x.tried) != c.tries {
			t.Errorf("%s: took %v of %v, %v", name, s.Rate, x.tried, err)
		}
	}
}

func TestSame_SeesEveryDifference(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	whole := make([]byte, 3<<20/2)
	a := write("a", whole)
	if err := same(a, write("b", whole)); err != nil {
		t.Error(err)
	}
	spoilt := append([]byte(nil), whole...)
	spoilt[len(spoilt)-1] = 1
	for name, other := range map[string]string{"a byte": write("c", spoilt), "the end": write("d", whole[:len(whole)-1]), "more": write("e", append(whole, 0)), "nothing": filepath.Join(dir, "f")} {
		if same(a, other) == nil {
			t.Errorf("%s: no difference was seen", name)
		}
	}
	if err := same(write("g", make([]byte, 1<<20)), write("h", make([]byte, 1<<20))); err != nil {
		t.Errorf("files of exactly one block: %v", err)
	}
}

func TestParse_RefusesWhatCannotBeCompared(t *testing.T) {
	for _, bad := range []string{"-peers nobody", "-rounds 0", "-leaves 17", "-loss 100", "-size 1", "-limit -1s", "-rates 0", "-link -1", "x"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if s, err := parse([]string{"-peers", "raw,norm"}); err != nil || len(s.Peers) != 2 || s.Limit.Seconds() != 35 {
		t.Errorf("%+v, %v", s, err)
	}
}
