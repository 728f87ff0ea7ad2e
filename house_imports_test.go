package joinleaf

import (
	"fmt"
	"strconv"
	"strings"
)

const module = "github.com/joinleaf/joinleaf"

// arrows is the architecture as data: package -> packages of ours that it may
// import. "." is the root package. Arrows point down only: transport and
// crypto never meet, rooted and nonrooted never each other.
var arrows = map[string]string{
	"transport":         "",
	"transport/flow":    "",
	"transport/simnet":  "transport",
	"transport/netlab":  "transport",
	"transport/nettest": "transport",
	"transport/session": "transport transport/flow",
	"crypto":            "crypto/aesgcm",
	"crypto/aesgcm":     "",
	"crypto/dtls":       "crypto",
	"control":           "transport",
	"rooted":            "control crypto crypto/dtls transport transport/session transport/flow",
	"nonrooted":         "control crypto crypto/dtls transport transport/session transport/flow",
	".":                 "rooted nonrooted control crypto transport",
}

// above may import anything: nothing is built on it.
var above = []string{"cmd", "examples", "bench"}

// outside is what library packages may import from elsewhere, and which
// package alone, where it is one.
var outside = map[string]string{
	"golang.org/x/net":                 "",
	"golang.org/x/sys":                 "",
	"golang.org/x/crypto":              "",
	"github.com/klauspost/reedsolomon": "",
	"github.com/pion/dtls/v2":          "crypto/dtls",
	"github.com/google/go-cmp":         "tests",
	"go.uber.org/goleak":               "tests",
	"github.com/rogpeppe/go-internal":  "tests",
}

// under reports whether p is folder or lies below it.
func under(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

func isAbove(pkg string) bool {
	for _, a := range above {
		if under(pkg, a) {
			return true
		}
	}
	return false
}

// imports calls f with every import of fl and its place.
func (tr *tree) imports(fl *file, f func(at, imported string)) {
	for _, s := range fl.ast.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err == nil {
			f(tr.at(s), p)
		}
	}
}

// checkArrows holds every import of ours to the arrow table. Tests are free:
// a machine's test may well run over simnet.
func checkArrows(tr *tree) (bad []string) {
	names, files := tr.packages()
	for _, pkg := range names {
		allowed, known := arrows[pkg]
		switch {
		case isAbove(pkg):
			continue
		case !known:
			bad = append(bad, pkg+": this package is not in the arrow table; give it a place in the architecture first")
			continue
		}
		for _, fl := range files[pkg] {
			tr.imports(fl, func(at, imported string) {
				if !under(imported, module) {
					return
				}
				to := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
				if to == "" {
					to = "."
				}
				for _, ok := range strings.Fields(allowed) {
					if ok == to {
						return
					}
				}
				bad = append(bad, fmt.Sprintf("%s: %s may not import %s; it may import [%s]", at, pkg, to, allowed))
			})
		}
	}
	return bad
}

// checkOutside keeps library packages, and their tests, to a handful of
// modules: whoever embeds joinleaf gets no others.
func checkOutside(tr *tree) (bad []string) {
	for _, tests := range []bool{false, true} {
		for _, fl := range tr.goFiles(tests) {
			pkg := fl.folder()
			tr.imports(fl, func(at, imported string) {
				if imported == "C" {
					bad = append(bad, at+": cgo; joinleaf is pure Go")
				}
				first, _, _ := strings.Cut(imported, "/")
				if isAbove(pkg) || under(imported, module) || !strings.Contains(first, ".") {
					return
				}
				for mod, only := range outside {
					if !under(imported, mod) {
						continue
					}
					if only == "" || only == pkg || only == "tests" && tests {
						return
					}
				}
				bad = append(bad, fmt.Sprintf("%s: %s may not import %s", at, pkg, imported))
			})
		}
	}
	return bad
}
