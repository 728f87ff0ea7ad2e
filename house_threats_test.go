package joinleaf

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// threatTable is where every threat stands, with links to the tests that show its
// defence.
const threatTable = "docs/security.md"

// threats are the packages in which each threat is tried: packets, keys, control,
// DTLS, sessions of equals, multicast, the rest. Each has a test there that carries
// the id in its name.
var threats = map[string]string{
	"P1": "rooted nonrooted", "P2": "crypto", "P3": "crypto rooted", "P4": "rooted", "P5": "crypto",
	"P6": "rooted nonrooted", "P7": "crypto rooted", "P8": "crypto", "P9": "rooted",
	"K1": "crypto rooted nonrooted", "K2": "crypto rooted", "K3": "crypto rooted", "K4": "crypto", "K5": "rooted",
	"K6": "crypto rooted", "K7": "crypto rooted", "K8": "rooted",
	"C1": "crypto rooted", "C2": "crypto rooted", "C3": "crypto crypto/dtls rooted nonrooted", "C4": "control rooted",
	"C5": "control", "C6": "control crypto", "C7": "rooted", "C8": "rooted", "C9": ". crypto rooted", "C10": "cmd/joinleaf",
	"D1": "crypto/dtls", "D2": "crypto/dtls", "D3": "crypto/dtls", "D4": "crypto/dtls", "D5": "crypto/dtls",
	"D6": "crypto/dtls", "D7": "crypto/dtls", "D8": "crypto/dtls", "D9": "bench/interop", "D10": ".",
	"N1": "control nonrooted", "N2": "control nonrooted", "N3": "control nonrooted", "N4": "control nonrooted",
	"M1": "rooted", "M2": "transport", "M3": "transport/flow rooted",
	"Z1": "crypto cmd/joinleaf", "Z2": "crypto crypto/dtls rooted nonrooted",
}

var (
	threatRow = regexp.MustCompile(`^\| ([A-Z][0-9]+) \|.*\|([^|]*)\|$`)
	testLink  = regexp.MustCompile(`\[((?:Test|Fuzz|Benchmark|Example)\w*)\]\(\.\./([^)]+)\)`)
	testMade  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	idsInName = regexp.MustCompile(`^(?:Test|Fuzz)((?:[PKCDNMZ][0-9]+_)+)`)
)

// threatsIn tells which threats a test's name says that it is about.
func threatsIn(name string) []string {
	m := idsInName.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(m[1], "_"), "_")
}

// checkThreats holds the table to the tests: every threat stands there once; every
// test that it links to is in that file; every threat has a test of its name in each
// package that threats has for it; and no test of its name is missing from its row.
func checkThreats(tr *tree) (bad []string) {
	made := map[string][]string{} // the tests in each file
	var table *file
	for _, fl := range tr.files {
		if fl.path == threatTable {
			table = fl
		}
		if fl.isTest() {
			for _, m := range testMade.FindAllStringSubmatch(fl.text, -1) {
				made[fl.path] = append(made[fl.path], m[1])
			}
		}
	}
	if table == nil {
		return []string{threatTable + ": is not there; it says which test shows which defence"}
	}
	rows, linked := map[string]int{}, map[string]bool{} // linked has id, file and test
	for i, line := range strings.Split(table.text, "\n") {
		row := threatRow.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		rows[row[1]]++
		for _, l := range testLink.FindAllStringSubmatch(row[2], -1) {
			if !slices.Contains(made[l[2]], l[1]) {
				bad = append(bad, fmt.Sprintf("%s:%d: %s links to %s in %s, which is not there", threatTable, i+1, row[1], l[1], l[2]))
			}
			linked[row[1]+" "+l[2]+" "+l[1]] = true
		}
	}
	bad = append(bad, checkThreatRows(rows)...)
	return append(bad, checkThreatTests(made, linked)...)
}

// checkThreatRows wants each threat once, and no other.
func checkThreatRows(rows map[string]int) (bad []string) {
	for id := range threats {
		if rows[id] != 1 {
			bad = append(bad, fmt.Sprintf("%s: %s stands there %d times, not once", threatTable, id, rows[id]))
		}
		delete(rows, id)
	}
	for id := range rows {
		bad = append(bad, fmt.Sprintf("%s: %s is no threat that we know", threatTable, id))
	}
	slices.Sort(bad)
	return bad
}

// checkThreatTests wants a test of its name in each package of a threat, and all of
// its name in its row.
func checkThreatTests(made map[string][]string, linked map[string]bool) (bad []string) {
	tried := map[string]bool{} // id and folder
	for fl, names := range made {
		for _, name := range names {
			for _, id := range threatsIn(name) {
				tried[id+" "+path.Dir(fl)] = true
				if _, known := threats[id]; known && !linked[id+" "+fl+" "+name] {
					bad = append(bad, fmt.Sprintf("%s: the row of %s lacks [%s](../%s)", threatTable, id, name, fl))
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(threats)) {
		for folder := range strings.FieldsSeq(threats[id]) {
			if !tried[id+" "+folder] {
				bad = append(bad, fmt.Sprintf("%s: no test of %q carries its name, Test%s_", id, folder, id))
			}
		}
	}
	slices.Sort(bad)
	return bad
}

// soundThreats is a table that links to one test for each threat and package, and
// the files with these.
func soundThreats() (table string, tests map[string]string) {
	var b strings.Builder
	tests = map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(threats)) {
		fmt.Fprintf(&b, "| %s | somebody tries something |", id)
		for folder := range strings.FieldsSeq(threats[id]) {
			name := path.Join(folder, "threat_test.go")
			if tests[name] == "" {
				tests[name] = "package " + strings.Trim(path.Base(folder), ".") + "\n"
				if folder == "." {
					tests[name] = "package joinleaf\n"
				}
			}
			tests[name] += fmt.Sprintf("\nfunc Test%s_Fails() {}\n", id)
			fmt.Fprintf(&b, " [Test%s_Fails](../%s)", id, name)
		}
		b.WriteString(" |\n")
	}
	return b.String(), tests
}
