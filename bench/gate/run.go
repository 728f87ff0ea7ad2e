package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// side is a test program and where it runs.
type side struct{ program, dir string }

// pair is a package's test programs, of the earlier tree and of this one.
type pair struct {
	path     string
	old, new side
	bench    []string // names that both have
	below    string
}

// prepare lays out the earlier tree and compiles.
func prepare(dir, base, temp string, out io.Writer) (pairs []pair, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	earlier := filepath.Join(temp, "base")
	if err := os.Mkdir(earlier, 0o755); err != nil {
		return nil, err
	}
	if err := lay(dir, base, earlier); err != nil {
		return nil, err
	}
	for i, p := range packages {
		if _, err := os.Stat(filepath.Join(dir, p.path)); err != nil {
			continue // a tree without that package has nothing to compare
		}
		x := pair{path: p.path, below: p.below}
		if x.new, err = compile(dir, p.path, filepath.Join(temp, fmt.Sprint("new", i, ".test"))); err != nil {
			return nil, err
		}
		if x.old, err = compile(earlier, p.path, filepath.Join(temp, fmt.Sprint("old", i, ".test"))); err != nil {
			fmt.Fprintf(out, "not compared: %s: the earlier tree has no such package that compiles\n", p.path)
			continue
		}
		have, err := x.new.list(p.bench)
		if err != nil {
			return nil, err
		}
		had, err := x.old.list(p.bench)
		if err != nil {
			return nil, err
		}
		for _, name := range have {
			if slices.Contains(had, name) {
				x.bench = append(x.bench, name)
			} else {
				fmt.Fprintf(out, "not compared: %s of %s: the earlier tree has none\n", name, p.path)
			}
		}
		if len(x.bench) > 0 {
			pairs = append(pairs, x)
		}
	}
	return pairs, nil
}

// compile makes the test program of a package; without tests there is none.
func compile(dir, path, program string) (s side, err error) {
	cmd := exec.Command("go", "test", "-c", "-o", program, path)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return s, fmt.Errorf("go test -c %s: %w: %s", path, err, bytes.TrimSpace(said))
	}
	return side{program, filepath.Join(dir, path)}, nil
}

func (s side) run(args ...string) (string, error) {
	if _, err := os.Stat(s.program); err != nil {
		return "", nil // a package without tests makes no program
	}
	cmd := exec.Command(s.program, args...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s in %s: %w: %s", filepath.Base(s.program), s.dir, err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// list is the benchmarks whose names fit.
func (s side) list(pattern string) ([]string, error) {
	said, err := s.run("-test.list", pattern)
	return strings.Fields(said), err
}

// compare runs all rounds and asks benchstat. What is worse is returned.
func compare(s settings, pairs []pair, temp string, out io.Writer) ([]verdict, error) {
	results := [2]string{filepath.Join(temp, "base.txt"), filepath.Join(temp, "here.txt")}
	var files [2]bytes.Buffer
	for round := range s.Rounds {
		for _, p := range pairs {
			sides := [2]side{p.old, p.new}
			for k := range sides {
				at := (k + round) % 2
				said, err := sides[at].run("-test.run", "^$", "-test.bench", one(p.bench)+p.below, "-test.benchtime", s.Time.String(), "-test.timeout", "5m")
				if err != nil {
					return nil, err
				}
				files[at].WriteString(said)
			}
		}
	}
	for i, name := range results {
		if err := os.WriteFile(name, files[i].Bytes(), 0o644); err != nil {
			return nil, err
		}
	}
	text, err := benchstat(results[0], results[1])
	if err != nil {
		return nil, err
	}
	all, err := read(text)
	if err != nil {
		return nil, err
	}
	var bad []verdict
	for _, v := range all {
		fmt.Fprintf(out, "  %-44s %12s -> %-12s %s\n", v.Name, v.Before, v.After, v.word())
		if v.bad() {
			bad = append(bad, v)
		}
	}
	return bad, nil
}

// one is a pattern that fits these names and no other.
func one(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// narrow keeps the benchmarks of the suspects. A name of benchstat's has no
// "Benchmark" before it, and what b.Run adds behind it.
func narrow(pairs []pair, suspects []verdict) (all []pair) {
	for _, p := range pairs {
		p.bench = slices.DeleteFunc(slices.Clone(p.bench), func(name string) bool {
			return !slices.ContainsFunc(suspects, func(v verdict) bool {
				word, _, _ := strings.Cut(v.Name, "/")
				return "Benchmark"+processors.ReplaceAllString(word, "") == name
			})
		})
		if len(p.bench) > 0 {
			all = append(all, p)
		}
	}
	return all
}

// processors is what package testing puts behind a name.
var processors = regexp.MustCompile(`-\d+$`)
